"""Weights put into a network one tensor after the other, so that little is in memory beside what stays.

A tensor that changes is read from a mapping of its own, which ends before the next one is read. The largest come first:
what they take for a while, the small ones take for good.
"""

import ctypes
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.backbones.protocol import Backbone
from sedd_cli.models.piecewise import PiecewiseLinear
from sedd_cli.models.weights import Sources, Table

CHECKED = 1 << 18
"""Numbers that are looked at together."""


class Placing:
    """The tensors of a network by name, which are used up. `layers` take the place of linear ones, if given."""

    def __init__(self, tensors: Table, sources: Sources, layers: type[PiecewiseLinear] | None, folder: Path) -> None:
        self._tensors, self._sources, self._layers, self._folder = tensors, sources, layers, folder
        self._uses = Counter(map(id, tensors.values()))
        self._shared: dict[tuple[int, torch.dtype], Tensor] = {}

    def fill(self, backbone: Backbone) -> None:
        """Give a network on the meta device its weights. Raises `NotLoadableError` if one holds NaN or infinity."""
        layers = self._layers
        cuts = backbone.quantised_layers() if layers else {}
        given_as = {f"{path}.weight": layers.dtype for path in cuts} if layers else {}
        if layers and layers.dtype:
            given_as |= {name: layers.dtype for name, p in backbone.named_parameters() if p is backbone.embedding}
        sizes = {path: sum(p.numel() for p in m.parameters(recurse=False)) for path, m in backbone.named_modules()}
        # Of a head and an embedding of one size the head first, which needs more beside what stays.
        for path in sorted(sizes, key=lambda path: (-sizes[path], path not in cuts)):
            self._fill(backbone.get_submodule(path), path, given_as)
            if layers and path in cuts:
                layer = cast(nn.Linear, backbone.get_submodule(path))
                backbone.set_submodule(path, layers(layer, cuts[path]))
                del layer
                _return_freed_memory()

    def _fill(self, module: nn.Module, path: str, given_as: Mapping[str, torch.dtype | None]) -> None:
        """Give a module its own tensors, those of `given_as` in another dtype than it has."""
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            full = f"{path}.{name}" if path else name
            placed = self._placed(full, given_as.get(full, tensor.dtype))
            is_parameter = isinstance(tensor, nn.Parameter)
            setattr(module, name, nn.Parameter(placed, requires_grad=False) if is_parameter else placed)

    def _placed(self, name: str, dtype: torch.dtype | None) -> Tensor:
        """A tensor in a dtype; None: as it is, and not for long."""
        found = self._tensors.pop(name)
        if dtype is not None and (id(found), dtype) in self._shared:
            return self._shared[id(found), dtype]
        mapped = dtype == found.dtype and (self._layers is None or self._layers.keeps_mapped(found.dtype))
        tensor = found if mapped else self._sources.mapped_alone(found)
        if not _is_finite(tensor):
            raise NotLoadableError(
                f"the weights in {self._folder} hold NaN or infinity: {name}",
                "The training run diverged; take an earlier one.",
            )
        if dtype is None:
            return tensor
        if not mapped:
            tensor = tensor.to(dtype, copy=True)
        if self._uses[id(found)] > 1:
            self._shared[id(found), dtype] = tensor
        return tensor


def _is_finite(tensor: Tensor) -> bool:
    # isfinite() would copy a large tensor, and float() one of another dtype.
    parts = tensor.flatten().split(CHECKED)
    return all(bool(extreme.isfinite()) for part in parts for extreme in part.float().aminmax())


def _return_freed_memory() -> None:
    """Give what was needed for a while back to the system, where malloc (glibc's) would keep it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
