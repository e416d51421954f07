"""Filling the gaps of a document: windows around them, and the runs that write candidates."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, Unpack

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import Exclusion
from sedd_cli.diffusion.samplers import Sampler, State
from sedd_cli.errors import UsageError
from sedd_cli.generation.defaults import request_of
from sedd_cli.generation.edges import Edges
from sedd_cli.generation.engine import Run, Step
from sedd_cli.generation.filling import Filling, ranked
from sedd_cli.generation.lengths import ChosenLength, choose_lengths
from sedd_cli.generation.options import SamplingKeywords
from sedd_cli.generation.others import Others
from sedd_cli.generation.padding import DrawnLength, Padding, elastic_gaps, make_padding
from sedd_cli.generation.partial import PartialMasking, exact_newline, partial_masking
from sedd_cli.generation.request import Request, resolve
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.byte_level import is_text
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.encodings import check_text
from sedd_cli.text.gaps import Gap, check_gaps
from sedd_cli.text.line_ends import newline_of, read_as_lf
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer
from sedd_cli.text.windows import SizedGap, Window, make_windows

CONTEXT = 400
"""Characters beside a gap by which a document is compared with what the checkpoint was trained on."""
REDRAWS = 16
"""How often invalid UTF-8 is drawn again before only tokens of whole characters are allowed."""


class Infilling:
    """A document being filled: `steps()` runs, `fillings()` returns the current texts.

    Window w of candidate r, of a document of W windows, is canvas `r W + w`: it takes the random numbers of that row.
    `gaps` are those that were asked for, in order. Where lengths are drawn (`generation.padding`), `windows` and
    `sized_gaps` are those of the first candidate.
    `padding`: whether they are, by a checkpoint that can. `differs`: whether what stood in a gap, or what a
    candidate before has written, is not written again (`generation.others`).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        request: Request,
        document: str,
        gaps: Sequence[Gap],
        *,
        padding: bool = True,
        differs: bool = False,
    ) -> None:
        tokenizer = require_tokenizer(checkpoint.tokenizer, "it reads no documents")
        if checkpoint.autoregressive:
            raise UsageError(
                "an autoregressive checkpoint writes from left to right: it cannot know what stands after a gap",
                "Take a checkpoint of the absorbing process.",
            )
        check_text("document", document)
        if request.prompt or request.suffix:
            raise UsageError("a document has no prompt and no suffix beside its own text", "Leave them out.")
        self.checkpoint, self.request, self.document = checkpoint, resolve(request, checkpoint), document
        self.rows = self.request.rows
        # Windows are as long as the network reads: a document is context, not something to write.
        length = self.request.asked.length or checkpoint.length
        if not gaps:
            raise UsageError("the document has no gap", "Name one, for example with --mask 10:40.")
        self.gaps = gaps = check_gaps(gaps, len(document))
        if checkpoint.blocks is not None:
            _check_is_end(document, gaps)
        self.newline, self.chosen_lengths = newline_of(document), list[ChosenLength]()
        self._partial: PartialMasking | None = None
        self._padding: Padding | None = None
        elastic = dict[Gap, range]()
        if self.request.asked.strength == 1:
            if padding:
                elastic = elastic_gaps(checkpoint, tokenizer.reading(self.newline), document, gaps, length)
            self.sized_gaps, self.chosen_lengths = choose_lengths(checkpoint, document, gaps, length, elastic)
        else:
            self.newline = exact_newline(document, gaps)
            self._partial = partial_masking(checkpoint, self.request, tokenizer.reading(self.newline), document, gaps)
            self.sized_gaps = self._partial.sized_gaps
        reading = tokenizer.reading(self.newline)
        if elastic:
            self._padding = make_padding(
                checkpoint, reading, document, self.sized_gaps, elastic, length, self.request.seed
            )
            first = range(self.rows.start * (W := len(self._padding.windows)), (self.rows.start + 1) * W)
            self.windows = [self._padding.window(index) for index in first]
            self.sized_gaps = self._sized(self.windows)
        else:
            self.windows = make_windows(reading, document, self.sized_gaps, length, checkpoint.blocks)
        self._edges = Edges(tokenizer, document, self.sized_gaps, self.newline)
        self._runs: dict[tuple[object, ...], Run] = {}
        self._canvases: dict[int, Canvas] = {}
        self._state: dict[int, State] = {}
        self._nfe: dict[int, int] = defaultdict(int)
        self._redrawn: dict[int, int] = defaultdict(int)
        original = [document[gap.start : gap.end] for gap in self.sized_gaps]
        self._others = Others(original, len(self.windows), self._state, self.written, self._edges) if differs else None

    def _run_of(self, row: int) -> Run:
        """The run that fills a canvas of this size. Canvases of one size share it, and so network calls."""
        canvas = self.canvas_of(row)
        # Blocks are cut where the gaps stand; otherwise their number is enough.
        free = tuple(canvas.free.tolist()) if self.request.asked.block else int(canvas.free.sum())
        key = (len(canvas.ids), free, canvas.space_positions, canvas.exclusions)
        if key not in self._runs:
            # A sampler is made for some free position, where a canvas may have none (strength 0).
            writable = canvas if bool(canvas.free.any()) else self.window_of(row).canvas
            self._runs[key] = Run(self.checkpoint, self.request, writable)
        return self._runs[key]

    def window_of(self, row: int) -> Window:
        """The window of a canvas, at the lengths that it has there."""
        return self.windows[row % len(self.windows)] if self._padding is None else self._padding.window(row)

    def drawn_lengths(self, number: int) -> list[DrawnLength]:
        """The lengths of a candidate that the network drew."""
        return [drawn for index in self.rows_of(number) for drawn in self._drawn_in(index)]

    def length_nats(self, number: int) -> float:
        """`-log p` of the lengths of a candidate that the network drew."""
        return sum(drawn.nats for drawn in self.drawn_lengths(number))

    def _drawn_in(self, row: int) -> list[DrawnLength]:
        return [] if self._padding is None else self._padding.drawn(row)

    def _sized(self, windows: Sequence[Window]) -> list[SizedGap]:
        """The gaps with as many tokens as they have on the windows of a candidate."""
        places = [place for window in windows for place in window.gap_positions]
        return [replace(gap, tokens=len(place)) for gap, place in zip(self.sized_gaps, places, strict=True)]

    def canvas_of(self, row: int) -> Canvas:
        """The canvas that a row starts from: its window's, with what a strength below 1 keeps of the gaps."""
        window = self.window_of(row)
        if self._partial is None:
            return window.canvas
        if row not in self._canvases:
            self._canvases[row] = self._partial.canvas(window, row)
        return self._canvases[row]

    @property
    def exact_calls(self) -> bool:
        return all(self._run_of(row).exact_calls for row in self.rows_of(self.rows.start))

    def sampler_of(self, row: int) -> Sampler:
        return self._run_of(row).sampler

    def label_of(self, row: int) -> str:
        W, n = len(self.windows), len(self.rows)
        parts = [f"candidate {row // W - self.rows.start + 1}/{n}"] * (n > 1) + [f"window {row % W + 1}/{W}"] * (W > 1)
        return ", ".join(parts)

    def context(self) -> tuple[str, str]:
        """The longer of the texts beside the first gap (`Job`)."""
        if not self.sized_gaps:
            return "document", ""
        gap, text = self.sized_gaps[0], self.document
        before, after = text[max(0, gap.start - CONTEXT) : gap.start], text[gap.end : gap.end + CONTEXT]
        return "document", read_as_lf(max(before, after, key=len))[0]

    def header(self) -> dict[str, object]:
        """Trace header fields (`Job`): the document, its gaps, and its windows by number."""
        return {
            "rows": list(self._canvas_indices()),
            "document": self.document,
            **({} if self.newline == "\n" else {"newline": self.newline}),
            "gaps": [{"start": s.start, "end": s.end, "tokens": s.tokens} for s in self.sized_gaps],
            "windows": [
                self._layout(row, window)
                for row, window in zip(self.rows_of(self.rows.start), self.windows, strict=True)
            ],
        }

    def _layout(self, row: int, window: Window) -> dict[str, object]:
        return {
            "length": len(window.canvas.ids),
            "steps": self.sampler_of(row).num_updates,
            "free": window.canvas.free.nonzero().squeeze(-1).tolist(),
            "leads": list(window.canvas.space_positions),
            **({"trails": trails} if (trails := self._trailing_positions(window)) else {}),
            "gaps": [window.first + i for i in range(len(window.gap_positions))],
        }

    def row_header(self, row: int) -> dict[str, object]:
        """What a strength below 1 leaves to write in a row, or the window of the lengths drawn for it (`Job`)."""
        if self._partial is not None:
            return {"free": self.canvas_of(row).free.nonzero().squeeze(-1).tolist()}
        if self._padding is None or row in self.rows_of(self.rows.start):
            return {}
        window = self.window_of(row)
        return {"window": {**self._layout(row, window), "tokens": [len(place) for place in window.gap_positions]}}

    def start(self, row: int) -> State:
        """Return the initial state of a canvas index (see the class)."""
        canvas = self.canvas_of(row)
        return self.sampler_of(row).start(canvas.ids, canvas.free, self.request.seed, row)

    def done(self, state: State) -> bool:
        """Whether a window has no MASK, is valid UTF-8, fits its text and is new, as far as may be (`Job`)."""
        if not self.sampler_of(state.row).done(state):
            return False
        if self.checkpoint.mask_id is None:
            return True
        if len(self._broken(state)) or self._edges.faulty(self.window_of(state.row), state, self.written(state)):
            return False
        return not self._written_before(state)

    def calls_needed(self) -> int:
        """Network calls of all candidates without redraws; an upper bound unless `exact_calls`."""
        return sum(self.sampler_of(row).calls_left(self.start(row)) for row in self._canvas_indices())

    def _canvas_indices(self) -> range:
        W = len(self.windows)
        return range(self.rows.start * W, self.rows.stop * W)

    def rows_of(self, number: int) -> range:
        """Return the canvas indices of a candidate (`Job`)."""
        return range(number * len(self.windows), (number + 1) * len(self.windows))

    def steps(self) -> Iterator[Step]:
        """Fill every window of every candidate."""
        yield from self.resume([self.start(row) for row in self._canvas_indices()])

    def resume(self, states: Sequence[State]) -> Iterator[Step]:
        """Run windows of candidates to their end, be they initial, earlier or edited states."""
        groups: dict[int, list[State]] = defaultdict(list)
        for state in states:
            groups[id(self._run_of(state.row))].append(state)
        for group in groups.values():
            run = self._run_of(group[0].row)
            for first in range(0, len(group), self.request.batch_size):
                batch = group[first : first + self.request.batch_size]
                yield from self._advance(run, batch)
                for state in batch:
                    yield from self._redraw(state.row)

    def _advance(self, run: Run, states: list[State], redraw: bool = False) -> Iterator[Step]:
        for state in states:
            self._state[state.row] = state
        for step in run.resume(states, self._nfe[states[0].row]):
            self._state[step.row] = step.state
            self._nfe[step.row] += 1
            self._redrawn[step.row] += redraw
            if self._others is not None and not redraw:
                self._others.note(step)
            yield step

    def _redraw(self, row: int) -> Iterator[Step]:
        """Draw again what is invalid UTF-8 (tokens of parts of characters come in any order), then what joins badly.

        Then the last token of what is not to be written again.
        """
        if self.checkpoint.mask_id is None:
            return
        for attempt in range(REDRAWS + 1):
            state = self._state[row]
            broken = self._broken(state)
            if not len(broken):
                break
            last = [(tuple(broken.tolist()), self._tokenizer.broken_tokens)]
            yield from self._draw_again(row, broken, last if attempt == REDRAWS else [])
        window = self.window_of(row)
        while True:
            state, texts = self._state[row], self.written(self._state[row])
            if edges := self._edges.faulty(window, state, texts):
                spoiling = [self._edges.spoiling_tokens(window, state, edge, texts) for edge in edges]
                exclusions: list[Exclusion] = [
                    ((edge.position,), tokens) for edge, tokens in zip(edges, spoiling, strict=True)
                ]
            elif not (exclusions := self._written_before(state)):
                break
            positions = torch.tensor([position for (position,), _ in exclusions], device="cpu")
            yield from self._draw_again(row, positions, exclusions)

    def _written_before(self, state: State) -> list[Exclusion]:
        """What is to be drawn again of a canvas that writes nothing new."""
        return [] if self._others is None else self._others.exclusions(self.window_of(state.row), state)

    def _draw_again(self, row: int, positions: Tensor, exclusions: Sequence[Exclusion]) -> Iterator[Step]:
        """Draw positions (k,) of a row again, on its canvas with these exclusions too, and return no other to MASK."""
        canvas, asked = self.canvas_of(row), replace(self.request.asked, remask=None, eta=None)
        canvas = replace(canvas, exclusions=(*canvas.exclusions, *exclusions))
        run = Run(self.checkpoint, replace(self.request, asked=asked), canvas)
        yield from self._advance(run, [run.sampler.remask(self._state[row], positions)], redraw=True)

    def _broken(self, state: State) -> Tensor:
        """Positions of tokens that are invalid UTF-8 by themselves, in gaps that are invalid: (k,)."""
        broken: list[int] = []
        for place in self.window_of(state.row).gap_positions:
            pieces = [self._tokenizer.bytes_of(int(state.ids[i])) for i in place]
            if not is_text(b"".join(pieces)):
                broken += [i for i, piece in zip(place, pieces, strict=True) if state.free[i] and not is_text(piece)]
        return torch.tensor(broken, dtype=torch.long, device="cpu")

    @property
    def _tokenizer(self) -> Tokenizer:
        assert self.checkpoint.tokenizer is not None
        return self.checkpoint.tokenizer

    def fillings(self) -> list[Filling]:
        """Return every candidate begun, in order of rows."""
        return [self._filling(row) for row in self.rows if self._has_started(row)]

    def _has_started(self, row: int) -> bool:
        return not self.windows or any(index in self._state for index in self.rows_of(row))

    def _filling(self, row: int) -> Filling:
        parts, spans, at = [], [], 0
        canvas_indices = self.rows_of(row)
        written = [text for index in canvas_indices for text in self.written(self._state_of(index))]
        for gap, text in zip(self.sized_gaps, written, strict=True):
            parts += [self.document[at : gap.start], text]
            start = sum(map(len, parts)) - len(text)
            spans.append((start, start + len(text)))
            at = gap.end
        states = [self._state_of(index) for index in canvas_indices]
        complete = all(map(self.done, states))
        return Filling(
            "".join([*parts, self.document[at:]]),
            spans,
            sum(self._nfe[index] + len(self._drawn_in(index)) for index in canvas_indices),
            sum(self._redrawn[index] for index in canvas_indices),
            self.request.seed,
            row,
            complete,
            states,
            self.checkpoint,
            tuple(len(place) for index in canvas_indices for place in self.window_of(index).gap_positions),
            self.length_nats(row),
        )

    def _state_of(self, canvas_index: int) -> State:
        return self._state.get(canvas_index) or self.start(canvas_index)

    def written(self, state: State) -> list[str]:
        """Return the text of each gap of a window, with the document's line ends; a run of N MASKs reads `[[N]]`."""
        tokenizer, mask_id = self._tokenizer, self.checkpoint.mask_id
        texts, window = [], self.window_of(state.row)
        trails = self._trailing_positions(window)
        for place in window.gap_positions:
            ids = [int(i) for i in state.ids[place.start : place.stop]]
            pieces = [None if i == mask_id else i for i in ids]
            texts.append(
                tokenizer.compose_gap(
                    pieces,
                    absorbs_space=place.start in window.canvas.space_positions,
                    adds_space=place.stop - 1 in trails,
                    newline=self.newline,
                )
            )
        return texts

    def _trailing_positions(self, window: Window) -> list[int]:
        """The last position of each gap behind which a space is put."""
        gaps = self.sized_gaps[window.first : window.first + len(window.gap_positions)]
        return [place.stop - 1 for gap, place in zip(gaps, window.gap_positions, strict=True) if gap.adds_space]


