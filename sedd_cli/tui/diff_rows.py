"""A diff as rows of a terminal: one text under the other, or side by side with the same line on the same rows."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from typing import NamedTuple

from sedd_cli.render.changed_words import Span
from sedd_cli.render.diff import CHANGED
from sedd_cli.render.inert import inert
from sedd_cli.tui.wrapping import breaks

KINDS = {"red": "removed", "green": "added", "cyan": "place", "bold": "name"}
"""The styles of `diff_parts`, and what their lines are; other lines are the same in both texts."""
SEPARATOR = " │ "
"""Between two texts side by side."""


class Line(NamedTuple):
    """A line of a diff behind its sign, inert, without tabs, with the spans of its changed words.

    `kind`: removed, added, place (where the next lines stand), remark (on the line before), or "".
    """

    sign: str
    text: str
    kind: str
    changed: tuple[Span, ...] = ()


Row = tuple[Line | None, ...]
"""What a row shows: one line or part of one, or two side by side; None where one text has no more."""
_PLACE = re.compile(r"@@ -(\d+)")


def lines_of(parts: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """The lines of the parts that `sedd_cli.render.diff.diff_parts` makes, without the name of the file."""
    text, changed = "", list[Span]()
    for part, style in parts:
        first, *others = inert(part).split("\n")
        begin, text = len(_without_tabs(text)), text + first
        if style.startswith(CHANGED):
            changed.append((begin - 1, len(_without_tabs(text)) - 1))
        for following in others:
            kind = KINDS.get(style.removeprefix(CHANGED), "remark" if text.startswith("\\") else "")
            if kind != "name":
                yield _line(_without_tabs(text), kind, tuple(changed))
            text, changed = following, []


def rows_under(lines: Sequence[Line], width: int) -> list[Row]:
    """One text under the other, lines wrapped between words to `width` cells, their signs included."""
    return [(part,) for line in lines for part in _wrapped(line, width)]


def rows_beside(lines: Sequence[Line], width: int) -> list[Row]:
    """The old text on the left, the new one on the right, `SEPARATOR` between them."""
    half = column_width(width)
    rows: list[Row] = []
    for changed, group in groupby(lines, lambda line: line.kind in ("removed", "added", "remark")):
        if not changed:
            for line in group:
                parts = _wrapped(line, half)
                rows += [(part,) for part in parts] if line.kind == "place" else [(part, part) for part in parts]
            continue
        for pair in zip_longest(*_sides(list(group))):
            columns = [_wrapped(line, half) if line is not None else [] for line in pair]
            rows += zip_longest(*columns)
    return rows


def column_width(width: int) -> int:
    """Cells of each of two texts side by side."""
    return max(2, (width - len(SEPARATOR)) // 2)


def _sides(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Removed lines and added ones; a remark goes with the line before it, or with both texts."""
    old: list[Line] = []
    new: list[Line] = []
    for i, line in enumerate(lines):
        side = lines[i - 1].kind if line.kind == "remark" and i else line.kind
        if side != "added":
            old.append(line)
        if side != "removed":
            new.append(line)
    return old, new


def _line(text: str, kind: str, changed: tuple[Span, ...]) -> Line:
    if kind == "place" and (match := _PLACE.match(text)):
        return Line("", f"line {match[1]}", kind)
    if kind == "remark":
        return Line(" ", text[1:].strip(), kind)
    return Line(text[:1], text[1:], kind, changed)


def _wrapped(line: Line, width: int) -> list[Line]:
    """The rows of a line; a sign stands on the first."""
    room = max(2, width - 1)
    if len(line.text) <= room and line.text.isascii():
        return [line]
    starts = breaks(line.text, room)
    rows = []
    for start, stop in zip(starts, [*starts[1:], len(line.text)], strict=True):
        spans = tuple((max(a, start) - start, min(b, stop) - start) for a, b in line.changed if a < stop and b > start)
        rows.append(line._replace(sign=line.sign if not start else " ", text=line.text[start:stop], changed=spans))
    return rows


def _without_tabs(line: str) -> str:
    # The sign in front does not count for tab stops.
    return line[:1] + line[1:].expandtabs(4) if "\t" in line else line
