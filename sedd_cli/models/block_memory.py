"""Keys and values of finished blocks, kept between the calls of a network that reads by blocks."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sedd_cli.models.backbones.attention import KeysValues, LayerMemory, Memory, Reach
from sedd_cli.models.backbones.protocol import Backbone

KEPT_ON_CPU, KEPT_ELSEWHERE = 2**30, 4 * 2**30
"""Bytes of keys and values that are kept at most; besides, those that the last call read are held once more."""


class BlockMemory:
    """Keys and values of a block depend on its tokens and on those before it alone, and are found by exactly these.

    A block that is not kept is computed by itself behind those that it sees: to the bit the same, whatever was kept.
    The least recently used are dropped beyond `limit` bytes. The network's weights must not change.
    """

    def __init__(self, backbone: Backbone, reach: Reach, limit: int | None = None) -> None:
        self._backbone, self._reach, self._limit = backbone, reach, limit
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._bytes = 0
        self._last: tuple[Sequence[bytes], Tensor | None] = (), None

    def before(self, ids: Tensor) -> Memory:
        """The memory of a pass that follows whole blocks of tokens, (B, P) int64 on the CPU."""
        keys = self._keys(ids)
        if keys and keys[-1] != self._last[0]:
            self._last = keys[-1], self._joined(len(keys), self._blocks(ids, keys))
        return self._memory(len(keys), self._last[1] if keys else None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes, self._last = 0, ((), None)

    def _keys(self, ids: Tensor) -> list[list[bytes]]:
        """By block and row: a digest of the tokens of the block and of those before it."""
        digests = [hashlib.sha256() for _ in ids]
        keys: list[list[bytes]] = []
        for block in ids.split(self._reach.size, 1) if ids.shape[1] else ():
            for digest, tokens in zip(digests, block, strict=True):
                digest.update(tokens.numpy().tobytes())
            keys.append([digest.digest() for digest in digests])
        return keys

    def _blocks(self, ids: Tensor, keys: Sequence[Sequence[bytes]]) -> dict[int, Tensor]:
        """Each block that one behind them sees: (B, layers, 2, size, G, E)."""
        found: dict[int, Tensor] = {}
        block = len(keys)
        least = self._reach.before(block).start
        while block > least:
            block -= 1
            entry = self._find(keys[block])
            if entry is None:
                least = self._reach.before(block).start
            else:
                found[block] = entry
        for block in range(least, len(keys)):
            if block not in found:
                found[block] = self._compute(ids, block, found)
                self._keep(keys[block], found[block])
        return found

    def _compute(self, ids: Tensor, block: int, found: Mapping[int, Tensor]) -> Tensor:
        memory = self._memory(block, self._joined(block, found))
        device = self._backbone.embedding.device
        x = ids[:, memory.start : memory.start + self._reach.size].to(device)
        # The last layer need give nothing but keys and values: it runs at one position.
        at = torch.zeros(len(x), 1, dtype=torch.long, device=device)
        self._backbone.features(x, torch.zeros(len(x), device=device), at, memory=memory)
        return torch.stack([torch.stack(layer.made, 1) for layer in memory.layers if layer.made], 1)

    def _joined(self, block: int, found: Mapping[int, Tensor]) -> Tensor | None:
        """What a block sees: (B, layers, 2, P, G, E); None before the first."""
        seen = [found[i] for i in self._reach.before(block)]
        return torch.cat(seen, 3) if seen else None

    def _memory(self, block: int, joined: Tensor | None) -> Memory:
        start = block * self._reach.size
        if joined is None:
            return Memory(start, [LayerMemory(None) for _ in self._backbone.blocks])
        return Memory(start, [LayerMemory(KeysValues(*layer.unbind(1))) for layer in joined.unbind(1)])

    def _find(self, keys: Sequence[bytes]) -> Tensor | None:
        rows = [self._kept.pop(key, None) for key in keys]
        for key, row in zip(keys, rows, strict=True):
            if row is not None:
                self._kept[key] = row
        whole = [row for row in rows if row is not None]
        if len(whole) < len(rows):
            return None
        return whole[0][None] if len(whole) == 1 else torch.stack(whole)

    def _keep(self, keys: Sequence[bytes], entry: Tensor) -> None:
        limit = self._limit or (KEPT_ON_CPU if entry.device.type == "cpu" else KEPT_ELSEWHERE)
        for key, row in zip(keys, entry, strict=True):
            if key not in self._kept:
                self._bytes += row.nbytes
            self._kept[key] = row
        while self._bytes > limit:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes
