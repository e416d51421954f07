"""Noise schedules: total noise `sigma_bar(t)`, its rate and its inverse, for t in [0, 1].

Every method keeps the dtype and the shape that it gets. SEDD (arXiv 2310.16834) section 5 and appendix C.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


class Schedule(ABC):
    """A noise schedule of the forward process `dp_t/dt = sigma(t) Q p_t`."""

    @abstractmethod
    def total(self, t: Tensor) -> Tensor:
        """Total noise `sigma_bar(t) = integral of sigma over [0, t]` (plus `sigma_bar(0)`)."""

    @abstractmethod
    def rate(self, t: Tensor) -> Tensor:
        """Noise rate `sigma(t) = d sigma_bar / dt`."""

    @abstractmethod
    def inverse(self, sigma: Tensor) -> Tensor:
        """The t at which the total noise is `sigma`; outside [0, 1] where no such t is in it."""


def mask_probability(sigma: Tensor) -> Tensor:
    """`m = 1 - exp(-sigma)`: how likely the absorbing process has masked a token at total noise sigma."""
    return -torch.expm1(-sigma)


def sigma_of_masked(noise: Schedule, fraction: Tensor) -> Tensor:
    """What a time-conditioned network is fed when this fraction is masked: `min(-log(1 - m), sigma_bar(1))`."""
    return torch.minimum(-torch.log1p(-fraction), noise.total(torch.ones_like(fraction)))


def time_of(noise: Schedule, sigma: Tensor) -> float:
    """The time at which the total noise is `sigma` (0-d); 0 or 1 for what is below or above all of a schedule's."""
    return min(1.0, max(0.0, float(noise.inverse(sigma))))


@dataclass(frozen=True)
class LogLinear(Schedule):
    """`sigma_bar(t) = -log(1 - (1 - eps) t)`: the masked fraction grows linearly to `1 - eps`."""

    eps: float = 1e-3

    def total(self, t: Tensor) -> Tensor:
        return -torch.log1p(-(1 - self.eps) * t)

    def rate(self, t: Tensor) -> Tensor:
        return (1 - self.eps) / (1 - (1 - self.eps) * t)

    def inverse(self, sigma: Tensor) -> Tensor:
        return mask_probability(sigma) / (1 - self.eps)


@dataclass(frozen=True)
class Geometric(Schedule):
    """`sigma_bar(t) = sigma_min^(1 - t) sigma_max^t`; the noise at t = 0 is sigma_min, not zero."""

    sigma_min: float = 1e-3
    sigma_max: float = 1.0

    @property
    def _log_ratio(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def total(self, t: Tensor) -> Tensor:
        return self.sigma_min * torch.exp(t * self._log_ratio)

    def rate(self, t: Tensor) -> Tensor:
        return self.total(t) * self._log_ratio

    def inverse(self, sigma: Tensor) -> Tensor:
        return torch.log(sigma / self.sigma_min) / self._log_ratio


@dataclass(frozen=True)
class Cosine(Schedule):
    """`sigma_bar(t) = -log(eps + (1 - eps) cos(pi t / 2))`: few tokens are masked early, most late."""

    eps: float = 1e-3

    def total(self, t: Tensor) -> Tensor:
        # 1 - cos a = 2 sin^2(a/2): near t = 0 the difference itself would lose every digit.
        return -torch.log1p(-2 * (1 - self.eps) * torch.sin(math.pi / 4 * t) ** 2)

    def rate(self, t: Tensor) -> Tensor:
        a = math.pi / 2
        return (1 - self.eps) * a * torch.sin(a * t) / (self.eps + (1 - self.eps) * torch.cos(a * t))

    def inverse(self, sigma: Tensor) -> Tensor:
        return 4 / math.pi * torch.asin(torch.sqrt(mask_probability(sigma) / (2 * (1 - self.eps))))


Mixture = Literal["posterior", "joint"]


@dataclass(frozen=True)
class Discrete(Schedule):
    """The schedule of a D3PM (2107.03006): `continuous`, of which the chain takes the times t/T, T = `steps`.

    Between them it is the continuous one, so that whatever reads a score can read the network of a D3PM too. `mixture`
    says how that network's `p(x0 | x_t)` makes a reverse step (see `diffusion.d3pm`).
    """

    continuous: Schedule
    steps: int
    mixture: Mixture = "posterior"

    def total(self, t: Tensor) -> Tensor:
        return self.continuous.total(t)

    def rate(self, t: Tensor) -> Tensor:
        return self.continuous.rate(t)

    def inverse(self, sigma: Tensor) -> Tensor:
        return self.continuous.inverse(sigma)
