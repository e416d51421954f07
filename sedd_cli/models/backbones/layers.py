"""Layers that backbones share: linear ones computed in part, rotary positions, chosen positions.

Shapes: B canvases of L tokens, D features, H heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sedd_cli.models.config import RopeScaling


class Linear(nn.Linear):
    """A linear layer that can compute a range of its outputs alone (as `PiecewiseLinear`, which may replace it)."""

    def part(self, x: Tensor, begin: int, end: int) -> Tensor:
        """Outputs `begin` to `end`: (..., K) -> (..., end - begin)."""
        return F.linear(x, self.weight[begin:end], None if self.bias is None else self.bias[begin:end])


def sliced_product(x: Tensor, weight: Tensor, bias: Tensor | None, width: int) -> Tensor:
    """`x w^T + b` of (M, K) and (N, K), summed over slices of `width` features.

    Two threads share a product's inner dimension where that is the longest, if there are few rows: the result of a row
    then depends on the number of rows. In slices as wide as the output it does not, in the same time.
    """
    first, *others = zip(x.split(width, 1), weight.split(width, 1), strict=True)
    out = first[0] @ first[1].t() if bias is None else torch.addmm(bias, first[0], first[1].t())
    for part, columns in others:
        out.addmm_(part, columns.t())
    return out


class Narrowing(nn.Linear):
    """A linear layer onto fewer features than it reads, in slices as wide as its output."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        width = self.out_features
        return sliced_product(x.flatten(0, -2), self.weight, self.bias, width).view(*x.shape[:-1], width)


def inverse_frequencies(head_dim: int, base: float = 10_000, scaling: RopeScaling | None = None) -> Tensor:
    """Radians a position of each pair of features, (D/H/2,). With `scaling` as Llama 3.1: divided by the factor where
    the wave is long for the original context, unchanged where it is short, interpolated between."""
    # On the CPU even where a network is laid out on the meta device: arithmetic there imports torch's compiler (1 s).
    plain = 1.0 / base ** (torch.arange(0, head_dim, 2, device="cpu").float() / head_dim)
    if scaling is None:
        return plain
    waves = scaling.original_max_position_embeddings / (2 * math.pi / plain)
    kept = ((waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)).clamp(0, 1)
    return (1 - kept) * plain / scaling.factor + kept * plain


class Rotary(nn.Module):
    """Rotary position embedding, halves rotated against each other (arXiv 2104.09864)."""

    inv_freq: Tensor

    def __init__(self, head_dim: int, base: float = 10_000, scaling: RopeScaling | None = None) -> None:
        super().__init__()
        self.register_buffer("inv_freq", inverse_frequencies(head_dim, base, scaling))

    def angles(self, length: int, start: int = 0) -> tuple[Tensor, Tensor]:
        """(cos, sin) for `length` positions from `start` on: (L, 1, D/H/2) each."""
        position = torch.arange(start, start + length, device=self.inv_freq.device)
        angle = position.float()[:, None] * self.inv_freq.float()
        return angle.cos()[:, None], angle.sin()[:, None]


def rotate_(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn (B, L, ..., H, D/H) in place by the angles of its positions, broadcast against (B, L, ..., 1, D/H/2)."""
    cos, sin = (a.to(x.dtype) for a in angles)
    a, b = x.chunk(2, dim=-1)
    before = a.clone()
    a.mul_(cos).addcmul_(b, sin, value=-1)
    b.mul_(cos).addcmul_(before, sin)
    return x


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """As `rotate_`, into a new tensor, with a gradient."""
    cos, sin = (a.to(x.dtype) for a in angles)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def gather_positions(x: Tensor, at: Tensor) -> Tensor:
    """x (B, L, D) at the positions `at` (B, K): (B, K, D)."""
    return x.gather(1, at.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
