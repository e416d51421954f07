"""Text as rows of cells: where lines break, and which character stands at which column.

All is measured in terminal cells by graphemes, as Textual measures what it draws: a character can be two cells wide,
or none.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import split_graphemes

from sedd_cli.render.inert import inert

_UNUSUAL = re.compile("[^\x20-\x7e\n\xa1-\xac\xae-\u02ff\u2013\u2014\u2018-\u201d\u2026\u21b5]")
"""What may be other than one cell wide: all but Latin letters, and the signs of English prose and of MASKs."""
_DRAWN = str.maketrans({"\t": "　", "\n": " "})
"""A tab is shown as a blank of two cells, the end of a line as one blank."""

_INNER = re.compile("[\U0001f1e6-\U0001f1ff]([\U0001f1e6-\U0001f1ff])|(?<=\\S)([\u0e33\u0eb3\uff9e\uff9f])")
"""Characters with a cell of their own that are within a grapheme (UAX #29): the second letter of a flag, Thai and Lao
am, and the marks of narrow katakana."""

_JOINERS = ("\u200d", "\ufe0f")

Span = tuple[int, int, int]
"""Start and end in characters, width in cells."""

_WORD = re.compile(r"([^ \n]*(?: (?=\n))?)([ \n]?)")


Stretch = tuple[int, int, int, int]
"""The characters `start ... end - 1` between two places where a row may break; the cells that they take, and those of
the blank or the line end behind them, which may stand beyond the row's width."""


def drawn(text: str) -> str:
    """The characters that the screen shows for (part of) a row: as many, and inert in a terminal.

    The carriage return of a Windows line ending is not shown; any other is a visible sign.
    """
    if text.endswith("\r\n"):
        return drawn(text[:-2]) + " "
    if text.startswith(_JOINERS):
        # It has nothing before it to join.
        text = "\N{SYMBOL FOR SUBSTITUTE FORM TWO}" + text[1:]
    return inert(text).translate(_DRAWN)


@lru_cache(maxsize=512)
def graphemes(row: str) -> tuple[Span, ...]:
    """The graphemes of a row with their widths; `\\r\\n` is one."""
    if row.endswith("\r\n"):
        n = len(row) - 2
        return (*graphemes(row[:-2]), (n, n + 2, 1))
    if not _UNUSUAL.search(row):
        return tuple((i, i + 1, 1) for i in range(len(row)))
    spans = split_graphemes(drawn(row))[0]
    inner = {match.start(match.lastindex or 0) for match in _INNER.finditer(row)}
    joined: list[Span] = []
    for start, end, width in spans:
        if start in inner and joined:
            first, _, before = joined.pop()
            start, width = first, before + width
        joined.append((start, end, width))
    return tuple(joined)


def width_of(row: str) -> int:
    return sum(width for _, _, width in graphemes(row))


def widest(text: str, most: int) -> int:
    """Cells of the widest line, without its end; `most` if one is wider."""
    plain = not _UNUSUAL.search(text)
    return min(most, max(len(line) if plain else width_of(line) for line in text.split("\n")))


def breaks(text: str, width: int) -> list[int]:
    """Where each row of a text begins, if rows take at most `width` cells; rows end at newlines and after blanks.

    A last newline begins no row.
    """
    starts: list[int] = []
    plain = not _UNUSUAL.search(text)
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = end - at
        if plain or not _UNUSUAL.search(text, at, end):
            starts += _plain_breaks(text, at, end, width) if line > width else [at]
        else:
            starts += [at + start for start in _wide_breaks(text[at:end], width)]
        at = end + 1
    return starts or [0]


def _plain_breaks(text: str, at: int, end: int, width: int) -> Iterator[int]:
    """One cell a character: jump from break to break."""
    yield at
    while end - at > width:
        blank = text.rfind(" ", at, at + width)
        at = blank + 1 if blank > at else at + width
        yield at


def _wide_breaks(line: str, width: int) -> Iterator[int]:
    yield 0
    row = used = 0
    blank, used_there = 0, 0
    for start, end, cells in graphemes(line):
        if used + cells > width:
            if blank > row:
                row, used = blank, used - used_there
            else:
                row, used = start, 0
            blank = row
            yield row
        used += cells
        # Each wide character is a word: Chinese and Japanese have no blanks.
        if line[start] in " \t" or cells == 2:
            blank, used_there = end, used


def stretches(text: str, width: int) -> Iterator[Stretch]:
    """What `breaks` may part: all that a text is made of, each of at most `width` cells."""
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        if _UNUSUAL.search(text, at, end):
            yield from _wide_stretches(text, at, end, width)
        else:
            yield from _plain_stretches(text, at, end, width)
        at = end


def _plain_stretches(text: str, at: int, end: int, width: int) -> Iterator[Stretch]:
    for match in _WORD.finditer(text, at, end):
        begin, beyond = match.span()
        stop = match.end(1)
        if stop == begin and beyond > begin and text[begin] == " ":
            # A blank that follows another.
            stop = beyond
        while stop - begin > width:
            yield begin, begin + width, width, 0
            begin += width
        if begin < beyond:
            yield begin, beyond, stop - begin, beyond - stop


def _wide_stretches(text: str, at: int, end: int, width: int) -> Iterator[Stretch]:
    begin, cells = at, 0
    for low, high, wide in graphemes(text[at:end]):
        start, stop = at + low, at + high
        line_end, blank = text[stop - 1] == "\n", text[start] in " \t"
        if line_end or (text[start] == " " and cells and text[stop : stop + 1] not in "\r\n"):
            yield (begin, stop, cells, wide)
            begin, cells = stop, 0
            continue
        if cells + wide > width:
            yield (begin, start, cells, 0)
            begin, cells = start, 0
        cells += wide
        # Each wide character is a word: Chinese and Japanese have no blanks.
        if wide == 2 or blank:
            yield (begin, stop, cells, 0)
            begin, cells = stop, 0
    if begin < end:
        yield (begin, end, cells, 0)
