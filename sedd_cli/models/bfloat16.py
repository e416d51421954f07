"""Linear layers in bfloat16 on a CPU: half of float32's memory.

Where the CPU's products of bfloat16 are faster than those of float32, weights are laid out once for them, and inputs
and outputs are rounded; sums are not. A head that is also the embedding is then held twice. Elsewhere weights are
widened to float32, a part at a time, and multiplied there: nothing but the weights is rounded, and of weights that were
published in bfloat16 nothing is. Which is faster does not follow from AVX512-BF16: milliseconds of a product of 256
rows, 4864 and 896 features, torch 2.13,

                           bfloat16  widened  float32
    Intel, no AMX, 2 threads   13.4      9.0      8.3
    AMD, 1 thread              10.7     26.4     24.1
"""

from functools import cache

import torch
from torch import Tensor, nn

from sedd_cli.models.backbones.layers import sliced_product
from sedd_cli.models.piecewise import PiecewiseLinear

WIDENED = 7 * 2**20
"""Weights of which float32 copies are held at once: as many bytes as malloc keeps for the next call."""


class Widened(nn.Module):
    """A range of a layer's outputs, multiplied in float32."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.bfloat16(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(M, K) float32 -> (M, N) float32."""
        N, K = self.weight.shape
        rows = max(1, WIDENED // K)
        weights = self.weight.split(rows)
        biases = [None] * len(weights) if self.bias is None else self.bias.split(rows)
        parts = [sliced_product(x, w.float(), b, N) for w, b in zip(weights, biases, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class Packed(nn.Module):
    """A range of a layer's outputs, multiplied in bfloat16 and summed in float32."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16().contiguous(), None)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(M, K) bfloat16 -> (M, N) float32."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "").float()
        return out if self.bias is None else out.add_(self.bias)


class WidenedLinear(PiecewiseLinear):
    """A linear layer of weights in bfloat16, multiplied in float32."""

    precision = "bfloat16"
    dtype = torch.bfloat16
    piece = Widened

    @staticmethod
    def inputs(rows: Tensor) -> tuple[Tensor]:
        return (rows,)

    @classmethod
    def keeps_mapped(cls, dtype: torch.dtype) -> bool:
        return dtype == cls.dtype


class PackedLinear(PiecewiseLinear):
    """A linear layer in bfloat16."""

    precision = "bfloat16"
    dtype = torch.bfloat16
    piece = Packed

    @staticmethod
    def inputs(rows: Tensor) -> tuple[Tensor]:
        return (rows.bfloat16(),)


def bfloat16_layers() -> type[PiecewiseLinear]:
    """The kind that is faster on this CPU."""
    return PackedLinear if has_fast_products() else WidenedLinear


@cache
def has_fast_products() -> bool:
    """Whether this CPU has products of bfloat16 that are faster than those of float32: AMX, or AMD's AVX512-BF16.

    By what the CPU is, not by a measurement, which could differ from one run to the next, and the texts with it.
    """
    try:
        if torch.cpu._is_amx_tile_supported():
            return True
        features = torch.cpu.get_capabilities()
    except AttributeError:  # a torch that does not know
        return False
    return bool(features.get("avx512_bf16")) and str(features.get("cpu_name")).startswith("AMD")
