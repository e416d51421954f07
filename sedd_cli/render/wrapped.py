"""Long lines of styled text in rows of a terminal."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

HANGING = "  "
"""Begins the rows of a line, but the first."""


def wrapped(parts: Sequence[tuple[str, str]], width: int) -> Iterator[tuple[str, str | Style]]:
    """The parts (text, style) with lines longer than `width` cells broken between words."""
    console = Console(width=width)
    for line in Text.assemble(*parts).split("\n", include_separator=True):
        text = line.plain.removesuffix("\n")
        rows = [line]
        if cell_len(text.expandtabs()) > width:
            rows = list(line[: len(text)].wrap(console, max(1, width - len(HANGING))))
        for i, row in enumerate(rows):
            if i:
                yield f"\n{HANGING}", ""
            yield from ((segment.text, segment.style or "") for segment in row.render(console))
        if rows != [line]:
            yield line.plain[len(text) :], ""
