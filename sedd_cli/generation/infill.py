"""Filling the gaps of a document: windows around them, candidates, and how likely each is."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Unpack

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import default_form, estimate
from sedd_cli.diffusion.processes import Absorbing, Causal
from sedd_cli.diffusion.randomness import fresh_seed
from sedd_cli.diffusion.samplers import Sampler, State
from sedd_cli.errors import UsageError
from sedd_cli.generation.engine import Run, Step, settled
from sedd_cli.generation.lengths import choose_lengths
from sedd_cli.generation.request import Options, Request, check_text
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import Gap, check_gaps
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import Window, make_windows

REPLICATES, DRAWS = 4, 16
"""The ranking makes so many network calls of each window: replicates times draws."""
REDRAWS = 16
"""Times that bytes which are no text are drawn again, before tokens that are whole characters are asked for."""


@dataclass(frozen=True)
class Filling:
    """A document with its gaps filled. `spans`: where in `text` stands what was written.

    `nfe` counts network calls, `redrawn` those of them that replaced bytes which were no text. `complete` is False
    if the run was stopped: masked runs read `[[N]]`.
    """

    text: str
    spans: list[tuple[int, int]]
    nfe: int
    redrawn: int
    seed: int
    row: int
    complete: bool
    _states: list[State] = field(repr=False)
    _checkpoint: Checkpoint = field(repr=False)

    @cached_property
    def nats(self) -> float:
        """The bound on `-log p(gaps | the rest)` (the checkpoint's default form), in nats; computed when asked for.

        Every candidate of a request is noised alike, so that their differences are not noise.
        """
        return nats_of(self._checkpoint, self._states)


def nats_of(checkpoint: Checkpoint, states: Sequence[State]) -> float:
    """What `Filling.nats` says of the windows of one candidate, in the states that they are in."""
    form = default_form(checkpoint.process, checkpoint.noise)
    return sum(
        float(
            estimate(
                checkpoint.model,
                checkpoint.process,
                checkpoint.noise,
                state.ids[None],
                form=form,
                where=state.free[None],
                replicates=REPLICATES,
                draws=DRAWS,
            ).nats
        )
        for state in states
    )


class Infilling:
    """A document being filled: `steps()` carries it out, `fillings()` is what there is.

    Row r of a document of W windows fills window w with the random numbers of row `r W + w` of the seed.
    """

    def __init__(self, checkpoint: Checkpoint, request: Request, document: str, gaps: Sequence[Gap]) -> None:
        if checkpoint.tokenizer is None:
            raise UsageError(
                "this checkpoint has no tokenizer, so it reads no documents",
                "Put its tokenizer.json beside config.json (GPT-2's for the public checkpoints).",
            )
        if isinstance(checkpoint.process, Causal):
            raise UsageError(
                "an autoregressive checkpoint writes from left to right: it cannot know what stands after a gap",
                "Take a checkpoint of the absorbing process.",
            )
        check_text("document", document)
        if request.prompt or request.suffix:
            raise UsageError("a document has no prompt and no suffix beside its own text", "Leave them out.")
        self.checkpoint, self.request, self.document = checkpoint, settled(request, checkpoint), document
        self.seed = fresh_seed() if request.seed is None else request.seed
        self.rows = range(request.row, request.row + request.num_samples)
        length = request.length or checkpoint.length
        if not gaps:
            raise UsageError("the document has no gap", "Name one, for example with --mask 10:40.")
        self.sized_gaps, self.chosen_lengths = choose_lengths(
            checkpoint, document, check_gaps(gaps, len(document)), length
        )
        self.windows = make_windows(checkpoint.tokenizer, document, self.sized_gaps, length)
        self._runs: dict[tuple[int, int, tuple[int, ...]], Run] = {}
        self._state: dict[int, State] = {}
        self._nfe: dict[int, int] = defaultdict(int)
        self._redrawn: dict[int, int] = defaultdict(int)

    def run_of(self, window: Window) -> Run:
        """The run that fills windows of this size; those of one size share it, and so network calls."""
        key = (len(window.canvas.ids), int(window.canvas.free.sum()), window.canvas.leads)
        if key not in self._runs:
            self._runs[key] = Run(self.checkpoint, self.request, window.canvas)
        return self._runs[key]

    def window_of(self, row: int) -> Window:
        return self.windows[row % len(self.windows)]

    @property
    def exact_calls(self) -> bool:
        return all(self.run_of(window).exact_calls for window in self.windows)

    def sampler_of(self, row: int) -> Sampler:
        return self.run_of(self.window_of(row)).sampler

    def label_of(self, row: int) -> str:
        W, n = len(self.windows), len(self.rows)
        parts = [f"candidate {row // W - self.rows.start + 1}/{n}"] * (n > 1) + [f"window {row % W + 1}/{W}"] * (W > 1)
        return ", ".join(parts)

    def header(self) -> dict[str, object]:
        """What a trace says of this filling (`Job`): the document, its gaps, and its windows by number."""
        return {
            "rows": list(self._keys()),
            "document": self.document,
            "gaps": [{"start": s.start, "end": s.end, "tokens": s.tokens} for s in self.sized_gaps],
            "windows": [
                {
                    "length": len(window.canvas.ids),
                    "steps": self.run_of(window).sampler.num_updates,
                    "free": window.canvas.free.nonzero().squeeze(-1).tolist(),
                    "leads": list(window.canvas.leads),
                    "gaps": [window.first + i for i in range(len(window.places))],
                }
                for window in self.windows
            ],
        }

    def start(self, row: int) -> State:
        """The state at the beginning of a row of the random numbers (see the class)."""
        window = self.window_of(row)
        return self.sampler_of(row).start(window.canvas.ids, window.canvas.free, self.seed, row)

    def done(self, state: State) -> bool:
        """Whether a window is full, and all of it text (`Job`)."""
        return self.sampler_of(state.row).calls_left(state) == 0 and not len(self._broken_of(state))

    def calls_needed(self) -> int:
        """Network calls of all candidates, redraws apart; known before the first where the sampler knows."""
        return sum(self.sampler_of(row).calls_left(self.start(row)) for row in self._keys())

    def _keys(self) -> range:
        W = len(self.windows)
        return range(self.rows.start * W, self.rows.stop * W)

    def rows_of(self, number: int) -> range:
        """The rows of the random numbers that make up a candidate (`Job`)."""
        return range(number * len(self.windows), (number + 1) * len(self.windows))

    def steps(self) -> Iterator[Step]:
        """Fill every window of every candidate."""
        yield from self.resume([self.start(row) for row in self._keys()])

    def resume(self, states: Sequence[State]) -> Iterator[Step]:
        """Carry windows of candidates to their end, whether they are fresh, went back, or were edited."""
        groups: dict[int, list[State]] = defaultdict(list)
        for state in states:
            groups[id(self.run_of(self.window_of(state.row)))].append(state)
        for group in groups.values():
            run = self.run_of(self.window_of(group[0].row))
            for first in range(0, len(group), run.batch_size):
                batch = group[first : first + run.batch_size]
                yield from self._carry(run, batch)
                for state in batch:
                    yield from self._mend(run, state.row)

    def _carry(self, run: Run, states: list[State], redraw: bool = False) -> Iterator[Step]:
        for state in states:
            self._state[state.row] = state
        for step in run.resume(states, self._nfe[states[0].row]):
            self._state[step.row] = step.state
            self._nfe[step.row] += 1
            self._redrawn[step.row] += redraw
            yield step

    def _mend(self, run: Run, row: int) -> Iterator[Step]:
        """Draw again what is no text: tokens that hold parts of characters can come in any order."""
        if not isinstance(self.checkpoint.process, Absorbing):
            return
        for attempt in range(REDRAWS + 1):
            state = self._state[row]
            broken = self._broken(state, self.window_of(row))
            if not len(broken):
                return
            if attempt == REDRAWS:
                run = self._whole_characters(run.canvas)
            yield from self._carry(run, [run.sampler.remask(state, broken)], redraw=True)

    def _broken(self, state: State, window: Window) -> Tensor:
        """Positions of tokens that are no text by themselves, in gaps whose bytes are none: (k,)."""
        broken: list[int] = []
        for place in window.places:
            pieces = [self._tokenizer.bytes_of(int(state.ids[i])) for i in place]
            if not _is_text(b"".join(pieces)):
                broken += [i for i, piece in zip(place, pieces, strict=True) if state.free[i] and not _is_text(piece)]
        return torch.tensor(broken, dtype=torch.long)

    def _whole_characters(self, canvas: Canvas) -> Run:
        tokenizer = self._tokenizer
        parts = tuple(i for i in range(tokenizer.size) if not _is_text(tokenizer.bytes_of(i)))
        return Run(self.checkpoint, self.request, replace(canvas, forbidden=(*canvas.forbidden, *parts)))

    @property
    def _tokenizer(self) -> Tokenizer:
        assert self.checkpoint.tokenizer is not None
        return self.checkpoint.tokenizer

    def fillings(self) -> list[Filling]:
        """Every candidate begun, as it stands, in order of rows."""
        return [self._filling(row) for row in self.rows if self._begun(row)]

    def _begun(self, row: int) -> bool:
        return not self.windows or any(key in self._state for key in self.rows_of(row))

    def _filling(self, row: int) -> Filling:
        parts, spans, at = [], [], 0
        keys = self.rows_of(row)
        written = [text for key in keys for text in self.written(self._now(key))]
        for gap, text in zip(self.sized_gaps, written, strict=True):
            parts += [self.document[at : gap.start], text]
            start = sum(map(len, parts)) - len(text)
            spans.append((start, start + len(text)))
            at = gap.end
        states = [self._now(key) for key in keys]
        complete = all(map(self.done, states))
        return Filling(
            "".join([*parts, self.document[at:]]),
            spans,
            sum(self._nfe[key] for key in keys),
            sum(self._redrawn[key] for key in keys),
            self.seed,
            row,
            complete,
            states,
            self.checkpoint,
        )

    def _now(self, key: int) -> State:
        return self._state.get(key) or self.start(key)

    def _broken_of(self, state: State) -> Tensor:
        if not isinstance(self.checkpoint.process, Absorbing):
            return torch.tensor([])
        return self._broken(state, self.window_of(state.row))

    def written(self, state: State) -> list[str]:
        """What stands in each gap of a window; a run of N MASKs reads `[[N]]`."""
        tokenizer, mask_id = self._tokenizer, self.checkpoint.mask_id
        texts, window = [], self.window_of(state.row)
        for place in window.places:
            ids = [int(i) for i in state.ids[place.start : place.stop]]
            # The uniform process can start from an end-of-text token: inside a document it ends nothing.
            known = [None if i == mask_id else i for i in ids if i != tokenizer.end_of_text_id]
            text = tokenizer.compose(known, whole=False, at_start=False)
            texts.append(text.removeprefix(" ") if place.start in window.canvas.leads else text)
        return texts


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def infill(
    ckpt: Checkpoint,
    document: str,
    gaps: Sequence[tuple[int, int] | Gap],
    **options: Unpack[Options],
) -> list[Filling]:
    """Write the gaps of a document anew, in the light of what stands before and after them; best first.

    `gaps`: character offsets `(start, end)`, or `Gap(start, end, tokens=...)`. Options are those of `generate`:
    `length` is the canvas, `num_samples` candidates are ranked by `nats`; a prompt or suffix is the document's own.
    Raises `UsageError` for gaps or options that cannot be carried out.
    """
    infilling = Infilling(ckpt, Request(**options), document, [g if isinstance(g, Gap) else Gap(*g) for g in gaps])
    for _ in infilling.steps():
        pass
    return ranked(infilling.fillings())


def ranked(fillings: list[Filling]) -> list[Filling]:
    """Best first; a single one, and those not complete, are not compared."""
    if len(fillings) < 2 or not all(filling.complete for filling in fillings):
        return fillings
    return sorted(fillings, key=lambda filling: filling.nats)
