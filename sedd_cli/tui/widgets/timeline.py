"""The timeline: a bar of the moments of a branch, and the progress of the run."""

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class TimelineState:
    """What the timeline shows. `masks`: MASKs left at each moment; `at`, `last`: moments."""

    at: int = 0
    last: int = 0
    needed: int = 0
    """The last moment of the finished run."""
    playing: bool = False
    label: str = ""
    status: tuple[str, ...] = ()
    masks: tuple[int, ...] = ()


class Timeline(Widget):
    """Two rows: a bar from the first to the last moment, and figures with a curve of the MASKs left."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"timeline--{part}" for part in ("past", "ahead", "missing", "marker", "curve")
    }

    @dataclass
    class SeekRequested(Message):
        """The user selects a moment on the bar."""

        at: int

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = TimelineState()

    def show(self, state: TimelineState) -> None:
        if state != self.state:
            self.state = state
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        blank = self.rich_style
        strip = self._bar(width) if y == 0 else self._figures(width)
        return strip.apply_style(blank).adjust_cell_length(width, blank)

    def column_of(self, at: int) -> int:
        return round(at / max(1, self.state.needed) * max(0, self.size.width - 1))

    def moment_at(self, column: int) -> int:
        at = round(column / max(1, self.size.width - 1) * max(1, self.state.needed))
        return max(0, min(self.state.last, at))

    def _bar(self, width: int) -> Strip:
        at, last = self.column_of(self.state.at), self.column_of(self.state.last)
        return Strip(
            [
                Segment("━" * at, self._style("past")),
                Segment("●", self._style("marker")),
                Segment("━" * max(0, last - at), self._style("ahead")),
                Segment("─" * max(0, width - 1 - max(last, at)), self._style("missing")),
            ]
        )

    def _figures(self, width: int) -> Strip:
        state = self.state
        sign = "▶ " if state.playing else "‖ " if state.status else ""
        text = "  ".join([f"{sign}{state.label}", *state.status])
        room = width - len(text) - 3
        segments = [Segment(text)]
        if state.masks and room >= 6:
            segments += [Segment("  "), Segment(curve(state.masks, min(room, 24)), self._style("curve"))]
        return Strip(segments)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"timeline--{name}", partial=True)

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


def curve(values: tuple[int, ...], width: int) -> str:
    """Values as a curve of at most `width` characters, relative to the largest."""
    n = min(width, len(values))
    picked = [values[i * (len(values) - 1) // max(1, n - 1)] for i in range(n)]
    top = max(1, *values)
    return "".join(" " if v == 0 else BLOCKS[min(7, v * 8 // top)] for v in picked)
