"""ReMDM: written positions return to MASK on the way, and are written again (2503.00307).

From t to s < t, with `alpha` the chance that a position is written, a written one is remasked with probability `sigma`
and a masked one is written with probability `(alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t)`: whatever sigma is, a
position is masked at s with probability `1 - alpha_s` (equation 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import make_grid
from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.randomness import REMDM, uniforms
from sedd_cli.diffusion.samplers.masked import Call, MaskedSampler
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, State
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked, time_of
from sedd_cli.diffusion.unmasking import ETA, Unmasking

LOOP_BEGINS, LOOP_ENDS, LOOP_WRITTEN = 0.55, 0.05, 0.9
"""ReMDM-loop holds this share written while it remasks, between these shares of the time that is left."""
REMEMBERED = 1 << 16
"""Patterns of which the number of calls left is remembered."""


class Visit(NamedTuple):
    """The next network call of a state: its step, where (L,) MASKs then stand, what it writes, and what returns."""

    step: int
    masked: Tensor
    writes: Tensor
    returns: Tensor


@dataclass(frozen=True)
class Remasking(MaskedSampler):
    """`survival` (n + 1,): the share of the free positions that is masked at each time of a grid of n steps.

    Positions move without regard to tokens, but for `confidence`: so the calls are known before the first.
    """

    noise: Schedule
    unmasking: Unmasking
    survival: Tensor
    initial_mask: float
    _calls: dict[int, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def num_updates(self) -> int:
        return len(self.survival)

    @property
    def exact_calls(self) -> bool:
        return self.unmasking.remask != "confidence"

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        state = super().start(ids, free, seed, row)
        return replace(state, confidence=torch.zeros(len(ids), dtype=torch.float64, device="cpu"))

    def calls_left(self, state: State) -> int:
        masked, step = self.masked(state), state.step
        if not self.exact_calls:
            visit = self._next(state, masked, step)
            return 0 if visit is None else self.num_updates - visit.step
        key = self._key(state, masked, step)
        if key in self._calls:
            return self._calls[key]
        keys = [key]
        while visit := self._next(state, masked, step):
            masked, step = (visit.masked & ~visit.writes) | visit.returns, visit.step + 1
            keys.append(self._key(state, masked, step))
        if len(self._calls) > REMEMBERED:
            self._calls.clear()
        self._calls.update({k: calls for calls, k in enumerate(reversed(keys))})
        return len(keys) - 1

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        visits = []
        for state in states:
            visit = self._next(state, self.masked(state), state.step)
            assert visit is not None, "a state that is done has no next call"
            visits.append(visit)
        L = len(states[0].ids)
        call = Call(
            [
                replace(s, token_uniform=self._uniforms(s, v.step)[L:], ids=s.ids.masked_fill(v.masked, self.mask_id))
                for s, v in zip(states, visits, strict=True)
            ],
            self.space,
        )
        share = torch.tensor([float(self.survival[v.step]) for v in visits], dtype=torch.float64, device="cpu")
        sigma = sigma_of_masked(self.noise, share * self.initial_mask)
        for scored in network.log_scores(call.ids.clone(), sigma, torch.stack([v.writes for v in visits])):
            call.write(scored, self.logits_processor)
        return [
            (
                self._after(state, visit, call, row),
                call.change(row, visit.step, time_of(self.noise, sigma[row]), float(sigma[row])),
            )
            for row, (state, visit) in enumerate(zip(states, visits, strict=True))
        ]

    def reenter(self, state: State, positions: Tensor, masked_fraction: float) -> State:
        start = min(1.0, max(state.reached, masked_fraction / self.initial_mask))
        # The last time at which so much is masked.
        step = int((self.survival >= start - 1e-12).nonzero().max())
        return replace(state, reached=start, step=min(state.step, step))

    def _after(self, state: State, visit: Visit, call: Call, row: int) -> State:
        assert state.confidence is not None
        confidence = torch.where(call.written[row], call.probability[row], state.confidence)
        reached = float(self.survival[visit.step + 1]) if visit.step + 1 < self.num_updates else 0.0
        ids = call.ids[row].masked_fill(visit.returns, self.mask_id)
        return replace(state, ids=ids, confidence=confidence, step=visit.step + 1, reached=reached)

    def _next(self, state: State, masked: Tensor, step: int) -> Visit | None:
        """The next step that writes something, from a pattern of MASKs on; None if nothing is left to write."""
        written = state.free & ~masked
        for k in range(step, self.num_updates):
            u = self._uniforms(state, k)[: len(masked)]
            remask, write = self.chances(k, state, written)
            writes, returns = masked & (u < write), written & (u < remask)
            if bool(writes.any()):
                return Visit(k, masked, writes, returns)
            masked, written = masked | returns, written & ~returns
        return None

    def chances(self, step: int, state: State, written: Tensor) -> tuple[Tensor | float, float]:
        """The chances of a step: that a written position is remasked (0-d or (L,)), that a masked one is written."""
        if step + 1 == self.num_updates:
            return 0.0, 1.0
        now, after = 1 - float(self.survival[step]), 1 - float(self.survival[step + 1])
        bound = min(1.0, (1 - after) / now) if now > 0 else 1.0
        kind, eta = self.unmasking.remask, self.unmasking.eta or ETA.get(str(self.unmasking.remask), 0.0)
        if kind == "confidence":
            assert state.confidence is not None
            shares = torch.where(written, -state.confidence, -torch.inf).softmax(0).nan_to_num(0.0)
            return shares * bound, (after - now) / (1 - now)
        sigma = eta * bound if kind == "rescale" else min(eta, bound)
        if kind == "loop" and after > now:
            sigma = 0.0
        return sigma, min(1.0, (after - (1 - sigma) * now) / (1 - now)) if now < 1 else 1.0

    def _uniforms(self, state: State, step: int) -> Tensor:
        """Numbers of a step: who moves, and which token is written, (2L,). An edit changes those after it."""
        visits = int(state.visits.sum())
        return uniforms(state.seed, state.row, REMDM, state.block, step, visits, size=2 * len(state.ids))

    def _key(self, state: State, masked: Tensor, step: int) -> int:
        pattern = masked.numpy().tobytes(), state.free.numpy().tobytes()
        return hash((state.seed, state.row, state.block, step, int(state.visits.sum()), *pattern))


def loop_survival(steps: int) -> Tensor:
    """(n + 1,): the share masked of ReMDM-loop (section 4.2): written up to a share, held there, then all written."""
    left = torch.linspace(1, 0, steps + 1, dtype=torch.float64, device="cpu")
    before = LOOP_WRITTEN * (1 - left) / (1 - LOOP_BEGINS)
    after = LOOP_WRITTEN + (1 - LOOP_WRITTEN) * (LOOP_ENDS - left) / LOOP_ENDS
    written = torch.where(left > LOOP_BEGINS, before, torch.where(left < LOOP_ENDS, after, LOOP_WRITTEN))
    return 1 - written


def make_remasking(setup: Setup) -> Remasking:
    assert isinstance(setup.process, Absorbing)
    grid = make_grid(setup.noise, setup.steps, masked_fraction=setup.free_fraction)
    survival = loop_survival(setup.steps) if setup.unmasking.remask == "loop" else grid.survival("tweedie")
    initial_mask = float(-torch.expm1(-grid.sigma[0]))
    return Remasking(setup.process, setup.logits_processor, setup.noise, setup.unmasking, survival, initial_mask)
