"""The time grid of a sampler, and the survival of masked positions at each of its times."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sedd_cli.diffusion.schedules import Schedule, mask_probability
from sedd_cli.errors import UsageError

T_END = 1e-5
"""The sampling grid ends here; the denoising step takes what is left (SEDD, appendix C.2)."""

Method = Literal["tweedie", "euler"]


@dataclass(frozen=True)
class Grid:
    """`t[0] > ... > t[n]`, float64, with its total noise; n steps and then the denoising step at `t[n]`."""

    t: Tensor
    sigma: Tensor
    rate_dt: Tensor
    """(n,): noise rate at `t[k]` times the step's length."""

    @property
    def steps(self) -> int:
        return len(self.t) - 1

    def jump(self, step: int) -> Tensor:
        """Total noise removed by a step, 0-d; the last step (n) removes all."""
        return self.sigma[step] - self.sigma[step + 1] if step < self.steps else self.sigma[step]

    def reveal_chance(self, method: Method) -> Tensor:
        """(n,) float64: the chance that a masked position is revealed in each step, given that c is normalised.

        Tweedie: `1 - m(t_{k+1}) / m(t_k)`; Euler: `min(1, dt rate / (e^sigma - 1))` (RADD, 2406.03736,
        appendix D). The denoising step's is 1.
        """
        if method == "tweedie":
            # The same ratio times e^s above and below, without the cancellation of two m near each other.
            return torch.expm1(self.sigma[:-1] - self.sigma[1:]) / torch.expm1(self.sigma[:-1])
        return (self.rate_dt / torch.expm1(self.sigma[:-1])).clamp(max=1.0)

    def survival(self, method: Method) -> Tensor:
        """(n + 1,) float64: the share of the initially masked that is still masked at each time of the grid."""
        if method == "tweedie":
            m = mask_probability(self.sigma)
            return m / m[0]
        stay = 1 - self.reveal_chance(method)
        return torch.cat([torch.ones(1, dtype=torch.float64, device="cpu"), stay.cumprod(0)])


def make_grid(noise: Schedule, steps: int, *, masked_fraction: float = 1.0) -> Grid:
    """n equal steps in t from where `masked_fraction` of a canvas is masked (at most t = 1) down to `T_END`.

    Raises `UsageError` if steps < 1.
    """
    if steps < 1:
        raise UsageError(f"steps must be at least 1, not {steps}")
    start = 1.0
    if masked_fraction < 1:
        sigma = -torch.log1p(-torch.tensor(masked_fraction, dtype=torch.float64, device="cpu"))
        start = min(1.0, max(2 * T_END, float(noise.inverse(sigma))))
    t = torch.linspace(start, T_END, steps + 1, dtype=torch.float64, device="cpu")
    return Grid(t=t, sigma=noise.total(t), rate_dt=noise.rate(t[:-1]) * (start - T_END) / steps)
