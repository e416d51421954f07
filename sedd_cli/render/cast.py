"""Export a recorded run as an asciicast (version 2) of the live view."""

import json
from collections.abc import Iterator

from rich.color import ColorSystem
from rich.segment import Segment

from sedd_cli.generation.recording import RecordedMoment, RecordedSample
from sedd_cli.render.inert import one_line
from sedd_cli.render.live import LiveView, height_of
from sedd_cli.render.picture import terminal_console
from sedd_cli.render.replay import make_frame, title_of

MAX_HEIGHT = 100
"""Maximum lines of the terminal; a longer canvas is cut."""
MAX_FRAME_RATE = 30
"""Maximum frames a second, as in the terminal: faster runs skip steps, but never the last."""
END_SECONDS = 2.0
"""Seconds for which the last frame stays."""


def cast(sample: RecordedSample, speed: float, width: int) -> Iterator[str]:
    """The lines of the file. Each frame rewrites only the lines that changed."""
    frames = [(moment.number, make_frame(sample, moment)) for moment in _frame_moments(sample, speed)]
    height = min(MAX_HEIGHT, max(height_of(frame, width) for _, frame in frames))
    title = title_of(sample.header)
    yield header(width, height, title)
    now = 0.0
    view = LiveView(title, sample.calls, True, clock=lambda: now)
    screen = _Screen(width, height)
    for number, frame in frames:
        now = number / speed
        view.show(frame)
        begin = "\x1b[?25l\x1b[2J" if number == 0 else ""
        yield record([round(now, 6), "o", begin + screen.draw(view)])
    yield record([round(now + END_SECONDS, 6), "o", f"\x1b[{height};1H\x1b[?25h"])


def _frame_moments(sample: RecordedSample, speed: float) -> Iterator[RecordedMoment]:
    """The moments that become frames: the first of each frame's time slot, and the last of all."""
    last_slot = -1
    for moment in sample.moments():
        slot = int(moment.number / speed * MAX_FRAME_RATE)
        if speed <= MAX_FRAME_RATE or slot > last_slot or moment.number == sample.last:
            yield moment
        last_slot = slot


class _Screen:
    """A terminal that keeps its current lines, so that only changes are sent."""

    def __init__(self, width: int, height: int) -> None:
        self._console = terminal_console(width, height, color_system="256")
        self._height = height
        self._lines = [""] * height

    def draw(self, view: LiveView) -> str:
        """Returns the output that updates the terminal to this view."""
        segments = self._console.render_lines(view, self._console.options.update(height=self._height), pad=False)
        lines = ["".join(map(_ansi, line_segments)).rstrip(" ") for line_segments in segments[: self._height]]
        # Erase before writing: after a full line the cursor is still on its last character, which erasing would remove.
        sent = [
            f"\x1b[{i};1H\x1b[2K{line}"
            for i, (line, previous) in enumerate(zip(lines, self._lines, strict=False), start=1)
            if line != previous
        ]
        self._lines = lines
        return "".join(sent)


def _ansi(segment: Segment) -> str:
    return segment.style.render(segment.text, color_system=ColorSystem.EIGHT_BIT) if segment.style else segment.text


def header(width: int, height: int, title: str) -> str:
    """The first line of a file."""
    return record({"version": 2, "width": width, "height": height, "title": one_line(title)})


def record(value: object) -> str:
    """A line of a file."""
    # Some readers treat these two characters as line ends.
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"
