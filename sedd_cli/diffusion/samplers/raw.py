"""The absorbing samplers of the original code: the score as the network gives it, normalised or not.

Whether a position is revealed in a step depends on the sum of its scores, so the network runs at every step, with
the vocabulary head at every masked position (SEDD, 2310.16834, algorithms 1 and 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import Grid, Method, make_grid
from sedd_cli.diffusion.network import Network, Scored
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers.masked import Call, MaskedSampler, select
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, State
from sedd_cli.diffusion.schedules import mask_probability


@dataclass(frozen=True)
class RawScore(MaskedSampler):
    """Step by step, from t = 1; states of one call stand at the same step.

    One uniform a position still decides when: each step multiplies its survival by the chance of staying, and it
    is revealed once that is no longer above its reveal_level.
    """

    grid: Grid
    method: Method

    @property
    def num_updates(self) -> int:
        return self.grid.steps + 1

    @property
    def exact_calls(self) -> bool:
        return False

    def calls_left(self, state: State) -> int:
        return self.num_updates - state.step if bool(self.masked(state).any()) else 0

    def stay_chance(self, step: int, scored: Scored) -> Tensor:
        """The chance that each position stays masked in this step: (n,) float64 on the CPU."""
        if step == self.grid.steps:
            return torch.zeros(len(scored.position), dtype=torch.float64, device="cpu")
        gain = self.grid.rate_dt[step] if self.method == "euler" else torch.expm1(self.grid.jump(step))
        total_score = scored.log_score.logsumexp(-1).cpu().double().exp()
        return 1 - (gain * total_score).clamp(max=1.0)

    def ready(self, states: Sequence[State]) -> list[State]:
        first = min(s.step for s in states)
        return [s for s in states if s.step == first]

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        (step,) = {s.step for s in states}
        call = Call(states, self.space)
        survival = torch.stack([s.survival for s in states])
        reveal_level = torch.stack([s.reveal_level for s in states])
        sigma = self.grid.sigma[step].expand(len(states))
        where = torch.stack([self.masked(s) for s in states])
        for scored in network.log_scores(call.ids.clone(), sigma, where):
            at = (scored.row, scored.position)
            survival[at] *= self.stay_chance(step, scored)
            revealed = survival[at] <= reveal_level[at]
            if bool(revealed.any()):
                call.write(select(scored, revealed), self.logits_processor)
        reached = float(mask_probability(self.grid.sigma[step + 1])) if step < self.grid.steps else 0.0
        t, noise = float(self.grid.t[step]), float(self.grid.sigma[step])
        return [
            (
                replace(state, ids=call.ids[i], survival=survival[i], step=step + 1, reached=reached),
                call.change(i, step, t, noise),
            )
            for i, state in enumerate(states)
        ]

    def reenter(self, state: State, positions: Tensor, masked_fraction: float) -> State:
        # The last time of the grid at which no less was masked than is now, if that is earlier than now.
        noisier = int((mask_probability(self.grid.sigma) >= masked_fraction).sum())
        survival = state.survival.index_fill(0, positions, 1.0)
        return replace(state, survival=survival, step=min(state.step, max(0, noisier - 1)))


def make_raw(setup: Setup) -> RawScore:
    assert isinstance(setup.process, Absorbing)
    grid = make_grid(setup.noise, setup.steps)
    return RawScore(setup.process, setup.logits_processor, grid, setup.method)
