"""Figures as lines of text or as Markdown. Text is data: no name of a file or model makes a line, a table or a link."""

from collections.abc import Mapping, Sequence

Value = float | int | str | bool | None
_MARKUP = frozenset("\\|<>[]`*_#!")


def printable(text: str) -> str:
    """In one line, control characters spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def as_lines(fields: Mapping[str, Value]) -> str:
    """A line a field, its name first; fields without a value are left out."""
    width = max(map(len, fields)) + 2
    return "".join(f"{name:<{width}}{written(value)}\n" for name, value in fields.items() if value is not None)


def as_table(rows: Sequence[Mapping[str, Value]]) -> str:
    """A Markdown table; rows share the names of the first."""
    names = list(rows[0])
    body = ["".join(f"| {escaped(row.get(name))} " for name in names) + "|" for row in rows]
    return "\n".join([f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *body]) + "\n"


def as_list(fields: Mapping[str, Value]) -> str:
    """A Markdown list, an item a field."""
    return "".join(f"- {name}: {escaped(value)}\n" for name, value in fields.items() if value is not None)


def written(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else printable(str(value))


def escaped(value: Value) -> str:
    """A value in Markdown."""
    return "".join(f"\\{c}" if c in _MARKUP else c for c in written(value))
