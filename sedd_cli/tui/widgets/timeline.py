"""The timeline: a bar of the moments of a branch, how far it is, and curves of what is left to write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

BLOCKS = "▁▂▃▄▅▆▇█"
NARROW = 48
"""Below this many columns the percentage stands alone."""
MIN_CURVE, MAX_CURVE = 8, 24
"""Columns of a curve."""
SHARE_WIDTH = 6
"""Columns of the percentage at the end of the bar, where there is no second row: ` ≥100%`."""


@dataclass(frozen=True)
class TimelineState:
    """What the timeline shows. `at`, `last`: moments; `needed`: the last moment of the finished run.

    `share` is the percentage, `progress` the same with the time left; without a run, what the draft awaits. `notes`
    are always shown, `figures` on demand. `masks` and `uncertainty` have one value a moment: MASKs left, and the mean
    entropy of what was written, None where the network wrote nothing.
    """

    at: int = 0
    last: int = 0
    needed: int = 0
    playing: bool = False
    share: str = ""
    progress: str = ""
    notes: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    masks: tuple[int, ...] = ()
    uncertainty: tuple[float | None, ...] = ()

    @property
    def curves(self) -> Iterator[tuple[str, Sequence[float | None]]]:
        """Labels and values of the curves that have something to show."""
        if any(self.masks):
            yield "masks", self.masks
        if any(self.uncertainty):
            yield "uncertainty", self.uncertainty


class Timeline(Widget):
    """Two rows: a bar from the first to the last moment, then progress and curves. In one row, bar and percentage."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"timeline--{part}" for part in ("past", "ahead", "missing", "marker", "masks", "uncertainty")
    }

    @dataclass
    class SeekRequested(Message):
        """The user selects a moment on the bar."""

        at: int

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = TimelineState()
        self.detailed = False
        """Whether the figures are shown."""

    def show(self, state: TimelineState) -> None:
        if state != self.state:
            self.state = state
            self.refresh()

    def toggle_figures(self) -> None:
        self.detailed = not self.detailed
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        blank = self.rich_style
        strip = Strip(self._bar() if y == 0 else self._figures(width))
        return strip.apply_style(blank).adjust_cell_length(width, blank)

    def column_of(self, at: int) -> int:
        return round(at / max(1, self.state.needed) * (self._bar_width - 1))

    def moment_at(self, column: int) -> int:
        at = round(column / max(1, self._bar_width - 1) * max(1, self.state.needed))
        return max(0, min(self.state.last, at))

    @property
    def _bar_width(self) -> int:
        return max(1, self.size.width - (SHARE_WIDTH if self.size.height < 2 else 0))

    def _bar(self) -> list[Segment]:
        at, last = self.column_of(self.state.at), self.column_of(self.state.last)
        return [
            Segment("━" * at, self._style("past")),
            Segment("●", self._style("marker")),
            Segment("━" * max(0, last - at), self._style("ahead")),
            Segment("─" * max(0, self._bar_width - 1 - max(last, at)), self._style("missing")),
            Segment(f"{self.state.share:>{SHARE_WIDTH}}" if self.size.height < 2 else ""),
        ]

    def _figures(self, width: int) -> list[Segment]:
        state = self.state
        narrow = width < NARROW and bool(state.share)
        sign = "▶ " if state.playing else "‖ " if state.share else ""
        parts = [f"{sign}{state.share if narrow else state.progress}"]
        wanted = () if narrow else state.notes
        for part in (*wanted, *(state.figures if self.detailed else ())):
            if cell_len("  ".join([*parts, part])) <= width:
                parts.append(part)
        text = "  ".join(parts)
        curves = () if narrow else tuple(self._curves(width - cell_len(text)))
        # At the right end they stand still while the text changes.
        blank = width - cell_len(text) - sum(segment.cell_length for segment in curves)
        return [Segment(text), Segment(" " * blank), *curves]

    def _curves(self, room: int) -> Iterator[Segment]:
        """As many curves as have room, beside one another."""
        state, curves = self.state, list(self.state.curves)
        while curves:
            # Two blanks before a label, one behind it.
            free = (room - sum(len(label) + 3 for label, _ in curves)) // len(curves)
            if free >= MIN_CURVE:
                break
            curves.pop()
        for label, values in curves:
            drawn = sparkline(values, min(free, MAX_CURVE), state.needed + 1)
            here = 1 + state.at * len(drawn) // (state.needed + 1)
            yield Segment(f"  {label} ")
            yield Segment(drawn[:here], self._style(label))
            yield Segment(drawn[here:], self._style("ahead"))

    def _style(self, name: str) -> Style:
        # Not the partial style: Textual drops the opacity of its colours.
        return self.get_component_rich_style(f"timeline--{name}")

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        self._seek(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self._seek(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()

    def _seek(self, event: events.MouseEvent) -> None:
        at = self.moment_at(event.get_content_offset_capture(self).x)
        if at != self.state.at:
            self.post_message(self.SeekRequested(at))


def sparkline(values: Sequence[float | None], width: int, span: int) -> str:
    """Values as bars relative to the largest, in at most `width` columns.

    `span`: how many values there will be; columns for those to come are blank. Where several share a column it shows
    their mean; a column whose values are all unknown is like the one before.
    """
    n = min(width, span)
    heights: list[float | None] = []
    for i in range(n):
        known = [v for v in values[i * span // n : (i + 1) * span // n] if v is not None]
        before = heights[-1] if heights else None
        heights.append(sum(known) / len(known) if known else before)
    top = max((h for h in heights if h is not None), default=0) or 1
    filled = -(-len(values) * n // span)
    signs = (" " if h is None else BLOCKS[round(7 * h / top)] for h in heights)
    return "".join(sign if i < filled else " " for i, sign in enumerate(signs))
