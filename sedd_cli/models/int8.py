"""Linear layers in int8 on a CPU: the one module that knows torch's quantised API.

A layer's outputs are `(q w_q^T) s_x s_w + b`. Weights are rounded once, each output's to 127 steps s_w either side of
0; inputs as they come, each row (a position of a canvas) by its own largest value, s_x. The integer product is exact,
so a row's result depends on nothing but that row: neither on the batch nor on which other positions are scored.

Why so. Of what torch has for this, measured with torch 2.13:
- `torch.ao.quantization` (`quantize_dynamic`) is deprecated, and takes one scale for all of a product's inputs: rows
  would depend on each other. Emulated on the first built-in checkpoint its seven bits cost 0.0050 +- 0.0017 nats a
  token, this way 0.0001 +- 0.0005 (as it runs, with other noise, 0.0009 +- 0.0004). Neither a head left in float32 nor
  asymmetric rounding of inputs (both -0.0002 +- 0.0005) made a difference that could be told.
- `torch._int_mm` lays the weights out anew at every call, and its int32 must be widened: up to twice the time.
- `torch.ops.onednn.qlinear_pointwise`, taken here, is what Inductor calls. Weights are laid out once. With *signed*
  inputs it has a fast kernel only where there is AMX (elsewhere the reference one, ten thousand times slower): so
  inputs are unsigned around 128. It has one scale for all inputs, so the rows' own are multiplied in afterwards.

A CPU without VNNI adds pairs of products in 16 bits, and saturates: what it computes is tried before it is used
(`has_exact_products`), and where it is wrong the same integers are multiplied in float32. That is right, not fast.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sedd_cli.models.piecewise import PiecewiseLinear

LARGEST = 127
"""Steps on either side of 0."""
ZERO = 128
"""The unsigned integer that stands for 0 in a layer's inputs."""
CHUNK = 1 << 18
"""Inputs of which float32 copies are held at once: new memory costs more than the arithmetic."""
TINY = 1e-30
"""Rows whose largest value is below this are 0."""


def steps_of(x: Tensor) -> Tensor:
    """The step of each row (..., K): (..., 1)."""
    largest = torch.maximum(x.amax(-1, keepdim=True), x.amin(-1, keepdim=True).neg_())
    return largest.clamp_(min=TINY).div_(LARGEST)


def codes_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (M, K) as whole numbers of steps around 128, uint8, and the step of each row (M, 1)."""
    step = steps_of(x)
    rows = max(1, CHUNK // x.shape[1])
    # Conversion cuts off what is behind the point: with the half, it rounds.
    parts = [(a / s).add_(ZERO + 0.5).to(torch.uint8) for a, s in zip(x.split(rows), step.split(rows), strict=True)]
    return torch.cat(parts), step


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (N, K) as whole numbers of steps, int8, and the step of each output (N, 1); a few at a time."""
    codes, scale = torch.empty_like(weight, dtype=torch.int8), weight.new_empty(len(weight), 1, dtype=torch.float32)
    rows = max(1, CHUNK // weight.shape[1])
    for out, step, part in zip(codes.split(rows), scale.split(rows), weight.split(rows), strict=True):
        exact = part.float()
        out.copy_((exact / step.copy_(steps_of(exact))).round_())
    return codes, scale


class Piece(nn.Module):
    """A range of a layer's outputs: weight (N, K) and bias (N,) or None."""

    scale: Tensor
    zero: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        codes, scale = _rounded(weight)
        self.exact = has_exact_products()
        packed = torch.ops.onednn.qlinear_prepack(codes, None) if self.exact else codes
        # Parameters, so that they are counted as such; integers cannot be trained.
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.clone(), requires_grad=False)
        self.register_buffer("scale", scale.squeeze(1))
        self.register_buffer("zero", torch.zeros(len(weight), dtype=torch.int32, device="cpu"))

    def forward(self, codes: Tensor, step: Tensor) -> Tensor:
        """Inputs (M, K) uint8 of steps (M, 1) -> (M, N) float32."""
        if self.exact:
            out = integer_product(codes, self.weight, self.scale, self.zero)
        else:
            out = F.linear(codes.float().sub_(ZERO), self.weight.float()).mul_(self.scale)
        # One operation after the other: fused ones may round by where in memory a value happens to lie.
        out.mul_(step)
        return out if self.bias is None else out.add_(self.bias)


class Int8Linear(PiecewiseLinear):
    """A linear layer in int8."""

    precision = "int8"
    piece = Piece

    @staticmethod
    def inputs(rows: Tensor) -> tuple[Tensor, Tensor]:
        return codes_of(rows)


def integer_product(codes: Tensor, packed: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """`(codes - 128) w^T`, each output in its scale: (M, K) uint8, packed (N, K) -> (M, N) float32."""
    out: Tensor = torch.ops.onednn.qlinear_pointwise(
        codes, 1.0, ZERO, packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


@cache
def has_exact_products() -> bool:
    """Whether torch has an int8 product that is right on this machine, tried on the largest values."""
    M, K, N = 16, 256, 64
    codes = torch.full((M, K), ZERO + LARGEST, dtype=torch.uint8, device="cpu")
    weight = torch.full((N, K), LARGEST, dtype=torch.int8, device="cpu")
    try:
        packed = torch.ops.onednn.qlinear_prepack(weight, None)
        out = integer_product(
            codes, packed, torch.ones(N, device="cpu"), torch.zeros(N, dtype=torch.int32, device="cpu")
        )
    except (AttributeError, RuntimeError):  # a torch without oneDNN, or with another signature
        return False
    return bool((out == K * LARGEST**2).all())
