"""Linear layers of a lower precision on a CPU, which take the place of float32 ones: what int8 and bfloat16 share.

A layer is kept in pieces, ranges of its outputs, since what a library has laid out for its products cannot be cut.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from sedd_cli.models.device import Precision


class PiecewiseLinear(nn.Module, ABC):
    """Made of a linear layer, whose weight may be of any floating dtype. `cuts`: where its `part` can begin and end."""

    precision: ClassVar[Precision]
    dtype: ClassVar[torch.dtype | None] = None
    """Of the weights that they are made of, and of the embedding beside them; None: whichever those have."""

    def __init__(self, linear: nn.Linear, cuts: Iterable[int] = ()) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.spans = list(pairwise(sorted({0, *cuts, linear.out_features})))
        self.pieces = nn.ModuleList(
            self.piece(linear.weight[begin:end], None if linear.bias is None else linear.bias[begin:end])
            for begin, end in self.spans
        )

    @staticmethod
    @abstractmethod
    def piece(weight: Tensor, bias: Tensor | None) -> nn.Module:
        """A range of the outputs, weight (N, K) and bias (N,): called with `inputs`, it returns (M, N) float32."""

    @staticmethod
    @abstractmethod
    def inputs(rows: Tensor) -> tuple[Tensor, ...]:
        """Rows (M, K) float32 as pieces read them."""

    @classmethod
    def keeps_mapped(cls, dtype: torch.dtype) -> bool:
        """Whether weights of this dtype are kept as views of the file that they are mapped from."""
        return False

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) float32 -> (..., N) float32."""
        return self.part(x, 0, self.spans[-1][1])

    def part(self, x: Tensor, begin: int, end: int) -> Tensor:
        """Its outputs `begin` to `end`, both cuts: (..., K) float32 -> (..., end - begin) float32."""
        requested = [span for span in self.spans if begin <= span[0] and span[1] <= end]
        if not requested or (requested[0][0], requested[-1][1]) != (begin, end):
            raise ValueError(f"outputs {begin} to {end} do not begin and end where the layer was cut: {self.spans}")
        inputs = self.inputs(x.flatten(0, -2))
        parts = [piece(*inputs) for span, piece in zip(self.spans, self.pieces, strict=True) if span in requested]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return out.view(*x.shape[:-1], end - begin)


def replaced_precision(network: nn.Module) -> Precision | None:
    """The precision of the layers that took the place of float32 ones; None if there are none."""
    return next((module.precision for module in network.modules() if isinstance(module, PiecewiseLinear)), None)
