"""Written text is read again, and what the truncated law never draws there, given the rest, is written anew.

A token is drawn when little of the rest stands yet, and may not fit what comes later. After the run, a quarter of the
positions at a time is masked and scored given the other three, as they then stand: tokens that top-p, top-k or
temperature 0 exclude there return to MASK, and the sampler goes on. What it then writes is read by the next round, if
there is one. To draw again what is unlikely given the rest is the idea of informed correctors (Zhao et al., 2407.21243;
docs/theory.md, section 15).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor, exact
from sedd_cli.diffusion.network import Network
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers.masked import Call
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked, time_of

GROUPS = 4
"""Readings of a round: each is of every fourth position."""
SHARE = 0.25
"""The most of the positions of a reading that return to MASK, at least one: the least likely ones."""


@dataclass(frozen=True)
class Revised(Sampler):
    """`rounds` of readings after the run of a sampler, each followed by the calls that write anew what was masked."""

    inner: Sampler
    process: Absorbing
    noise: Schedule
    logits_processor: LogitsProcessor
    rounds: int

    @property
    def num_updates(self) -> int:
        return self.inner.num_updates

    @property
    def num_corrections(self) -> int:
        return self.inner.num_corrections

    @property
    def num_readings(self) -> int:
        return self.rounds * GROUPS

    @property
    def exact_calls(self) -> bool:
        return False

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        return self.inner.start(ids, free, seed, row)

    def calls_left(self, state: State) -> int:
        sizes = [int(_group(state.free, reading).sum()) for reading in range(state.readings, self.num_readings)]
        return self.inner.calls_left(state) + sum(1 + _most(size) for size in sizes if size)

    def done(self, state: State) -> bool:
        return self.inner.done(state) and self._next(state) is None

    def ready(self, states: Sequence[State]) -> list[State]:
        due = [s for s in states if self._next(s) is not None]
        return due or self.inner.ready(states)

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        readings = [r for s in states if (r := self._next(s)) is not None]
        if not readings:
            return self.inner.advance(states, network)
        call, mask_id = Call(states, self.process), self.process.mask_id
        where = torch.stack([self._read(s, r) for s, r in zip(states, readings, strict=True)])
        shown = call.ids.masked_fill(where, mask_id)
        sigma = sigma_of_masked(self.noise, torch.eq(shown, mask_id).double().mean(1))
        excluded = self._excluded(call.ids, shown, sigma, where, network)
        return [
            (
                self.inner.remask(replace(s, readings=reading + 1), excluded[row])
                if len(excluded[row])
                else replace(s, readings=reading + 1),
                call.change(row, self.num_updates + reading, time_of(self.noise, sigma[row]), float(sigma[row])),
            )
            for row, (s, reading) in enumerate(zip(states, readings, strict=True))
        ]

    def remask(self, state: State, positions: Tensor) -> State:
        return self.inner.remask(state, positions)

    def _excluded(self, ids: Tensor, shown: Tensor, sigma: Tensor, where: Tensor, network: Network) -> list[Tensor]:
        """The positions of each row, (k,), whose tokens are to be written anew; the least likely if they are many."""
        probability = torch.full(ids.shape, torch.inf, dtype=torch.float64, device="cpu")
        for scored in network.log_scores(shown.clone(), sigma, where):
            at = (scored.row, scored.position)
            logits = exact(scored.log_score)
            column = self.process.column_of(ids[at]).to(logits.device)[:, None]
            kept = self.logits_processor.apply(logits, scored.position).gather(1, column).isfinite()
            probability[at] = logits.softmax(1).gather(1, column).masked_fill(kept, torch.inf).squeeze(1).cpu()
        most = [_most(int(row.sum())) for row in where]
        return [p.argsort()[: min(n, int(p.isfinite().sum()))] for p, n in zip(probability, most, strict=True)]

    def _next(self, state: State) -> int | None:
        """The reading that comes before the next call of the sampler. One that has begun a round ends it first."""
        first = state.readings
        end = self.num_readings if self.inner.done(state) else math.ceil(first / GROUPS) * GROUPS
        return next((r for r in range(first, end) if bool(self._read(state, r).any())), None)

    def _read(self, state: State, reading: int) -> Tensor:
        """The positions of a reading: (L,) bool."""
        return _group(state.free & (state.ids != self.process.mask_id), reading)


def _group(positions: Tensor, reading: int) -> Tensor:
    return positions & (torch.arange(len(positions), device="cpu") % GROUPS == reading % GROUPS)


def _most(size: int) -> int:
    return math.ceil(SHARE * size)
