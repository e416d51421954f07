"""Attention of all backbones: what a position sees, and keys and values of positions that a pass does not read again.

Shapes: B canvases, L positions of which K are queried, P before them, H heads of E features, G of keys and values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Attention = Literal["full", "causal"]
"""`causal`: positions see themselves and those before them only. `full`: all that the network was trained to see."""
Seen = Attention | Tensor
"""The same of a pass, or a mask (L, L) bool: whether a position (row) sees another one (column)."""


@dataclass(frozen=True)
class Reach:
    """Attention by blocks of `size` positions: one sees its own block and those before it, `count` blocks in all."""

    size: int
    count: int

    @classmethod
    def of(cls, size: int | None, length: int) -> "Reach | None":
        """Block-causal within the trained length; None for a network that sees the whole canvas."""
        return None if size is None else cls(size, max(1, length // size))

    def before(self, block: int) -> range:
        """The earlier blocks that a block sees."""
        return range(max(0, block + 1 - self.count), block)

    def mask(self, length: int, device: torch.device) -> Seen:
        """What positions 0 ... length - 1 see."""
        if length <= self.size:
            return "full"
        block = torch.arange(length, device=device) // self.size
        distance = block[:, None] - block
        return (distance >= 0) & (distance < self.count)


class KeysValues(NamedTuple):
    """Of one layer, (B, P, G, E) each; keys are turned by their positions."""

    keys: Tensor
    values: Tensor


@dataclass
class LayerMemory:
    """Keys and values `before` the positions of a pass (None: there are none), and those that the pass has `made`."""

    before: KeysValues | None
    made: KeysValues | None = None

    def join(self, keys: Tensor, values: Tensor) -> KeysValues:
        """Take in the keys and values of a pass; returns them behind those before it."""
        self.made = KeysValues(keys, values)
        if self.before is None:
            return self.made
        return KeysValues(torch.cat([self.before.keys, keys], 1), torch.cat([self.before.values, values], 1))


@dataclass(frozen=True)
class Memory:
    """Of a pass over positions from `start` on, which see all that the `layers` hold and each other."""

    start: int
    layers: Sequence[LayerMemory]


def attend(queries: Tensor, keys: Tensor, values: Tensor, seen: Seen, at: Tensor | None = None) -> Tensor:
    """(B, K, H, E), (B, L, G, E) twice -> heads side by side (B, K, H E). Queries are at `at` (B, K) (None: all)."""
    q, k, v = (heads.transpose(1, 2) for heads in (queries, keys, values))
    if (groups := q.shape[1] // k.shape[1]) > 1:
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    mask = None if not isinstance(seen, Tensor) else seen if at is None else seen[at][:, None]
    return _attended(q, k, v, mask, causal=seen == "causal").transpose(1, 2).flatten(2)


def _attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """Heads (B, H, K, E) and (B, H, L, E) -> (B, H, K, E).

    Training on a CPU in half precision has attention in float32: torch's backward pass takes half as long with it.
    """
    if not (torch.is_grad_enabled() and torch.is_autocast_enabled("cpu") and q.device.type == "cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        exact = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask, is_causal=causal)
    return exact.to(q.dtype)
