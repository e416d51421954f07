"""How many canvases run in one batch on a CPU without changing a bit of any result.

Short canvases run faster together: their matrix products have too few rows to keep a core busy. But a library may
sum a product of many rows in another order than one of few, and a text must not depend on the rest of its batch. So
each batch size is measured once: a block and the head run on random features, together and one by one. Where a bit
differs, canvases run one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from sedd_cli.models.backbones.protocol import Backbone

STACK = 512
"""Positions that run together at most: products of more rows are no faster."""
SIZES = (8, 4, 2)
PAD = 16
"""On a CPU chosen positions are padded to a multiple of this: a matrix product of one row takes another path."""
HEAD_CHUNK = 64
"""Positions of which the vocabulary head's output is held at once."""

Head = Callable[[Tensor], Tensor]
"""Features (n, D) as log scores (n, tokens)."""


def padded(count: int, length: int) -> int:
    """Positions of a canvas at which the last block runs to score `count` of them."""
    return min(length, -(-count // PAD) * PAD)


class Stacking:
    """The batch sizes of one network that change no bit, measured when they are first needed."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._dim = backbone.embedding.shape[1]
        self._equal: dict[tuple[int, ...], bool] = {}

    def stacks(self, rows: Sequence[int], counts: Sequence[int], length: int, head: Head) -> Iterator[list[int]]:
        """Cut canvases, with `counts` positions for `head` to score, into batches that change no bit; in order."""
        widths = (padded(count, length) for count in counts)
        for width, group in groupby(zip(widths, rows, strict=True), key=lambda pair: pair[0]):
            pending = [row for _, row in group]
            while pending:
                size = self._size(len(pending), length, width, head)
                yield pending[:size]
                pending = pending[size:]

    def _size(self, count: int, length: int, width: int, head: Head) -> int:
        fitting = (size for size in SIZES if size <= count and size * length <= STACK)
        return next((size for size in fitting if self._allowed(size, length, width, head)), 1)

    def _allowed(self, size: int, length: int, width: int, head: Head) -> bool:
        threads = torch.get_num_threads()
        # Where there is time, rows have their own modulations, and those come from products of one row.
        # A pass over elements is cut into a piece a thread, and where one ends within a vector it rounds otherwise.
        if self._backbone.time_conditioned or length * self._dim % (32 * threads):
            return False
        if (threads,) not in self._equal:
            self._equal[threads,] = self._heads_equal(head)
        key = (threads, size, length, width)
        if self._equal[threads,] and key not in self._equal:
            self._equal[key] = self._blocks_equal(size, length, width)
        return self._equal[threads,] and self._equal[key]

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, self._dim, generator=torch.Generator().manual_seed(0), device="cpu")

    @torch.no_grad()
    def _blocks_equal(self, size: int, length: int, width: int) -> bool:
        canvases, at = self._random(size, length), torch.arange(width, device="cpu").expand(size, -1)

        def run(rows: slice) -> tuple[Tensor, Tensor]:
            backbone = self._backbone
            return backbone.block_output(canvases[rows], at[rows]), backbone.block_output(canvases[rows])

        separate = zip(*(run(slice(row, row + 1)) for row in range(size)), strict=True)
        return all(torch.equal(a, torch.cat(b)) for a, b in zip(run(slice(size)), separate, strict=True))

    @torch.no_grad()
    def _heads_equal(self, head: Head) -> bool:
        features = self._random(HEAD_CHUNK)
        separate = torch.cat([head(part) for part in features.split(PAD)])
        return all(torch.equal(head(features[:n]), separate[:n]) for n in range(2 * PAD, HEAD_CHUNK + 1, PAD))
