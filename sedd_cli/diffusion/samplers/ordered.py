"""Orders other than the random one: the surest tokens first, or those at the left.

Where the tokens drawn decide what is surest, a call draws one for every masked position and keeps the surest (LLaDA,
2502.09992; Dream, 2508.15487; Fast-dLLM, 2505.22618). Those that are not kept are drawn anew in the next call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.network import Network, Scored
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.randomness import ORDER, uniforms
from sedd_cli.diffusion.samplers.masked import Call, MaskedSampler, select
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, State
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked, time_of
from sedd_cli.diffusion.unmasking import Unmasking


@dataclass(frozen=True)
class Ordered(MaskedSampler):
    """`free_count`: positions to be written; `calls`: network calls for them. `end_ids`: tokens that end a text.

    A state's `reached` is the share of the calls that is left.
    """

    noise: Schedule
    unmasking: Unmasking
    free_count: int
    calls: int
    end_ids: tuple[int, ...]

    @property
    def num_updates(self) -> int:
        return self.calls

    @property
    def exact_calls(self) -> bool:
        return self.unmasking.threshold is None

    def calls_left(self, state: State) -> int:
        masked = int(self.masked(state).sum())
        if self.unmasking.threshold is not None:
            return masked
        if self.unmasking.per_call is not None:
            return -(-masked // self.unmasking.per_call)
        return min(masked, max(1, round(state.reached * self.calls)))

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        L = len(states[0].ids)
        fresh = [
            replace(s, token_uniform=uniforms(s.seed, s.row, ORDER, s.block, s.step, int(s.visits.sum()), size=L))
            for s in states
        ]
        call, masked = Call(fresh, self.space), torch.stack([self.masked(s) for s in states])
        sigma = sigma_of_masked(self.noise, torch.eq(call.ids, self.mask_id).double().mean(1))
        sureness = torch.full(call.ids.shape, -torch.inf, dtype=torch.float64, device="cpu")
        where = self._leftmost(states, masked) if self.unmasking.order == "left-to-right" else masked
        for scored in network.log_scores(call.ids.clone(), sigma, where):
            at = (scored.row, scored.position)
            if self._draws_all:
                call.write(scored, self.logits_processor)
            if self.unmasking.by_sureness:
                sureness[at] = self._sureness(scored, call)
            if not self._draws_all:
                call.write(select(scored, self._surest(states, sureness)[at]), self.logits_processor)
        if self.unmasking.by_sureness:
            call.keep(self._surest(states, sureness))
        return [
            (
                self._after(s, call.ids[row]),
                call.change(row, s.step, time_of(self.noise, sigma[row]), float(sigma[row])),
            )
            for row, s in enumerate(states)
        ]

    def reenter(self, state: State, positions: Tensor, masked_fraction: float) -> State:
        share = float(self.masked(state).double().sum()) / self.free_count
        return replace(state, reached=min(1.0, max(state.reached, share)))

    def _counts(self, states: Sequence[State]) -> Tensor:
        """(B, 1): how many tokens the next call writes."""
        counts = [self.unmasking.per_call or -(-int(self.masked(s).sum()) // self.calls_left(s)) for s in states]
        return torch.tensor(counts, device="cpu")[:, None]

    def _leftmost(self, states: Sequence[State], masked: Tensor) -> Tensor:
        return masked & (masked.cumsum(1) <= self._counts(states))

    def _surest(self, states: Sequence[State], sureness: Tensor) -> Tensor:
        """(B, L) bool: what is kept of a call, the first of equals."""
        rank = sureness.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        if self.unmasking.threshold is not None:
            return (sureness > self.unmasking.threshold) | (rank == 0)
        return (rank < self._counts(states)) & sureness.isfinite()

    @property
    def _draws_all(self) -> bool:
        """Whether a token is drawn wherever the network was asked: those say what is surest, or all are kept."""
        return self.unmasking.order not in ("margin", "entropy") or self.unmasking.eos_confidence is not None

    def _sureness(self, scored: Scored, call: Call) -> Tensor:
        """How sure the tokens of a chunk are, of those that may be written there, each from 0 to 1: (n,) float64."""
        law, at = self.logits_processor.law(scored.log_score, scored.position), (scored.row, scored.position)
        if self.unmasking.order == "confidence":
            sure = law.gather(-1, self.space.column_of(call.ids[at])[:, None].to(law.device)).squeeze(-1)
        elif self.unmasking.order == "entropy":
            sure = torch.exp(-torch.special.entr(law).sum(-1))
        else:
            first, second = law.topk(2).values.unbind(-1)
            sure = first - second
        if self.unmasking.eos_confidence is None:
            return sure.cpu()
        ends = torch.isin(call.ids[at], torch.tensor(self.end_ids, dtype=torch.int64, device="cpu"))
        return torch.where(ends, sure.cpu().clamp(max=self.unmasking.eos_confidence), sure.cpu())

    def _after(self, state: State, ids: Tensor) -> State:
        written = replace(state, ids=ids, step=state.step + 1)
        if self.unmasking.per_call is None and self.unmasking.threshold is None:
            reached = (self.calls_left(state) - 1) / self.calls
        else:
            reached = float(self.masked(written).double().sum()) / self.free_count
        return replace(written, reached=min(1.0, reached))


def make_ordered(setup: Setup) -> Ordered:
    assert isinstance(setup.process, Absorbing)
    per_call, threshold = setup.unmasking.per_call, setup.unmasking.threshold
    free = setup.free_count
    calls = min(setup.steps, free)
    if per_call is not None:
        calls = -(-free // per_call)
    elif threshold is not None:
        calls = free
    return Ordered(setup.process, setup.logits_processor, setup.noise, setup.unmasking, free, calls, setup.end_ids)
