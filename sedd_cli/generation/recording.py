"""Reads traces: every moment of a run, without its model. Imports neither torch nor tokenizers.

`read(path)` and `parse(lines)` return a `Recording`; its `sample(number)` is one text, whose moments are numbered from
0, before the first step, to `last`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, repeat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.generation.fields import Fields
from sedd_cli.generation.trace_lines import CanvasLayout, EditLine, Header, Start, StepLine, read_header, read_line
from sedd_cli.text.byte_level import compose_canvas, compose_gap, end_of_text_position, text_begin
from sedd_cli.text.encodings import without_bom

LONGEST = 1 << 26
"""Maximum bytes of a line (/dev/zero has no end)."""


class RecordedToken(NamedTuple):
    """A position of a canvas: its token id and bytes (None: MASK).

    `moment`: the moment at which the run wrote it, -1 if it did not; `probability` and `entropy` are then None.
    """

    id: int
    piece: bytes | None
    probability: float | None = None
    entropy: float | None = None
    moment: int = -1


@dataclass(frozen=True)
class RecordedCanvas:
    """A canvas at a moment, and the positions that the sampler may write."""

    row: int
    tokens: tuple[RecordedToken, ...]
    free: frozenset[int]


@dataclass(frozen=True)
class RecordedMoment:
    """The canvases of a text after a step or an edit; `on` and `changed`: the canvas and the positions written.

    `calls`: network calls so far, of all canvases. `line` is None before the first step.
    """

    number: int
    canvases: tuple[RecordedCanvas, ...]
    on: int
    changed: frozenset[int]
    calls: int
    line: StepLine | EditLine | None = None

    @property
    def canvas(self) -> RecordedCanvas:
        """The canvas that changed."""
        return self.canvases[self.on]

    @property
    def masks(self) -> int:
        return sum(token.piece is None for canvas in self.canvases for token in canvas.tokens)


@dataclass(frozen=True)
class RecordedSample:
    """One text of a recording: a row, or the windows of a filled document."""

    header: Header
    number: int
    starts: tuple[Start, ...]
    lines: tuple[StepLine | EditLine, ...]

    @property
    def last(self) -> int:
        return len(self.lines)

    @property
    def calls(self) -> int:
        return sum(isinstance(line, StepLine) for line in self.lines)

    def at(self, number: int) -> RecordedMoment:
        """Return one moment. Raises `UsageError` if the number is out of range."""
        self.check(number)
        return next(islice(self.moments(), number, None))

    def between(self, first: int, last: int) -> Iterator[RecordedMoment]:
        """Yield the moments from first to last, both included."""
        return islice(self.moments(), first, last + 1)

    def check(self, number: int) -> None:
        """Raises `UsageError` if the number is out of range."""
        if not 0 <= number <= self.last:
            raise UsageError(f"there is no step {number}: this text has steps 0 to {self.last}", "0 is the start.")

    def moments(self) -> Iterator[RecordedMoment]:
        places = {start.row: i for i, start in enumerate(self.starts)}
        canvases = tuple(
            RecordedCanvas(
                start.row,
                tuple(map(RecordedToken, start.ids, start.pieces)),
                frozenset(self.layout(start.row).free) if start.free is None else start.free,
            )
            for start in self.starts
        )
        first = places[self.lines[0].row] if self.lines else 0
        moment = RecordedMoment(0, canvases, first, frozenset(), 0)
        yield moment
        for line in self.lines:
            moment = _after(moment, places[line.row], line, self.header.mask_id)
            yield moment

    def text(self, moment: RecordedMoment) -> str:
        """Return the text as the command prints it; a run of N masks reads `[[N]]`."""
        if not self.header.infills:
            return self._text_of(moment.canvases[0])
        if self.header.document is None:
            return "\n".join(self._compose_gap(canvas.tokens) for canvas in moment.canvases)
        parts, at = [], 0
        for gap, text in zip(self.header.gaps, self._written(moment), strict=True):
            parts += [self.header.document[at : gap.start], text]
            at = gap.end
        return "".join([*parts, self.header.document[at:]])

    def _text_of(self, canvas: RecordedCanvas) -> str:
        """The text of a canvas between a prompt and a suffix."""
        header, layout = self.header, self.layout(canvas.row)
        return compose_canvas(
            [token.piece for token in canvas.tokens],
            [self.is_end_of_text(token) for token in canvas.tokens],
            self._edited(canvas),
            range(layout.free[0], layout.free[-1] + 1)
            if layout.free
            else range(len(canvas.tokens), len(canvas.tokens)),
            prompt=header.prompt,
            suffix=header.suffix,
            absorbs_space=bool(layout.space_positions),
        )

    def _written(self, moment: RecordedMoment) -> Iterator[str]:
        """What stands in each gap of the document (as `Infilling.written` has it)."""
        started, windows = {canvas.row: canvas for canvas in moment.canvases}, len(self.header.layouts)
        for row in range(self.number * windows, (self.number + 1) * windows):
            canvas, layout = started.get(row), self.layout(row)
            at = 0
            for count in layout.tokens:
                place = layout.free[at : at + count]
                at += count
                tokens = [canvas.tokens[i] for i in place] if canvas else [RecordedToken(-1, None)] * count
                yield self._compose_gap(
                    tokens,
                    absorbs_space=bool(place) and place[0] in layout.space_positions,
                    adds_space=bool(place) and place[-1] in layout.trailing_positions,
                )

    def _compose_gap(
        self, tokens: Sequence[RecordedToken], *, absorbs_space: bool = False, adds_space: bool = False
    ) -> str:
        is_end = [self.is_end_of_text(token) for token in tokens]
        pieces = [token.piece for token in tokens]
        newline = self.header.newline
        return compose_gap(pieces, is_end, absorbs_space=absorbs_space, adds_space=adds_space, newline=newline)

    def end_of_text_position(self, canvas: RecordedCanvas) -> int:
        """The position from which on a canvas belongs to another document."""
        ids, free = [token.id for token in canvas.tokens], self.layout(canvas.row).free
        begin = text_begin(self._edited(canvas), free[0]) if free else 0
        return end_of_text_position(ids, self.header.end_ids, begin)

    def _edited(self, canvas: RecordedCanvas) -> list[bool]:
        """Which positions hold another token than before the first step."""
        start = next(start for start in self.starts if start.row == canvas.row)
        return [token.id != initial for token, initial in zip(canvas.tokens, start.ids, strict=True)]

    def layout(self, row: int) -> CanvasLayout:
        """The canvas of a row, with the lengths that its gaps have there."""
        own = next((start.layout for start in self.starts if start.row == row), None)
        return own or self.header.layout(row)

    def is_end_of_text(self, token: RecordedToken) -> bool:
        return token.piece is not None and token.id in self.header.end_ids


def _after(moment: RecordedMoment, on: int, line: StepLine | EditLine, mask_id: int | None) -> RecordedMoment:
    canvas, number = moment.canvases[on], moment.number + 1
    tokens, free = list(canvas.tokens), canvas.free
    if isinstance(line, StepLine):
        for i in line.remasked:
            tokens[i] = RecordedToken(-1 if mask_id is None else mask_id, None)
        written = map(RecordedToken, line.ids, line.pieces, line.probability, line.entropy, repeat(number))
        for i, token in zip(line.positions, written, strict=True):
            tokens[i] = token
        changed = frozenset(line.positions)
    else:
        changed = frozenset(i for i, token in enumerate(line.ids) if tokens[i].id != token)
        for i in changed:
            tokens[i] = RecordedToken(line.ids[i], line.pieces[i])
        free = line.free
    now = replace(canvas, tokens=tuple(tokens), free=free)
    calls = moment.calls + isinstance(line, StepLine)
    return RecordedMoment(number, (*moment.canvases[:on], now, *moment.canvases[on + 1 :]), on, changed, calls, line)


@dataclass
class Recording:
    """A parsed trace. `warning`: what is missing, "" if nothing is."""

    header: Header
    name: str = "the trace"
    warning: str = ""
    _starts: dict[int, Start] = field(default_factory=dict)
    _lines: dict[int, list[StepLine | EditLine]] = field(default_factory=dict)

    @property
    def numbers(self) -> list[int]:
        """The texts started, as `--row` numbers them."""
        return sorted(self._lines)

    def sample(self, number: int | None = None) -> RecordedSample:
        """Return a text, by default the first. Raises `UsageError` or, if there is none at all, `NotLoadableError`."""
        if not self._lines:
            raise NotLoadableError(f"{self.name} holds no step", "The run ended before its first.")
        number = self.numbers[0] if number is None else number
        if number not in self._lines:
            recorded = f"row {self.numbers[0]}" if len(self.numbers) == 1 else f"rows {_listed(self.numbers)}"
            raise UsageError(
                f"{self.name} holds {recorded}, not {number}", "--row counts as it did when it was recorded."
            )
        windows = len(self.header.layouts)
        indices = range(number * windows, (number + 1) * windows)
        starts = tuple(self._starts[i] for i in indices if i in self._starts)
        return RecordedSample(self.header, number, starts, tuple(self._lines[number]))

    def add(self, fields: Fields) -> None:
        """Add the next line. Raises `NotLoadableError` if it is inconsistent with those before."""
        line = read_line(fields, self.header, self._starts)
        if isinstance(line, Start):
            if line.row in self._starts:
                fields.fail(f"row {line.row} begins twice")
            self._starts[line.row] = line
            self._lines.setdefault(line.row // len(self.header.layouts), [])
        elif line.row not in self._starts:
            fields.fail(f"row {line.row} has not started")
        else:
            self._lines[line.row // len(self.header.layouts)].append(line)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def parse(lines: Iterable[bytes], name: str = "the trace") -> Recording:
    """Parse the lines of a trace. Raises `NotLoadableError` naming the first invalid line.

    A trace that is only cut short is returned with a warning.
    """
    recording: Recording | None = None
    for number, line in enumerate(lines, start=1):
        if recording is None:
            recording = Recording(read_header(without_bom(line), name), name)
        elif line.strip():
            try:
                fields = Fields.of(line, f"{name}, line {number}")
            except NotLoadableError:
                # Every whole line ends in a newline.
                if line.endswith(b"\n"):
                    raise
                recording.warning = f"{name} is cut short in line {number}: this is what came before"
                break
            recording.add(fields)
    if recording is None:
        raise NotLoadableError(f"{name} is empty", "Record a run with --trace FILE.")
    return recording


def read(path: Path) -> Recording:
    """Read a trace. Raises `NotLoadableError` if it is missing, unreadable or invalid (see `parse`)."""
    try:
        with path.open("rb") as file:
            return parse(_lines(file, path), str(path))
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror or error}", "Give a file of --trace.") from error


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while line := file.readline(LONGEST):
        if len(line) == LONGEST:
            raise NotLoadableError(f"{path} is no trace of sedd: a line has no end", "Record one with --trace FILE.")
        yield line
