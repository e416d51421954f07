"""Base of the absorbing samplers: 2L uniforms up front, tokens drawn where they are revealed."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor, TopTokens, draw
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing, Causal, StateSpace
from sedd_cli.diffusion.randomness import REMASK, START, uniforms
from sedd_cli.diffusion.samplers.state import Change, Sampler, State


class Call:
    """One network call for several states; collects the tokens written, chunk by chunk."""

    def __init__(self, states: Sequence[State], space: StateSpace) -> None:
        self.space = space
        self.ids = torch.stack([s.ids for s in states])
        self.written = torch.zeros_like(self.ids, dtype=torch.bool)
        self.probability = torch.zeros(self.ids.shape, dtype=torch.float64, device="cpu")
        self.entropy = torch.zeros(self.ids.shape, dtype=torch.float64, device="cpu")
        self._token_uniform = torch.stack([s.token_uniform for s in states])
        self._num_top = max(s.num_top for s in states)
        shape = (*self.ids.shape, self._num_top)
        self._top = TopTokens(
            torch.zeros(shape, dtype=torch.int64, device="cpu"), torch.zeros(shape, dtype=torch.float64, device="cpu")
        )

    def write(self, scored: Scored, logits_processor: LogitsProcessor) -> None:
        """Draw a token for every position of a chunk and write it."""
        at = (scored.row, scored.position)
        drawn = draw(scored.log_score, self._token_uniform[at], logits_processor, scored.position, self._num_top)
        self.ids[at] = self.space.state_of(drawn.token.cpu())
        self.probability[at] = drawn.probability.cpu()
        self.entropy[at] = drawn.entropy.cpu()
        if drawn.top is not None:
            count = drawn.top.token.shape[-1]
            self._top.token[..., :count][at] = self.space.state_of(drawn.top.token.cpu())
            self._top.probability[..., :count][at] = drawn.top.probability.cpu()
        self.written[at] = True

    def keep(self, chosen: Tensor) -> None:
        """Return to MASK what was written at other positions than those chosen (B, L)."""
        assert self.space.mask_id is not None
        self.ids = self.ids.masked_fill(self.written & ~chosen, self.space.mask_id)
        self.written &= chosen

    def change(self, row: int, step: int, t: float, sigma: float) -> Change:
        positions = self.written[row].nonzero().squeeze(-1)
        at = (row, positions)
        top = TopTokens(self._top.token[at], self._top.probability[at]) if self._num_top else None
        return Change(step, t, sigma, positions, self.probability[at], self.entropy[at], top)


def select(scored: Scored, chosen: Tensor) -> Scored:
    """The chosen positions of a chunk; chosen (n,) bool on the CPU."""
    if bool(chosen.all()):
        return scored
    return Scored(*(part[chosen.to(part.device)] for part in scored))


@dataclass(frozen=True)
class MaskedSampler(Sampler):
    """Writes tokens in place of MASK; draws follow `logits_processor`, whose tokens are columns of `Scored`."""

    space: Absorbing | Causal
    logits_processor: LogitsProcessor

    @property
    def mask_id(self) -> int:
        return self.space.mask_id

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        L = len(ids)
        u = uniforms(seed, row, START, size=2 * L)
        return State(
            seed=seed,
            row=row,
            ids=torch.where(free, self.mask_id, ids),
            free=free,
            reveal_level=u[:L],
            token_uniform=u[L:],
            visits=torch.zeros(L, dtype=torch.int64, device="cpu"),
            survival=torch.ones(L, dtype=torch.float64, device="cpu"),
        )

    def masked(self, state: State) -> Tensor:
        """(L,) bool: positions still to be revealed."""
        return state.free & (state.ids == self.mask_id)

    def remask(self, state: State, positions: Tensor) -> State:
        ids = state.ids.index_fill(0, positions, self.mask_id)
        free = state.free.index_fill(0, positions, True)
        visits = state.visits.index_add(0, positions, torch.ones_like(positions))
        reveal_level, token_uniform = state.reveal_level.clone(), state.token_uniform.clone()
        for i in positions.tolist():
            reveal_level[i], token_uniform[i] = uniforms(state.seed, state.row, REMASK, i, int(visits[i]), size=2)
        fresh = replace(
            state, ids=ids, free=free, visits=visits, reveal_level=reveal_level, token_uniform=token_uniform
        )
        # MASKs of later blocks are none of this run's.
        return self.reenter(fresh, positions, float(self.masked(fresh).double().mean()))

    @abstractmethod
    def reenter(self, state: State, positions: Tensor, masked_fraction: float) -> State:
        """Put just remasked positions, with fresh uniforms in `reveal_level`, at `m = max(m(t), masked / L)`."""