def _check_is_end(document: str, gaps: Sequence[Gap]) -> None:
    """Raises `UsageError` unless the gaps are one at the end of a document, of a known length."""
    if len(gaps) > 1 or document[gaps[0].end :].strip():
        raise UsageError(
            "this checkpoint writes block by block, from left to right: it cannot know what stands after a gap",
            "Mask the end of the document alone, or take a checkpoint that sees the whole canvas.",
        )
    if not isinstance(gaps[0].tokens, int | None):
        raise UsageError("lengths of a gap are compared by what stands after it", "Give one: --tokens 12.")


def infill(
    ckpt: Checkpoint,
    document: str,
    gaps: Sequence[tuple[int, int] | Gap],
    *,
    defaults: Literal["checkpoint"] | None = None,
    **options: Unpack[SamplingKeywords],
) -> list[Filling]:
    """Rewrite the gaps of a document given the text before and after them; best candidate first.

    `gaps`: character offsets `(start, end)`, or `Gap(start, end, tokens=..., one_line=..., without=...)`. Options are
    those of `generate`: `length` is the canvas, `num_samples` candidates are `ranked`; a prompt or suffix is the
    document's own; `strength` and `by` keep a part of what stands in the gaps (`generation.partial`).
    With `defaults="checkpoint"` they are its settings of gaps, and what stood there, or what a candidate before has
    written, is not written again, as in the command (docs/infilling.md, Candidates).
    Line ends are written as the document writes them, LF or CRLF. A token that does not fit its place (it doubles a
    word, leaves a quote open) is drawn again (docs/theory.md, section 15).
    Raises `UsageError` for gaps or options out of range.
    """
    request = request_of(ckpt, options, defaults, filling=True)
    asked = [gap if isinstance(gap, Gap) else Gap(*gap) for gap in gaps]
    infilling = Infilling(ckpt, request, document, asked, differs=defaults is not None)
    for _ in infilling.steps():
        pass
    return ranked(infilling.fillings(), document)
