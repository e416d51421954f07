"""The uniform process, step by step: every free position can move at every step (SEDD, 2310.16834, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.grid import Grid, Method, make_grid
from sedd_cli.diffusion.network import Network, Scored
from sedd_cli.diffusion.processes import Uniform
from sedd_cli.diffusion.randomness import MOVE, START, uniforms
from sedd_cli.diffusion.samplers.masked import Call, select
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, Sampler, State


@dataclass(frozen=True)
class UniformSteps(Sampler):
    """Tweedie or Euler; states of one call stand at the same step.

    Clamped tokens are read by the network as if they were noised, so conditioning is approximate, as in the
    original.
    """

    process: Uniform
    grid: Grid
    method: Method
    logits_processor: LogitsProcessor

    @property
    def num_updates(self) -> int:
        return self.grid.steps + 1

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        L = len(ids)
        noise = (uniforms(seed, row, START, size=L) * self.process.tokens).long()
        unused = torch.ones(L, dtype=torch.float64, device="cpu")
        return State(
            seed=seed,
            row=row,
            ids=torch.where(free, noise, ids),
            free=free,
            reveal_level=unused,
            token_uniform=unused,
            visits=torch.zeros(L, dtype=torch.int64, device="cpu"),
            survival=unused,
        )

    def calls_left(self, state: State) -> int:
        return self.num_updates - state.step if bool(state.free.any()) else 0

    def ready(self, states: Sequence[State]) -> list[State]:
        first = min(s.step for s in states)
        return [s for s in states if s.step == first]

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        (step,) = {s.step for s in states}
        L = len(states[0].ids)
        u = torch.stack([uniforms(s.seed, s.row, MOVE, step, size=2 * L) for s in states])
        call = Call([replace(s, token_uniform=u[i, L:]) for i, s in enumerate(states)], self.process)
        before = call.ids.clone()
        sigma = self.grid.sigma[step].expand(len(states))
        for scored in network.log_scores(before, sigma, torch.stack([s.free for s in states])):
            at = (scored.row, scored.position)
            others, leave = self.leaving(step, scored, before[at])
            moves = u[at] < leave
            if step == self.grid.steps:
                # A token of the first noise that never moved may be one that must not be written.
                moves |= self.logits_processor.excludes(before[at], scored.position)
            if bool(moves.any()):
                call.write(select(Scored(*at, others), moves), self.logits_processor)
        t, noise = float(self.grid.t[step]), float(self.grid.sigma[step])
        reached = float(self.grid.t[step + 1]) if step < self.grid.steps else 0.0
        return [
            (replace(s, ids=call.ids[i], step=step + 1, reached=reached), call.change(i, step, t, noise))
            for i, s in enumerate(states)
        ]

    def leaving(self, step: int, scored: Scored, here: Tensor) -> tuple[Tensor, Tensor]:
        """Log weights of the tokens other than `here`, (n, V) float64, and the chance of leaving, (n,) on the CPU."""
        score = scored.log_score
        score = (score.cpu() if score.device.type == "mps" else score).double()
        here = here.to(score.device)[:, None]
        weights = self._weights(step, score[:, None], here).squeeze(1).clamp_(min=0)
        stay = weights.gather(-1, here).squeeze(-1)
        others = weights.scatter_(-1, here, 0.0)
        leave = others.sum(-1)
        return others.log_(), (leave / (leave + stay)).cpu()

    def _weights(self, step: int, log_score: Tensor, x: Tensor) -> Tensor:
        """Transition weights of n canvases of one token each: (n, 1, V), (n, 1) -> (n, 1, V)."""
        if self.method == "euler" and step < self.grid.steps:
            return self.process.euler_weights(log_score, x, self.grid.rate_dt[step].to(x.device).expand(len(x)))
        sigma = self.grid.sigma[step]
        after = sigma - self.grid.jump(step)
        return self.process.tweedie_weights(
            log_score, x, sigma.to(x.device).expand(len(x)), after.to(x.device).expand(len(x))
        )


def make_uniform(setup: Setup) -> UniformSteps:
    assert isinstance(setup.process, Uniform)
    return UniformSteps(setup.process, make_grid(setup.noise, setup.steps), setup.method, setup.logits_processor)
