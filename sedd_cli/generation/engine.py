"""The engine: a request in, a stream of steps out, one step a network call and row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Unpack

from torch import Tensor

from sedd_cli.diffusion.draws import TopTokens
from sedd_cli.diffusion.samplers import Change, Sampler, State, make_sampler
from sedd_cli.errors import UsageError
from sedd_cli.generation.defaults import request_of
from sedd_cli.generation.options import SamplingKeywords
from sedd_cli.generation.request import Request, ResolvedRequest, resolve
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.byte_level import end_of_text_position, text_begin
from sedd_cli.text.canvas import Canvas, make_canvas


@dataclass(frozen=True)
class Step:
    """What one network call did to one row.

    `step` counts from 1; of a run of n steps, n + 1 is the denoising step. `t` and `sigma` are where the network
    ran, `ids` (L,) the canvas after it. `changed` (k,) are the positions written, with the `probability` (k,) that
    the network gave each token and the `entropy` (k,) in nats of the choice. `nfe`: calls of this row so far. `top`
    (k, n): the likeliest tokens there, for a state that asks for them.
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
    top: TopTokens | None = None

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
    """A request bound to a checkpoint. Iterate `steps()`; what has been written so far is in `samples()`.

    `canvas`: what to write on; by default one with the request's length, prompt and suffix.
    """

    def __init__(
        self, checkpoint: Checkpoint, request: Request | ResolvedRequest, canvas: Canvas | None = None
    ) -> None:
        resolved = resolve(request, checkpoint)
        asked = resolved.asked
        self.checkpoint, self.request, self.rows = checkpoint, resolved, resolved.rows
        self.canvas = canvas or make_canvas(
            checkpoint.tokenizer, resolved.length, asked.prompt or "", asked.suffix or "", checkpoint.opening
        )
        self.sampler = make_sampler(
            checkpoint.process,
            checkpoint.noise,
            name=resolved.sampler,
            score=asked.score,
            steps=resolved.steps,
            free=self.canvas.free,
            logits_processor=asked.logits_processor(self.canvas),
            unmasking=asked.unmasking(),
            end_ids=_end_ids(checkpoint),
            trained_block=checkpoint.blocks.size if checkpoint.blocks else None,
        )
        self._latest: dict[int, tuple[Tensor, int, bool]] = {}

    @property
    def excludes_end_of_text(self) -> bool:
        tokenizer = self.checkpoint.tokenizer
        return tokenizer is not None and tokenizer.end_of_text_id in self.canvas.forbidden

    @property
    def exact_calls(self) -> bool:
        return self.sampler.exact_calls

    def sampler_of(self, row: int) -> Sampler:
        return self.sampler

    def label_of(self, row: int) -> str:
        return f"text {row - self.rows.start + 1}/{len(self.rows)}" if len(self.rows) > 1 else ""

    def context(self) -> tuple[str, str]:
        return "prompt", self.canvas.prompt

    def header(self) -> dict[str, object]:
        """What a trace says of this run (`Job`)."""
        return {
            "rows": list(self.rows),
            "length": len(self.canvas.ids),
            "steps": self.sampler.num_updates,
            "excludes_end_of_text": self.excludes_end_of_text,
            "free": self.canvas.free.nonzero().squeeze(-1).tolist(),
            "leads": list(self.canvas.space_positions),
        }

    def row_header(self, row: int) -> dict[str, object]:
        return {}

    def start(self, row: int) -> State:
        return self.sampler.start(self.canvas.ids, self.canvas.free, self.request.seed, row)

    def done(self, state: State) -> bool:
        return self.sampler.done(state)

    def calls_needed(self) -> int:
        """Network calls of all rows, known before the first; an upper bound unless `exact_calls`."""
        return sum(self.sampler.calls_left(self.start(row)) for row in self.rows)

    def steps(self) -> Iterator[Step]:
        """Carry every row to its end, batch by batch."""
        size = self.request.batch_size
        for first in range(0, len(self.rows), size):
            batch = self.rows[first : first + size]
            yield from self.resume([self.start(row) for row in batch])

    def rows_of(self, number: int) -> range:
        return range(number, number + 1)

    def resume(self, states: Sequence[State], nfe: int = 0) -> Iterator[Step]:
        """Carry states of different rows to their end, whether they are fresh, went back, or were edited.

        Edit a state with `diffusion.branching`. `nfe` counts calls made before.
        """
        made = {state.row: nfe for state in states}
        for state in states:
            self._keep(state, nfe)
        while states := [s for s in states if not self.sampler.done(s)]:
            ready = self.sampler.ready(states)
            waiting = [s for s in states if s not in ready]
            advanced = self.sampler.advance(ready, self.checkpoint.model)
            states = [*waiting, *(state for state, _ in advanced)]
            for state, change in advanced:
                made[state.row] += 1
                self._keep(state, made[state.row])
                yield _step(state, change, made[state.row])

    def _keep(self, state: State, nfe: int) -> None:
        self._latest[state.row] = (state.ids, nfe, self.sampler.done(state))

    def samples(self, full_canvas: bool = False) -> list[Sample]:
        """Every row begun, as it stands; `full_canvas`: with what follows the end-of-text token."""
        return [
            Sample(self.text_of(ids, full_canvas), ids, nfe, self.request.seed, row, complete)
            for row, (ids, nfe, complete) in sorted(self._latest.items())
        ]

    def end_of_text_position(self, ids: Tensor) -> int:
        """The position of the token that ends the text of a canvas (L,): those after it belong to another one."""
        tokenizer = self.checkpoint.tokenizer
        begin = text_begin((ids != self.canvas.ids).tolist(), int(self.canvas.free.int().argmax()))
        return end_of_text_position(ids.tolist(), tokenizer.end_ids if tokenizer else (), begin)

    def text_of(self, ids: Tensor, full_canvas: bool = False) -> str:
        """The text of a canvas (L,): what is written is decoded, prompt and suffix copied unless they were edited."""
        tokenizer, canvas = self.checkpoint.tokenizer, self.canvas
        if tokenizer is None:
            return ""
        free = canvas.free.nonzero()
        return tokenizer.compose_canvas(
            [None if i == self.checkpoint.mask_id else i for i in ids.tolist()],
            (ids != canvas.ids).tolist(),
            range(int(free[0]), int(free[-1]) + 1),
            prompt=canvas.prompt,
            suffix=canvas.suffix,
            absorbs_space=bool(canvas.space_positions),
            full_canvas=full_canvas,
        )


