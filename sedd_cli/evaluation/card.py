"""A table of figures and its card, which says how they were obtained, as text and as Markdown."""

from collections.abc import Sequence

from sedd_cli.evaluation.tables import as_lines


def as_text(table: Sequence[Sequence[str]], facts: Sequence[tuple[str, str]]) -> str:
    """The table in columns, then the card."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
    return "".join(f"{row.rstrip()}\n" for row in rows) + "\n" + as_lines(dict(facts))


def as_markdown(
    title: str,
    caption: str,
    table: Sequence[Sequence[str]],
    facts: Sequence[tuple[str, str]],
    picture: str | None,
) -> str:
    """A page with the table, a `picture` with its caption by its address if there is one, and the card."""
    heading, *rows = table
    lines = [" | ".join(heading), " | ".join([":--", *["--:"] * (len(heading) - 1)]), *map(" | ".join, rows)]
    shown = f"![{caption}](<{picture}>)\n\n" if picture else ""
    body = "".join(f"| {line} |\n" for line in lines)
    # In a block, where no name of a file or model is markup.
    return f"# {title}\n\n{body}\n{shown}```text\n{as_lines(dict(facts))}```\n"
