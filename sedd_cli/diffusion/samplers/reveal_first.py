"""Absorbing samplers for a normalised c: reveal times do not depend on the network.

They are drawn first, and the network runs only on steps that reveal something, at the positions revealed.
The law is that of the step-by-step chain (RADD, 2406.03736, section 3.2, counts such calls as E-NFE).
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import Grid, Method, make_grid
from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers.masked import Call, MaskedSampler
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, State
from sedd_cli.diffusion.schedules import Schedule, time_of


class Visit(NamedTuple):
    """The next network call of a state: its step, time and noise; where (L,) it reveals; what it reaches."""

    step: int
    t: float
    sigma: float
    where: Tensor
    reached: float


@dataclass(frozen=True)
class TimedSampler(MaskedSampler):
    """Reveals each masked position at the time that its reveal level gives."""

    @property
    @abstractmethod
    def initial_mask(self) -> float:
        """m at the start of the run: survival is the share of it that is left."""

    @abstractmethod
    def next_visit(self, state: State) -> Visit: ...

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        visits = [self.next_visit(s) for s in states]
        call = Call(states, self.space)
        sigma = torch.tensor([v.sigma for v in visits], dtype=torch.float64, device="cpu")
        for scored in network.log_scores(call.ids.clone(), sigma, torch.stack([v.where for v in visits])):
            call.write(scored, self.logits_processor)
        return [
            (
                replace(state, ids=call.ids[row], step=visit.step + 1, reached=visit.reached),
                call.change(row, visit.step, visit.t, visit.sigma),
            )
            for row, (state, visit) in enumerate(zip(states, visits, strict=True))
        ]

    def reenter(self, state: State, positions: Tensor, masked_fraction: float) -> State:
        start = min(1.0, max(state.reached, masked_fraction / self.initial_mask))
        reveal_level = state.reveal_level.index_copy(0, positions, state.reveal_level[positions] * start)
        return replace(state, reveal_level=reveal_level, reached=start)


@dataclass(frozen=True)
class RevealFirst(TimedSampler):
    """Tweedie or Euler on a grid, and the denoising step for what is left below `t_n`."""

    grid: Grid
    method: Method
    survival: Tensor

    @property
    def num_updates(self) -> int:
        return self.grid.steps + 1

    @property
    def initial_mask(self) -> float:
        return float(-torch.expm1(-self.grid.sigma[0]))

    def reveal_step(self, reveal_level: Tensor) -> Tensor:
        """The step k with `survival[k + 1] <= reveal_level < survival[k]`; n, the denoising step, below the last."""
        ascending = self.survival[1:].flip(0).contiguous()
        return self.grid.steps - torch.searchsorted(ascending, reveal_level, right=True)

    def next_visit(self, state: State) -> Visit:
        step = self.reveal_step(state.reveal_level)
        masked = self.masked(state)
        k = int(step[masked].min())
        reached = float(self.survival[k + 1]) if k < self.grid.steps else 0.0
        return Visit(k, float(self.grid.t[k]), float(self.grid.sigma[k]), masked & (step == k), reached)

    def calls_left(self, state: State) -> int:
        return len(self.reveal_step(state.reveal_level[self.masked(state)]).unique())


@dataclass(frozen=True)
class FirstHitting(TimedSampler):
    """n = infinity: one position at a time, at its own time (Zheng et al., 2409.02908, algorithm 1).

    With the true score its law is the data's; `tweedie` and `euler` reach that only as steps grow.
    """

    noise: Schedule
    masked_fraction: float
    masked_count: int

    @property
    def num_updates(self) -> int:
        return self.masked_count

    @property
    def initial_mask(self) -> float:
        end = self.noise.total(torch.ones((), dtype=torch.float64, device="cpu"))
        return min(self.masked_fraction, float(-torch.expm1(-end)))

    def next_visit(self, state: State) -> Visit:
        reveal_level = torch.where(self.masked(state), state.reveal_level, -1.0)
        position = int(reveal_level.argmax())
        sigma = -torch.log1p(-reveal_level[position] * self.initial_mask)
        where = torch.zeros_like(state.free).index_fill(0, torch.tensor([position], device="cpu"), True)
        return Visit(state.step, time_of(self.noise, sigma), float(sigma), where, float(reveal_level[position]))

    def calls_left(self, state: State) -> int:
        return int(self.masked(state).sum())


def make_reveal_first(setup: Setup) -> RevealFirst:
    assert isinstance(setup.process, Absorbing)
    grid = make_grid(setup.noise, setup.steps, masked_fraction=setup.free_fraction)
    survival = grid.survival(setup.method)
    return RevealFirst(setup.process, setup.logits_processor, grid, setup.method, survival)


def make_first_hitting(setup: Setup) -> FirstHitting:
    assert isinstance(setup.process, Absorbing)
    return FirstHitting(setup.process, setup.logits_processor, setup.noise, setup.free_fraction, setup.free_count)
