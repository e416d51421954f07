"""D3PM (Austin et al., 2107.03006): T discrete steps of noise, and the chain back of a network that predicts x0.

Absorbing: `beta_t = 1 / (T - t + 1)`, so that t/T of the tokens are masked after t steps, whatever the noise schedule
of the config (appendix A.2.2). Uniform: `alpha_bar_t = exp(-sigma_bar(t/T))` of the config's own schedule, so that the
limit of many steps is the continuous process itself; with `cosine` noise that is the paper's schedule (Hoogeboom et
al., 2102.05379) but for the offset of 0.008 by which the latter avoids small steps at the start.

A reverse step mixes over what x0 might be. `posterior`: `sum_x0 q(x_{t-1} | x_t, x0) p(x0 | x_t)`, which with the true
`p(x0 | x_t)` is the true reverse step of a position. `joint`: `sum_x0 q(x_{t-1}, x_t | x0) p(x0 | x_t)`, normalised
(the paper's equation 4): each x0 then counts by how likely it makes x_t once more. They agree where every possible x0
makes x_t equally likely, so for the absorbing process, and not for the uniform one. The last step back is
`p(x0 | x_1)` in either, as in the paper's code.

Everything is O(V) a position. Shapes: n positions, each at its own step `t` (n,) int64 in 1 ... T; V states.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.schedules import Discrete, sigma_of_masked


@dataclass(frozen=True, eq=False)
class Chain(ABC):
    """The forward chain, and the reverse step that follows from a network's `p(x0 | x_t)`; `noise.steps` is T."""

    process: Process
    noise: Discrete

    @cached_property
    @abstractmethod
    def survival(self) -> Tensor:
        """(T + 1,) float64: `alpha_bar_t`, the chance that a token is unchanged after t steps; 1 at t = 0."""

    @property
    @abstractmethod
    def prior_nats(self) -> float:
        """`L_T` of a token: `KL(q(x_T | x0) || p(x_T))`."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """The total noise at step t, the input of a time-conditioned network: any shape, float64."""

    @abstractmethod
    def conditional(self, log_score: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """`log p(x0 | x_t)` that a score implies: (n, tokens), (n,), (n,) -> (n, tokens)."""

    @abstractmethod
    def posterior(self, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        """`q(x_{t-1} | x_t = x, x0)` (equation 3): (n,), (n,), (n,) -> (n, V) float64."""

    @abstractmethod
    def log_reverse(self, log_c: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """`log p(x_{t-1} | x_t = x)` by the mixture: log_c = log p(x0 | x_t) (n, tokens), (n,), (n,) -> (n, V)."""

    @abstractmethod
    def nats(self, log_c: Tensor, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        """`L_{t-1} = KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t))`, and `L_0 = -log p(x0 | x_1)` at t = 1.

        (n, tokens), (n,), (n,), (n,) -> (n,). Differentiable in log_c.
        """

    def perturb(self, x0: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """A draw from `q(x_t | x0)`, made from one uniform a position: (B, L), (B,), (B, L) -> (B, L)."""
        # Looked up on the CPU: MPS has no float64.
        sigma = -self.survival[t.cpu()].log()
        return self.process.perturb(x0, sigma.to(u.device, u.dtype), u)


def make_chain(process: Process, noise: Discrete) -> Chain:
    if isinstance(process, Absorbing):
        return AbsorbingChain(process, noise)
    if isinstance(process, Uniform):
        return UniformChain(process, noise)
    raise TypeError(f"no D3PM of {process}")


@dataclass(frozen=True, eq=False)
class AbsorbingChain(Chain):
    """t/T of the tokens are MASK. A reverse step reveals each with chance 1/t; both mixtures are one."""

    process: Absorbing

    @cached_property
    def survival(self) -> Tensor:
        T = self.noise.steps
        return torch.arange(T, -1, -1, dtype=torch.float64, device="cpu") / T

    @property
    def prior_nats(self) -> float:
        return 0.0

    def sigma(self, t: Tensor) -> Tensor:
        return sigma_of_masked(self.noise, t.double() / self.noise.steps)

    def conditional(self, log_score: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return log_score.log_softmax(-1)

    def posterior(self, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        reveal = torch.where(x == self.process.mask_id, 1 / t.double(), 0.0)[:, None]
        law = torch.zeros(len(x), self.process.states, dtype=torch.float64, device=x.device)
        return law.scatter_add_(1, x[:, None], 1 - reveal).scatter_add_(1, x0[:, None], reveal)

    def log_reverse(self, log_c: Tensor, x: Tensor, t: Tensor) -> Tensor:
        reveal = (1 / t.to(log_c.dtype))[:, None]
        masked = self.process.with_mask(log_c + reveal.log(), torch.log1p(-reveal))
        stay = torch.full_like(masked, -torch.inf).scatter_(1, x[:, None], 0.0)
        return torch.where((x == self.process.mask_id)[:, None], masked, stay)

    def nats(self, log_c: Tensor, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        # Only the chance of revealing x0 rather than another token is the network's: the rest of the KL cancels.
        surprise = -log_c.gather(1, self.process.column_of(x0)[:, None]).squeeze(1)
        return torch.where(x == self.process.mask_id, surprise / t, 0.0)


@dataclass(frozen=True, eq=False)
class UniformChain(Chain):
    """A step turns a token to a uniform one with chance `1 - alpha_bar_t / alpha_bar_{t-1}`."""

    process: Uniform

    @cached_property
    def survival(self) -> Tensor:
        survival = torch.exp(-self.sigma(torch.arange(self.noise.steps + 1, device="cpu")))
        survival[0] = 1.0  # x_0 is the text itself: the first step includes the noise at t = 0
        return survival

    @property
    def prior_nats(self) -> float:
        return float(self.process.prior_nats(-self.survival[-1].log()))

    def sigma(self, t: Tensor) -> Tensor:
        return self.noise.total(t.double() / self.noise.steps)

    def conditional(self, log_score: Tensor, x: Tensor, t: Tensor) -> Tensor:
        sigma = self.sigma(t).to(log_score.device)
        weights = self.process.tweedie_weights(log_score[:, None], x[:, None], sigma, torch.zeros_like(sigma))
        weights = weights.squeeze(1).clamp(min=0)
        return (weights / weights.sum(1, keepdim=True)).log()

    def posterior(self, x: Tensor, x0: Tensor, t: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        # Each matrix of the process is symmetric: `step.row(x)` is q(x_t = x | x_{t-1}) as well.
        weights = self._step(t, dtype).row(x) * self._until(t - 1, dtype).row(x0)
        return weights / weights.sum(1, keepdim=True)

    def log_reverse(self, log_c: Tensor, x: Tensor, t: Tensor) -> Tensor:
        dtype, joint = log_c.dtype, self.noise.mixture == "joint"
        odds = log_c if joint else self._until(t, dtype).log_odds(log_c, x)
        law = self._step(t, dtype).row(x).log() + self._until(t - 1, dtype).log_smeared(odds)
        if joint:
            law = torch.where((t == 1)[:, None], log_c, law.log_softmax(1))
        return law

    def nats(self, log_c: Tensor, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        q = self.posterior(x, x0, t, log_c.dtype)
        # Where q is 0 the reverse may be too: 0 log 0 is 0.
        cross = torch.where(q > 0, q * self.log_reverse(log_c, x, t), 0.0)
        return (torch.xlogy(q, q) - cross).sum(1)

    def _until(self, t: Tensor, dtype: torch.dtype) -> "Mixing":
        """q(x_t | x_0)."""
        return Mixing.of(self.survival[t.cpu()], self.process.tokens, t.device, dtype)

    def _step(self, t: Tensor, dtype: torch.dtype) -> "Mixing":
        """q(x_t | x_{t-1})."""
        at = t.cpu()
        return Mixing.of(self.survival[at] / self.survival[at - 1], self.process.tokens, t.device, dtype)


class Mixing(NamedTuple):
    """Uniform noise on n tokens: each stays with chance `survival` (n,), else turns to each y with `turn` (n,)."""

    survival: Tensor
    turn: Tensor
    V: int

    @classmethod
    def of(cls, survival: Tensor, V: int, device: torch.device, dtype: torch.dtype) -> "Mixing":
        """From float64: in float32 `1 - survival` would lose most of a small step."""
        return cls(survival.to(device, dtype), ((1 - survival) / V).to(device, dtype), V)

    def row(self, x: Tensor) -> Tensor:
        """The chance that x becomes y, for every y: (n,) -> (n, V)."""
        return self.turn[:, None].expand(-1, self.V).scatter_add(1, x[:, None], self.survival[:, None])

    def log_odds(self, log_c: Tensor, x: Tensor) -> Tensor:
        """`log p(x0 | x_t = x) / q(x_t = x | x0)`: log_c = log p(x0 | x_t) (n, V), (n,) -> (n, V)."""
        return log_c - self.row(x).log()

    def log_smeared(self, log_odds: Tensor) -> Tensor:
        """`log sum_x0 q(y | x0) odds(x0)` for every y: (n, V) -> (n, V).

        Of the odds at the same noise that is the log score: `p_t(y) / p_t(x) = E[q(y | x0) / q(x | x0) | x_t = x]`.
        """
        total = log_odds.logsumexp(1, keepdim=True)
        return torch.logaddexp(log_odds + self.survival.log()[:, None], self.turn.log()[:, None] + total)
