"""The two forward processes and what follows from them alone; and the states of the autoregressive baseline.

Each process knows its vocabulary, how it noises tokens, its denoising score entropy and the transition weights
of one reverse step. SEDD (arXiv 2310.16834) sections 3.3, 4 and appendix C.

Shapes throughout: B canvases of L tokens over V states; every noise level is given per canvas, `(B,)`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sedd_cli.diffusion.schedules import mask_probability
from sedd_cli.diffusion.score_entropy import score_entropy


def _at(log_score: Tensor, index: Tensor) -> Tensor:
    """`log_score[b, l, index[b, l]]`: (B, L, V), (B, L) -> (B, L)."""
    return log_score.gather(-1, index.unsqueeze(-1)).squeeze(-1)


@dataclass(frozen=True)
class StateSpace:
    """The states of a position: `tokens` that can be written, and MASK, which cannot, where there is one.

    Network outputs at chosen positions (`network.Scored`) have a column for each state that can be written, in the
    order of the states. Where MASK is the last state, a token's column is its id; otherwise the ids above MASK's have
    the column below.
    """

    tokens: int
    mask_id: int | None = field(default=None, init=False)
    """MASK's id; None where every state can be written."""

    @property
    def states(self) -> int:
        """V: how many states a position has, MASK included where there is one."""
        return self.tokens + (self.mask_id is not None)

    @property
    def ids_are_columns(self) -> bool:
        return self.mask_id is None or self.mask_id == self.tokens

    def column_of(self, ids: Tensor) -> Tensor:
        """The column of each state that can be written; any shape."""
        return ids if self.mask_id is None or self.ids_are_columns else ids - (ids > self.mask_id).to(ids.dtype)

    def state_of(self, columns: Tensor) -> Tensor:
        """The state of each column; any shape."""
        if self.mask_id is None or self.ids_are_columns:
            return columns
        return columns + (columns >= self.mask_id).to(columns.dtype)

    def columns(self, values: Tensor) -> Tensor:
        """Values of all states without MASK's: (..., V) -> (..., tokens). Those of columns alone stay as they are."""
        if values.shape[-1] == self.tokens:
            return values
        if self.mask_id is None or self.ids_are_columns:
            return values[..., : self.tokens]
        return torch.cat([values[..., : self.mask_id], values[..., self.mask_id + 1 :]], dim=-1)

    def with_mask(self, columns: Tensor, mask: Tensor) -> Tensor:
        """Columns (..., tokens) and a value of MASK (..., 1), in the order of the states: (..., V)."""
        if self.mask_id is None or self.ids_are_columns:
            return torch.cat([columns, mask], dim=-1)
        return torch.cat([columns[..., : self.mask_id], mask, columns[..., self.mask_id :]], dim=-1)


