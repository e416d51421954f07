"""Branches: every moment of a run is kept, so that a user can go back, edit, and resume (docs/theory.md, section 15).

Going back is exact and calls no network: a moment holds the sampler states.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from sedd_cli.atomic import write_file
from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.engine import Step
from sedd_cli.generation.job import Job
from sedd_cli.generation.trace import Tracer

T = TypeVar("T")
NUM_TOP = 3
"""How many of the likeliest tokens are known of each draw: the one that was written, most often, and two it beat."""


@dataclass(frozen=True)
class Moment:
    """The canvases of a text after a step or an edit. Tuples have one entry per canvas; tensors are (L,).

    `confidence` float64: the probability of each token when the network wrote it, NaN for other tokens;
    `revealed` int64: the moment at which the network wrote it, -1 for other tokens.
    """

    states: tuple[State, ...]
    confidence: tuple[Tensor, ...]
    revealed: tuple[Tensor, ...]
    masked: int
    """MASKs left on all canvases."""
    step: Step | None = None
    canvases: frozenset[int] = frozenset()
    """Canvases changed by the step or edit."""
    edit: str = ""
    """Label of a manual edit; "" for a step of the run."""

    @cached_property
    def entropy(self) -> float | None:
        """The mean entropy in nats of the choices that the step made; None if it made none."""
        return None if self.step is None or not len(self.step.entropy) else float(self.step.entropy.mean())


class Branch:
    """The moments of a text from all-MASK on. Append-only.

    `parent` and `forked_at`: the branch and the moment at which this one forked, if it did.
    """

    def __init__(
        self, job: Job, number: int, moments: Sequence[Moment], parent: "Branch | None" = None, forked_at: int = 0
    ) -> None:
        self.job, self.number, self.parent, self.forked_at = job, number, parent, forked_at
        self.moments = list(moments)
        self._calls = [0]
        for moment in self.moments[1:]:
            self._calls.append(self._calls[-1] + (moment.step is not None))
        self.nats: float | None = None
        """The bound that ranks candidates, in nats; None until computed."""

    @classmethod
    def begin(cls, job: Job, number: int) -> "Branch":
        """Start text `number` of a job, before its first network call."""
        states = tuple(replace(job.start(row), num_top=NUM_TOP) for row in job.rows_of(number))
        unknown = tuple(torch.full((len(s.ids),), torch.nan, dtype=torch.float64, device="cpu") for s in states)
        never = tuple(torch.full((len(s.ids),), -1, device="cpu") for s in states)
        return cls(job, number, [Moment(states, unknown, never, _masked(job, states))])

    @property
    def tip(self) -> Moment:
        return self.moments[-1]

    @property
    def last(self) -> int:
        return len(self.moments) - 1

    def add(self, step: Step) -> None:
        """Append the result of a network call."""
        before = self.tip
        canvas = next(i for i, state in enumerate(before.states) if state.row == step.row)
        now = torch.full_like(step.changed, len(self.moments))
        states = _with(before.states, canvas, step.state)
        # What is to be drawn again is remasked between two steps.
        remasked = before.states[canvas].ids != step.state.ids
        self._append(
            Moment(
                states,
                _with(
                    before.confidence,
                    canvas,
                    before.confidence[canvas]
                    .masked_fill(remasked, torch.nan)
                    .index_copy(0, step.changed, step.probability),
                ),
                _with(
                    before.revealed,
                    canvas,
                    before.revealed[canvas].masked_fill(remasked, -1).index_copy(0, step.changed, now),
                ),
                _masked(self.job, states),
                step,
                frozenset({canvas}),
            )
        )

    def edited(self, at: int, states: Mapping[int, State], edit: str) -> "Branch":
        """Fork at a moment, with edited states of some canvases."""
        fork = Branch(self.job, self.number, self.moments[: at + 1], self, at)
        now, confidence, revealed = list(fork.tip.states), list(fork.tip.confidence), list(fork.tip.revealed)
        for canvas, state in states.items():
            changed = now[canvas].ids != state.ids
            now[canvas] = state
            confidence[canvas] = confidence[canvas].masked_fill(changed, torch.nan)
            revealed[canvas] = revealed[canvas].masked_fill(changed, -1)
        masked = _masked(self.job, now)
        fork._append(Moment(tuple(now), tuple(confidence), tuple(revealed), masked, None, frozenset(states), edit))
        return fork

    def _append(self, moment: Moment) -> None:
        # The count first: another thread that sees the moment reads it.
        self._calls.append(self._calls[-1] + (moment.step is not None))
        self.moments.append(moment)

    def calls_made(self, at: int) -> int:
        """Network calls up to a moment."""
        return self._calls[at]

    def calls_left(self, at: int) -> int:
        """Network calls left from a moment; see `Job.exact_calls`."""
        return sum(self.job.sampler_of(state.row).calls_left(state) for state in self.moments[at].states)

    @property
    def finished(self) -> bool:
        return all(map(self.job.done, self.tip.states))

    def resume(self) -> Iterator[Step]:
        """Yield the steps left from the tip, one network call each; `add` them."""
        return self.job.resume(self.tip.states)

    def trace(self) -> Iterator[bytes]:
        """Yield every step and edit as lines of a trace, which `recording.parse` reads."""
        tracer = Tracer(self.job, self.job.rows_of(self.number))
        yield tracer.header()
        for i, moment in enumerate(self.moments[1:], start=1):
            if moment.step is not None:
                yield from tracer.step(replace(moment.step, nfe=self._calls[i]))
            else:
                for canvas in sorted(moment.canvases):
                    yield from tracer.edit(moment.states[canvas], moment.edit)

    def write_trace(self, path: Path) -> None:
        """Write every step and edit as a trace. Raises `SeddError` if the file cannot be written."""
        write_file(path, b"".join(self.trace()))


def _masked(job: Job, states: Sequence[State]) -> int:
    mask_id = job.checkpoint.mask_id
    return 0 if mask_id is None else sum(state.ids.tolist().count(mask_id) for state in states)


def _with(items: tuple[T, ...], i: int, item: T) -> tuple[T, ...]:
    return (*items[:i], item, *items[i + 1 :])
