"""Gibbs updates between the calls of any absorbing sampler: a corrector that keeps the law.

A written position is chosen at random, masked, and drawn again from its conditional given all others. Masked positions
are chosen without regard to tokens, so `p_t(x) = P(pattern) p_0(the unmasked tokens of x)`, which the update leaves as
it is; from a wrong law it comes nearer (docs/theory.md, section 15).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.randomness import CORRECT, uniforms
from sedd_cli.diffusion.samplers.masked import Call, MaskedSampler
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked, time_of


@dataclass(frozen=True)
class Corrected(Sampler):
    """`corrections` updates of one call each, spread over the run of a sampler as its survival falls."""

    inner: MaskedSampler
    noise: Schedule
    corrections: int

    @property
    def num_updates(self) -> int:
        return self.inner.num_updates + self.corrections

    @property
    def num_corrections(self) -> int:
        return self.corrections

    @property
    def exact_calls(self) -> bool:
        return self.inner.exact_calls

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        return self.inner.start(ids, free, seed, row)

    def calls_left(self, state: State) -> int:
        left = self.inner.calls_left(state)
        return left + max(0, self.corrections - state.corrections) * bool(left or self._written(state).any())

    def ready(self, states: Sequence[State]) -> list[State]:
        due = [s for s in states if self._is_due(s)]
        return due or self.inner.ready(states)

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        if not self._is_due(states[0]):
            return [
                (state, change._replace(step=change.step + state.corrections))
                for state, change in self.inner.advance(states, network)
            ]
        u = [uniforms(s.seed, s.row, CORRECT, s.block, s.corrections, size=2) for s in states]
        where = torch.stack([self._chosen(s, float(numbers[0])) for s, numbers in zip(states, u, strict=True)])
        L, mask_id = where.shape[1], self.inner.mask_id
        fresh = [replace(s, token_uniform=n[1].expand(L)) for s, n in zip(states, u, strict=True)]
        call = Call(fresh, self.inner.space)
        call.ids = call.ids.masked_fill(where, mask_id)
        sigma = sigma_of_masked(self.noise, torch.eq(call.ids, mask_id).double().mean(1))
        for scored in network.log_scores(call.ids.clone(), sigma, where):
            call.write(scored, self.inner.logits_processor)
        return [
            (
                replace(s, ids=call.ids[row], corrections=s.corrections + 1),
                call.change(row, s.step + s.corrections, time_of(self.noise, sigma[row]), float(sigma[row])),
            )
            for row, s in enumerate(states)
        ]

    def remask(self, state: State, positions: Tensor) -> State:
        return self.inner.remask(state, positions)

    def _written(self, state: State) -> Tensor:
        return state.free & ~self.inner.masked(state)

    def _is_due(self, state: State) -> bool:
        """Whether an update comes before the next call of the sampler."""
        due = self.corrections * (1 - state.reached) if self.inner.calls_left(state) else self.corrections
        return state.corrections + 1 <= due + 1e-9 and bool(self._written(state).any())

    def _chosen(self, state: State, u: float) -> Tensor:
        """One of the written positions: (L,) bool."""
        written = self._written(state)
        place = int(u * int(written.sum()))
        return written & (written.cumsum(0) == place + 1)
