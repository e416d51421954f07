"""The live view: a canvas turning from MASK into text, in place."""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from sedd_cli.render.inert import inert, one_line
from sedd_cli.render.palette import GLOW, STRONG

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

MASK = " ···"
ASCII_MASK = " ___"
FILLED = "underline green"
"""Style of what was written in a document."""
COMPACT_HEIGHT = 8
"""Height in lines below which the layout omits blank lines and the line count."""


@dataclass(frozen=True)
class Frame:
    """A canvas after a step: `pieces` (None: MASK), clamped positions `kept`, and those `changed` by the step.

    `infills`: whether it is part of a document, of which most is kept.
    """

    pieces: Sequence[str | None]
    kept: frozenset[int]
    changed: frozenset[int]
    end: int
    """Positions from here on belong to another document."""
    row: str
    step: str
    t: float | None
    calls: int
    infills: bool = False

    @property
    def masks(self) -> int:
        return sum(piece is None for piece in self.pieces)


def pieces_of(tokenizer: "Tokenizer", ids: Sequence[int | None]) -> list[str | None]:
    """The text of each token as a frame shows it, None for MASK."""
    ends, texts = tokenizer.end_ids, tokenizer.decode_each(ids)
    return [None if i is None else "¶" if i in ends else text for i, text in zip(ids, texts, strict=True)]


class LiveView:
    """A renderable that fills the terminal with a title, the canvas and progress. `show` sets the frame.

    `clock`: returns seconds, for the estimate of the remaining time; None for a picture, which has no estimate.
    """

    def __init__(
        self,
        title: str = "sedd",
        calls_needed: int = 0,
        exact: bool = True,
        clock: Callable[[], float] | None = time.monotonic,
    ) -> None:
        self._frame: Frame | None = None
        self._lit: dict[int, int] = {}
        """Positions of new words, and the frames since each was written."""
        self._clock = clock
        self.begin(title, calls_needed, exact)

    def begin(self, title: str, calls_needed: int, exact: bool) -> None:
        """Set what is known once a run starts. The time that is left is estimated from here on."""
        self._title, self._needed, self._exact = title, calls_needed, exact
        self._started = self._clock() if self._clock else 0.0
        self._earlier_calls: int | None = None
        """Calls made before the first frame of the run."""

    def show(self, frame: Frame) -> None:
        if self._earlier_calls is None and frame.calls:
            self._earlier_calls = max(0, frame.calls - 1)
        same = self._frame is not None and frame.row == self._frame.row
        cooling = {i: age + 1 for i, age in self._lit.items() if age + 1 < len(GLOW)} if same else {}
        # A finished text is shown at rest.
        finished = self._needed and frame.calls >= self._needed
        self._lit = {} if finished else cooling | dict.fromkeys(frame.changed, 0)
        self._frame = frame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        frame, height = self._frame, options.height or console.height
        yield Text(one_line(self._title), style="bold", no_wrap=True, overflow="ellipsis")
        if frame is None:
            return
        unicode = options.encoding.startswith("utf")
        text = canvas_text(frame, MASK if unicode else ASCII_MASK, self._lit)
        canvas = console.render_lines(text, options.update(height=None))
        compact = height < COMPACT_HEIGHT
        room = max(1, height - (3 if compact else 4))
        hidden = 0 if compact else max(0, len(canvas) - room)
        canvas = canvas[: room - (hidden > 0)]
        if not compact:
            yield Segment.line()
        for line in canvas:
            yield from line
            yield Segment.line()
        if hidden > 0:
            yield Text(f"and {hidden + 1} more lines below", style="dim", no_wrap=True)
        for _ in range(room - len(canvas) - (hidden > 0)):
            yield Segment.line()
        yield ProgressBar(
            total=self._needed or 1, completed=frame.calls, width=options.max_width, complete_style="cyan"
        )
        yield Segment.line()
        yield Text(one_line(self._status(frame)), no_wrap=True, overflow="ellipsis", end="")

    def _status(self, frame: Frame) -> str:
        parts = [
            frame.step,
            *([] if frame.t is None else [f"t {frame.t:.3f}"]),
            f"masks {frame.masks}/{len(frame.pieces)}",
        ]
        if self._needed:
            parts.append(f"calls {frame.calls}/{'' if self._exact else 'at most '}{self._needed}")
        if self._needed and self._clock is not None:
            done = max(1, frame.calls - (self._earlier_calls or 0))
            left = (self._clock() - self._started) / done * max(0, self._needed - frame.calls)
            parts.append(f"{left:.0f} s left")
        return "  ".join([frame.row, *parts] if frame.row else parts)


def canvas_text(frame: Frame, mask: str = MASK, lit: Mapping[int, int] | None = None) -> Text:
    """The canvas as text: MASK dim, a new word reversed and then bold while it cools, past the end dim.

    `lit`: positions of new words, and the frames since each was written; None: those that the step changed.
    What is the rarer stands out: clamped positions are bold, or in a document the written ones `FILLED`.
    """
    # Neighbours of the same style become one part: rich is slow per part.
    parts = groupby(_parts(frame, mask, dict.fromkeys(frame.changed, 0) if lit is None else lit), key=itemgetter(1))
    return Text.assemble(*(("".join(part for part, _ in same_style), style) for style, same_style in parts))


def _parts(frame: Frame, mask: str, lit: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    for i, piece in enumerate(frame.pieces):
        if piece is None:
            yield mask, "bright_black"
        else:
            word = piece.lstrip(" ")
            style = _style(frame, i, lit.get(i))
            yield " " * (len(piece) - len(word)), style if style == "dim" else ""
            yield inert(word), style


def _style(frame: Frame, position: int, age: int | None) -> str:
    # The terminal's background is not known, so that no shade can be made for it.
    if age is not None and age < STRONG:
        return "reverse"
    if position in frame.kept:
        return "" if frame.infills else "bold"
    if position >= frame.end:
        return "dim"
    own = FILLED if frame.infills else ""
    return own if age is None else f"bold {own}".rstrip()


def height_of(frame: Frame, width: int) -> int:
    """Number of lines that the view needs for all of a frame."""
    console = Console(file=io.StringIO(), width=width, height=25)
    return max(COMPACT_HEIGHT, len(console.render_lines(Text(canvas_text(frame).plain), pad=False)) + 4)
