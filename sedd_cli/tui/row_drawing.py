"""Rows of the canvas as they are drawn: styles of classes, the selection, the cursor and the numbers of gaps."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple, cast

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sedd_cli.render.palette import Rgb, Scale
from sedd_cli.tui import gap_numbers
from sedd_cli.tui.page_layout import Piece
from sedd_cli.tui.tints import Tints
from sedd_cli.tui.wrapping import drawn, graphemes

STYLES = ("text", "kept", "locked", "revealed", "pending", "decided", "selection", "cursor", "number")
"""Names of the styles in the style sheet, as component classes."""
_TINT = re.compile("(sure|order|glow)([0-9])")
"""A step of a scale, or the calls since a word was written."""

Span = tuple[int, Style]
"""A style from a character of the row on."""


class RowState(NamedTuple):
    """Everything a row's rendering depends on."""

    pieces: tuple[Piece, ...]
    selected: tuple[int, int]
    """Characters, the last one excluded; (0, 0) where none is."""
    cursor: int
    """Its character; -1 where it is elsewhere."""


class _Look(NamedTuple):
    style: Style
    marks: bool
    """Whether it shows on a blank too: only words are to be marked, not the blanks before them."""


class RowPainter:
    """Draws rows in the styles of one theme. `components`: one of each of `STYLES`; `tints`: colours of tokens."""

    def __init__(self, components: Mapping[str, Style], background: Color, tints: Tints) -> None:
        self._components, self._background, self._tints = components, background, tints
        self._looks: dict[str, _Look] = {}

    def style_of(self, classes: str) -> Style:
        """The combined style of classes such as `revealed sure3 glow2`."""
        return self._look(classes).style

    def draw(self, state: RowState) -> Strip:
        """All of a row, however much of it is in view."""
        pieces, cursor = state.pieces, state.cursor
        visible = drawn("".join(piece.text for piece in pieces))
        spans = [span for piece in pieces for span in self._spans(piece)]
        if state.selected[0] < state.selected[1] or cursor >= 0:
            spans = self._marked(spans, state, visible)
        if cursor == len(visible):
            visible += " "
            spans.append((cursor, self._over(self.style_of("text"), "cursor")))
        for at, sign in gap_numbers.signs(pieces, visible).items():
            visible = f"{visible[:at]}{sign}{visible[at + 1 :]}"
            spans = _restyled(spans, at, self._components["number"])
        return Strip(_segments(visible, spans))

    def _spans(self, piece: Piece) -> list[Span]:
        start, (style, marks) = piece.start, self._look(piece.classes)
        word = start + (len(piece.text) - len(piece.text.lstrip(" ")) if marks else 0)
        before = [(start, self.style_of("text"))] if word > start else []
        return [*before, (word, style)] if word < start + len(piece.text) else before

    def _marked(self, spans: list[Span], state: RowState, visible: str) -> list[Span]:
        """The spans of a row with the selection and the cursor over them."""
        pieces, (first, last), cursor = state
        end = next((stop for start, stop, _ in graphemes(visible) if start == cursor), cursor + 1)
        for piece in pieces:
            # The cursor covers a whole token.
            if piece.token and piece.start <= cursor < piece.start + len(piece.text):
                cursor, end = piece.start, piece.start + len(piece.text)
        marked: list[Span] = []
        stops = [at for at, _ in spans[1:]] + [len(visible)] * bool(spans)
        for (start, style), stop in zip(spans, stops, strict=True):
            for at in sorted({start, *(c for c in (first, last, cursor, end) if start < c < stop)}):
                look = self._over(style, "selection") if first <= at < last else style
                marked.append((at, self._over(look, "cursor") if cursor <= at < end else look))
        return marked

    def _look(self, classes: str) -> _Look:
        look = self._looks.get(classes)
        if look is None:
            style = self._combined(classes.split())
            marks = style.underline or style.reverse or style.bgcolor != self._background
            look = self._looks[classes] = _Look(style, bool(marks))
        return look

    def _combined(self, names: list[str]) -> Style:
        style = self._components["text"] + Style(bgcolor=self._background)
        scale: Scale | None = None
        step, age = 0, -1
        for name in names:
            if name.startswith(gap_numbers.CLASS):
                continue
            if tint := _TINT.fullmatch(name):
                if tint[1] == "glow":
                    age = int(tint[2])
                else:
                    scale, step = cast(Scale, tint[1]), int(tint[2])
            elif name in ("mask", "past"):
                return style + (self._tints.mask() if name == "mask" else self._tints.past())
            else:
                style += self._components[name]
        return style + self._tints.word(scale, step, _rgb(style.color), age)

    def _over(self, style: Style, name: str) -> Style:
        """A style under the selection or the cursor, so that it can be read there."""
        component = self._components[name]
        over = style + component
        return self._tints.on(_rgb(component.bgcolor), over) if component.bgcolor else over


def _restyled(spans: list[Span], at: int, style: Style) -> list[Span]:
    """The spans with one character in the foreground of another style, and without its lines."""
    i = bisect_right(spans, at, key=lambda span: span[0]) - 1
    start, before = spans[i]
    after = [] if i + 1 < len(spans) and spans[i + 1][0] == at + 1 else [(at + 1, before)]
    own = before + Style(color=style.color, bold=False, underline=False)
    return [*spans[:i], *([(start, before)] if start < at else []), (at, own), *after, *spans[i + 1 :]]


def _rgb(color: Color | None) -> Rgb | None:
    """The values of a colour; None for one that the terminal names."""
    if color is None or color.triplet is None:
        return None
    red, green, blue = color.triplet
    return red, green, blue


def _segments(text: str, spans: list[Span]) -> list[Segment]:
    """The text as segments, each style from its character on; adjacent equal styles are merged."""
    merged: list[Span] = []
    for at, style in spans:
        if not merged or merged[-1][1] != style:
            merged.append((at, style))
    ends = [at for at, _ in merged[1:]] + [len(text)] * bool(merged)
    return [Segment(text[at:end], style) for (at, style), end in zip(merged, ends, strict=True)]
