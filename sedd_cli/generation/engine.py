"""The engine: a request in, a stream of steps out, one step a network call and row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Unpack

from torch import Tensor

from sedd_cli.diffusion.randomness import fresh_seed
from sedd_cli.diffusion.samplers import Change, State, make_sampler
from sedd_cli.generation.request import Options, Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas, make_canvas


@dataclass(frozen=True)
class Step:
    """What one network call did to one row.

    `step` counts from 1; of a run of n steps, n + 1 is the denoising step. `t` and `sigma` are where the network
    ran, `ids` (L,) the canvas after it. `changed` (k,) are the positions written, with the `probability` (k,) that
    the network gave each token and the `entropy` (k,) in nats of the choice. `nfe`: calls of this row so far.
    `state` is all that the rest of the row depends on: keep it to go back (`Run.resume`).
    """

    row: int
    step: int
    t: float
    sigma: float
    changed: Tensor
    probability: Tensor
    entropy: Tensor
    nfe: int
    state: State

    @property
    def ids(self) -> Tensor:
        return self.state.ids


@dataclass(frozen=True)
class Sample:
    """One text. `ids` (L,) is the whole canvas; `text` ends at the end-of-text token, and is "" without a tokenizer.

    `nfe` counts network calls. `complete` is False if the run was stopped: masked runs read `[[N]]` in the text.
    """

    text: str
    ids: Tensor
    nfe: int
    seed: int
    row: int
    complete: bool = True


class Run:
    """A request bound to a checkpoint. Iterate `steps()`; what has been written so far is in `samples()`."""

    def __init__(self, checkpoint: Checkpoint, request: Request) -> None:
        self.checkpoint, self.request = checkpoint, request
        self.seed = fresh_seed() if request.seed is None else request.seed
        self.rows = range(request.row, request.row + request.num_samples)
        length = checkpoint.length if request.length is None else request.length
        self.canvas: Canvas = make_canvas(checkpoint.tokenizer, length, request.prompt or "", request.suffix or "")
        self.sampler = make_sampler(
            checkpoint.process,
            checkpoint.noise,
            name=request.sampler,
            score=request.score,
            steps=request.steps,
            free=int(self.canvas.free.sum()),
            length=length,
            shaping=request.shaping(self._forbidden()),
        )
        self._batch_size = request.batch_size or (1 if checkpoint.device.type == "cpu" else 16)
        self._latest: dict[int, tuple[State, int]] = {}

    def _forbidden(self) -> tuple[int, ...]:
        """Between a prompt and a suffix the document goes on: the end-of-text token has no place there."""
        tokenizer = self.checkpoint.tokenizer
        if not self.canvas.suffix or tokenizer is None or tokenizer.end_of_text_id is None:
            return ()
        return (tokenizer.end_of_text_id,)

    def start(self, row: int) -> State:
        return self.sampler.start(self.canvas.ids, self.canvas.free, self.seed, row)

    def calls_needed(self) -> int:
        """Network calls of all rows, known before the first; an upper bound unless `sampler.exact_calls`."""
        return sum(self.sampler.calls_left(self.start(row)) for row in self.rows)

    def steps(self) -> Iterator[Step]:
        """Carry every row to its end, batch by batch."""
        for first in range(0, len(self.rows), self._batch_size):
            batch = self.rows[first : first + self._batch_size]
            yield from self.resume([self.start(row) for row in batch])

    def resume(self, states: list[State], nfe: int = 0) -> Iterator[Step]:
        """Carry states to their end together, whether they are fresh, went back, or were edited.

        Edit a state with `self.sampler.remask` or with `branching.write`. `nfe` counts calls made before.
        """
        for state in states:
            self._latest[state.row] = (state, nfe)
        while states := [s for s in states if self.sampler.calls_left(s)]:
            nfe += 1
            advanced = self.sampler.advance(states, self.checkpoint.model)
            states = [state for state, _ in advanced]
            for state, change in advanced:
                self._latest[state.row] = (state, nfe)
                yield _step(state, change, nfe)

    def samples(self, full_canvas: bool = False) -> list[Sample]:
        """Every row begun, as it stands; `full_canvas`: with what follows the end-of-text token."""
        return [self._sample(state, nfe, full_canvas) for _, (state, nfe) in sorted(self._latest.items())]

    def _sample(self, state: State, nfe: int, full_canvas: bool) -> Sample:
        return Sample(
            text=self._text(state.ids, full_canvas),
            ids=state.ids,
            nfe=nfe,
            seed=self.seed,
            row=state.row,
            complete=self.sampler.calls_left(state) == 0,
        )

    def _text(self, ids: Tensor, full_canvas: bool) -> str:
        tokenizer = self.checkpoint.tokenizer
        if tokenizer is None:
            return ""
        mask_id = self.checkpoint.mask_id
        written = [None if i == mask_id else i for i in ids[self.canvas.free].tolist()]
        text = tokenizer.compose(written, whole=full_canvas, at_start=not self.canvas.prompt)
        return f"{self.canvas.prompt}{text}{self.canvas.suffix}"


def _step(state: State, change: Change, nfe: int) -> Step:
    return Step(
        row=state.row,
        step=change.step + 1,
        t=change.t,
        sigma=change.sigma,
        changed=change.positions,
        probability=change.probability,
        entropy=change.entropy,
        nfe=nfe,
        state=state,
    )


def stream(checkpoint: Checkpoint, **options: Unpack[Options]) -> Iterator[Step]:
    """Generate and watch: every step of every row, as it happens. Options are the fields of `Request`."""
    yield from Run(checkpoint, Request(**options)).steps()


def generate(checkpoint: Checkpoint, **options: Unpack[Options]) -> list[Sample]:
    """Draw samples. Options are the fields of `Request`.

    A sample depends on the checkpoint, the settings, the seed and its row alone, in CPU float32 at one thread count;
    elsewhere rounding may differ. Raises `UsageError` for a request that cannot be carried out.
    """
    run = Run(checkpoint, Request(**options))
    for _ in run.steps():
        pass
    return run.samples()
