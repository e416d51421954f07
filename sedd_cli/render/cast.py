"""A recorded run as an asciicast (version 2): the live view, for asciinema to play."""

import io
import json
from collections.abc import Iterator

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment

from sedd_cli.generation.recording import RecordedMoment, RecordedSample
from sedd_cli.render.inert import one_line
from sedd_cli.render.live import LiveView, height_of
from sedd_cli.render.replay import frame_of, title_of

TALLEST = 100
"""Lines of the terminal; of a longer canvas the beginning is shown."""
DRAWN = 30
"""Screens a second at most, as in the terminal: of faster runs steps are left out, the last never."""
HOLD = 2.0
"""Seconds for which the end is shown."""


def cast(sample: RecordedSample, speed: float, width: int) -> Iterator[str]:
    """The lines of the file. Only what changes on the screen is written again."""
    frames = [(moment.number, frame_of(sample, moment)) for moment in _drawn(sample, speed)]
    height = min(TALLEST, max(height_of(frame, width) for _, frame in frames))
    title = title_of(sample.header)
    yield _line({"version": 2, "width": width, "height": height, "title": one_line(title)})
    now = 0.0
    view = LiveView(title, sample.calls, True, clock=lambda: now)
    screen = _Screen(width, height)
    for number, frame in frames:
        now = number / speed
        view.show(frame)
        begin = "\x1b[?25l\x1b[2J" if number == 0 else ""
        yield _line([round(now, 6), "o", begin + screen.draw(view)])
    yield _line([round(now + HOLD, 6), "o", f"\x1b[{height};1H\x1b[?25h"])


def _drawn(sample: RecordedSample, speed: float) -> Iterator[RecordedMoment]:
    """The moments that are drawn: of those that fall on one screen, the first."""
    seen = -1
    for moment in sample.moments():
        screen = int(moment.number / speed * DRAWN)
        if speed <= DRAWN or screen > seen or moment.number == sample.last:
            yield moment
        seen = screen


class _Screen:
    """A terminal that knows what stands on it."""

    def __init__(self, width: int, height: int) -> None:
        self._console = Console(
            file=io.StringIO(),
            width=width,
            height=height,
            force_terminal=True,
            color_system="256",
            no_color=False,
            legacy_windows=False,
        )
        self._height = height
        self._lines = [""] * height

    def draw(self, view: LiveView) -> str:
        """What must be sent to a terminal so that it shows this."""
        rows = self._console.render_lines(view, self._console.options.update(height=self._height), pad=False)
        lines = ["".join(map(_ansi, row)).rstrip(" ") for row in rows[: self._height]]
        # Cleared before it is written: behind a full line the cursor still stands on its last character.
        sent = [
            f"\x1b[{i};1H\x1b[2K{line}"
            for i, (line, was) in enumerate(zip(lines, self._lines, strict=False), start=1)
            if line != was
        ]
        self._lines = lines
        return "".join(sent)


def _ansi(segment: Segment) -> str:
    return segment.style.render(segment.text, color_system=ColorSystem.EIGHT_BIT) if segment.style else segment.text


def _line(record: object) -> str:
    # Some readers take these two for the end of a line.
    text = json.dumps(record, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"