@dataclass(frozen=True)
class Process(StateSpace, ABC):
    """A forward process that noises each token independently."""

    @abstractmethod
    def perturb(self, x0: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
        """A draw from `q(x_t | x0)` at total noise sigma, made from one float64 uniform a position.

        (B, L), (B,), (B, L) -> (B, L).
        """

    @abstractmethod
    def score_entropy(self, log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
        """Denoising score entropy at every position, weighted by the process's own rates (theorem 3.4).

        (B, L, V), (B,), (B, L), (B, L) -> (B, L). Times the noise rate and integrated over t it is the
        diffusion-weighted loss, DWDSE (equation 10).
        """

    @abstractmethod
    def tweedie_weights(self, log_score: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Unnormalised weights of the analytic step from sigma to sigma_next (theorem 4.2).

        (B, L, V), (B, L), (B,), (B,) -> (B, L, V). `sigma_next = 0` denoises; for the absorbing process the
        caller then drops the MASK column. Weights can be negative: clamp at 0, then normalise.
        """

    @abstractmethod
    def euler_weights(self, log_score: Tensor, x: Tensor, rate_times_dt: Tensor) -> Tensor:
        """Unnormalised weights of one tau-leaping step (equation 17): `one_hot(x) + dt * reverse rate`.

        (B, L, V), (B, L), (B,) -> (B, L, V). Weights can be negative: clamp at 0, then normalise.
        """


@dataclass(frozen=True, init=False)
class Absorbing(Process):
    """Every token turns to MASK, by default the last state, and stays there."""

    mask_id: int

    def __init__(self, tokens: int, mask_id: int | None = None) -> None:
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "mask_id", tokens if mask_id is None else mask_id)

    def perturb(self, x0: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
        return torch.where(u < mask_probability(sigma)[:, None], self.mask_id, x0)

    def score_entropy(self, log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
        masked = x == self.mask_id
        ratio = (1 / torch.expm1(sigma))[:, None]
        columns = self.columns(log_score)
        total = columns.exp().sum(-1)
        # Only x0 has a nonzero conditional ratio: the other tokens contribute their score and no more.
        target = _at(columns, torch.where(masked, self.column_of(x0), 0))
        entropy = total - target.exp() + score_entropy(target, ratio)
        return torch.where(masked, entropy, 0.0)

    def tweedie_weights(self, log_score: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        dsigma = sigma - sigma_next
        # e^dsigma - 1, rounded as the original rounds it: in float32 its last step's factor is off by up to 0.6%,
        # the same for every token. Normalising removes that, and the published figures are met.
        return self._weights(log_score, x, dsigma.exp() * (1 - (-dsigma).exp()))

    def euler_weights(self, log_score: Tensor, x: Tensor, rate_times_dt: Tensor) -> Tensor:
        return self._weights(log_score, x, rate_times_dt)

    def _weights(self, log_score: Tensor, x: Tensor, gain: Tensor) -> Tensor:
        """`gain * score` to the real tokens and the rest to MASK, where x is MASK; one_hot(x) elsewhere."""
        masked = (x == self.mask_id).unsqueeze(-1)
        weights = gain[:, None, None] * log_score.exp()
        weights[..., self.mask_id] = 1 - self.columns(weights).sum(-1)
        stay = torch.zeros_like(weights).scatter_(-1, x.unsqueeze(-1), 1.0)
        return torch.where(masked, weights, stay)


@dataclass(frozen=True)
class Uniform(Process):
    """Every token turns to any other with the same rate, normalised by V."""

    def perturb(self, x0: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
        chance = mask_probability(sigma)[:, None]
        # Below the chance of a move, u over that chance is uniform again: it picks the token (float64: 53 bits).
        token = (u / chance * self.tokens).clamp(max=self.tokens - 1).long()
        return torch.where(u < chance, token, x0)

    def score_entropy(self, log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
        V, moved = self.tokens, x != x0
        other, back = self.conditional_ratios(sigma, moved)
        at_x, at_x0 = _at(log_score, x), _at(log_score, x0)
        plain = log_score.exp().sum(-1) - at_x.exp() - other * (log_score.sum(-1) - at_x)
        constant = (V - 1) * (torch.xlogy(other, other) - other)
        swap = score_entropy(at_x0, back) - score_entropy(at_x0, other)
        return (plain + constant + torch.where(moved, swap, 0.0)) / V

    def conditional_ratios(self, sigma: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """`p(y | x0) / p(x | x0)` for y neither x nor x0, (B, L), and for y = x0, (B, 1), where x has moved from x0.

        (B,), whether x is not x0 (B, L).
        """
        esigm1 = torch.expm1(sigma)[:, None]
        gain = esigm1 + self.tokens
        return torch.where(moved, torch.ones_like(esigm1), esigm1 / gain), gain / esigm1

    def tweedie_weights(self, log_score: Tensor, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        dsigma = (sigma - sigma_next)[:, None, None]
        score = log_score.exp()
        # e^{-dsigma Q} applied to the score (equation 19's first factor), then the forward transition from x.
        staggered = dsigma.exp() * score - torch.expm1(dsigma) / self.tokens * score.sum(-1, keepdim=True)
        move = mask_probability(dsigma) / self.tokens
        stay = 1 - (self.tokens - 1) * move
        staggered_x = staggered.gather(-1, x.unsqueeze(-1))
        return (staggered * move).scatter_(-1, x.unsqueeze(-1), staggered_x * stay)

    def prior_nats(self, sigma: Tensor) -> Tensor:
        """`KL(q(x_t | x0) || uniform)` of a token at total noise sigma, in nats; any shape."""
        V = self.tokens
        spread = mask_probability(sigma) / V
        keep = 1 - (V - 1) * spread
        return torch.xlogy(keep, keep * V) + (V - 1) * torch.xlogy(spread, spread * V)

    def euler_weights(self, log_score: Tensor, x: Tensor, rate_times_dt: Tensor) -> Tensor:
        weights = (rate_times_dt / self.tokens)[:, None, None] * log_score.exp()
        weights.scatter_(-1, x.unsqueeze(-1), 0.0)
        return weights.scatter_(-1, x.unsqueeze(-1), 1 - weights.sum(-1, keepdim=True))


@dataclass(frozen=True)
class Causal(StateSpace):
    """The states of an autoregressive checkpoint, the baseline: no noise, each token given those before it.

    MASK stands before the first token, and where nothing is written yet.
    """

    mask_id: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask_id", self.tokens)

    def before(self, x: Tensor) -> Tensor:
        """The token before each position, MASK before the first: (B, L) -> (B, L)."""
        return torch.cat([torch.full_like(x[:, :1], self.mask_id), x[:, :-1]], dim=1)