def _end_ids(checkpoint: Checkpoint) -> Sequence[int]:
    return sorted(checkpoint.tokenizer.end_ids) if checkpoint.tokenizer else ()


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
        top=change.top,
    )


def stream(
    ckpt: Checkpoint, *, defaults: Literal["checkpoint"] | None = None, **options: Unpack[SamplingKeywords]
) -> Iterator[Step]:
    """Generate and watch: every step of every row, as it happens. Options are those of `generate`."""
    yield from Run(ckpt, _of_canvas(request_of(ckpt, options, defaults))).steps()


def generate(
    ckpt: Checkpoint, *, defaults: Literal["checkpoint"] | None = None, **options: Unpack[SamplingKeywords]
) -> list[Sample]:
    """Draw samples; see `SamplingOptions` for what the options mean.

    With `defaults="checkpoint"` options that are not given are those of its generation_config.json, as in the command.
    A sample depends on the checkpoint, the settings, the seed and its row alone, in CPU float32 at one thread count;
    elsewhere rounding may differ. Raises `UsageError` for a request that cannot be carried out.
    """
    run = Run(ckpt, _of_canvas(request_of(ckpt, options, defaults)))
    for _ in run.steps():
        pass
    return run.samples()


def _of_canvas(request: Request) -> Request:
    """Raises `UsageError` for what only a document can have."""
    if request.strength != 1:
        raise UsageError("strength needs a text that stands: a canvas is written whole", "Leave it out, or use infill.")
    return request
