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

import ctypes
import sys
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sedd_cli.models.network import ScoreNetwork

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


class Piece(nn.Module):
    """A range of a layer's outputs: weight (N, K) and bias (N,) or None."""

    scale: Tensor
    zero: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        scale = steps_of(weight)
        codes = (weight / scale).round_().to(torch.int8)
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
            out = _product(codes, self.weight, self.scale, self.zero)
        else:
            out = F.linear(codes.float().sub_(ZERO), self.weight.float()).mul_(self.scale)
        # One operation after the other: fused ones may round by where in memory a value happens to lie.
        out.mul_(step)
        return out if self.bias is None else out.add_(self.bias)


class Int8Linear(nn.Module):
    """A linear layer in int8, made of a float32 one. `cuts`: where ranges of its outputs (`part`) can begin and end."""

    def __init__(self, linear: nn.Linear, cuts: Iterable[int] = ()) -> None:
        super().__init__()
        self.spans = list(pairwise(sorted({0, *cuts, linear.out_features})))
        self.pieces = nn.ModuleList(
            Piece(linear.weight[begin:end], None if linear.bias is None else linear.bias[begin:end])
            for begin, end in self.spans
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) float32 -> (..., N) float32."""
        return self.part(x, 0, self.spans[-1][1])

    def part(self, x: Tensor, begin: int, end: int) -> Tensor:
        """Its outputs `begin` to `end`, both cuts: (..., K) float32 -> (..., end - begin) float32."""
        requested = [span for span in self.spans if begin <= span[0] and span[1] <= end]
        if not requested or (requested[0][0], requested[-1][1]) != (begin, end):
            raise ValueError(f"outputs {begin} to {end} do not begin and end where the layer was cut: {self.spans}")
        rows = x.flatten(0, -2)
        codes, step = codes_of(rows)
        parts = [piece(codes, step) for span, piece in zip(self.spans, self.pieces, strict=True) if span in requested]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return out.view(*x.shape[:-1], end - begin)


def quantise(network: ScoreNetwork) -> None:
    """Turn the linear layers of the blocks and the vocabulary head to int8, in place, one after the other.

    Embedding, norms and what depends on sigma alone stay float32. Layers are cut where parts of their outputs are used.
    """
    backbone = network.backbone
    backbone.prepare_int8()
    for name, cuts in backbone.quantised_layers().items():
        layer = backbone.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        backbone.set_submodule(name, Int8Linear(layer, cuts))
    for parameter in filter(torch.is_floating_point, backbone.parameters()):
        # Weights are views of one mapped file, all of which is held as long as any of them is left.
        parameter.data = parameter.data.clone()
    _return_freed_memory()


def _return_freed_memory() -> None:
    """Give what the float32 layers held back to the system, where malloc (glibc's) would keep it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def is_quantised(network: nn.Module) -> bool:
    return any(isinstance(module, Int8Linear) for module in network.modules())


def _product(codes: Tensor, packed: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
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
        out = _product(codes, packed, torch.ones(N, device="cpu"), torch.zeros(N, dtype=torch.int32, device="cpu"))
    except (AttributeError, RuntimeError):  # a torch without oneDNN, or with another signature
        return False
    return bool((out == K * LARGEST**2).all())
