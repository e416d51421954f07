"""Figures as lines of text or as Markdown. Values are escaped: a file's or model's name adds no line, table or link."""

from collections.abc import Mapping, Sequence

Value = float | int | str | bool | None
_MARKUP = frozenset("\\|<>[]`*_#!")


def printable(text: str) -> str:
    """Returns the text on one line, with control characters as escape sequences."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def as_lines(fields: Mapping[str, Value]) -> str:
    """One line per field, name first; fields with value None are omitted."""
    width = max(map(len, fields)) + 2
    return "".join(f"{name:<{width}}{formatted(value)}\n" for name, value in fields.items() if value is not None)


def as_table(rows: Sequence[Mapping[str, Value]]) -> str:
    """A Markdown table; its columns are the keys of the first row."""
    names = list(rows[0])
    body = ["".join(f"| {escape_markdown(row.get(name))} " for name in names) + "|" for row in rows]
    return "\n".join([f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *body]) + "\n"


def as_list(fields: Mapping[str, Value]) -> str:
    """A Markdown list, one item per field; fields with value None are omitted."""
    return "".join(f"- {name}: {escape_markdown(value)}\n" for name, value in fields.items() if value is not None)


def formatted(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else printable(str(value))


def escape_markdown(value: Value) -> str:
    """Format a value and escape Markdown's special characters."""
    return "".join(f"\\{c}" if c in _MARKUP else c for c in formatted(value))
