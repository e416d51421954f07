"""A corpus as tokens in a memory-mapped file, and the canvases that training sees."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sedd_cli.atomic import AtomicFile
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.tokenizer import Tokenizer

BATCH = 512
"""Documents tokenised at once."""


def pack(documents: Iterable[str], tokenizer: Tokenizer, path: Path) -> None:
    """Write `path`.tokens (each document's, then end-of-text), `path`.ends and `path`.json; memory is bounded."""
    assert tokenizer.end_of_text_id is not None
    dtype = np.dtype(np.uint16 if tokenizer.size <= 1 << 16 else np.uint32)
    tokens, ends = AtomicFile(path.with_suffix(".tokens")), AtomicFile(path.with_suffix(".ends"))
    total = count = size = 0
    try:
        for batch in _batches(documents):
            for text, ids in zip(batch, tokenizer.encode_batch(batch), strict=True):
                total += len(ids) + 1
                count, size = count + 1, size + len(text.encode())
                tokens.write(np.array([*ids, tokenizer.end_of_text_id], dtype).tobytes())
                ends.write(np.int64(total).tobytes())
    except BaseException:
        tokens.discard()
        ends.discard()
        raise
    tokens.commit()
    ends.commit()
    summary = AtomicFile(path.with_suffix(".json"))
    summary.write(json.dumps({"dtype": dtype.name, "tokens": total, "documents": count, "bytes": size}).encode())
    summary.commit()


def document_tokens(path: Path) -> npt.NDArray[np.int64]:
    """(N,) tokens of each packed document, its end-of-text token included."""
    ends = np.fromfile(path.with_suffix(".ends"), np.int64)
    return np.concatenate([ends[:1], ends[1:] - ends[:-1]])


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(documents)
    while batch := list(islice(iterator, BATCH)):
        yield batch


class PackedCorpus:
    """PackedCorpus tokens read as canvases of `length`, each starting where a document starts.

    Where a document is longer than a canvas, canvases also start inside it, every `length` tokens, while at least
    half a canvas of it is left. A canvas runs on into the documents that follow, and the last into the first.
    Raises `UsageError` for a corpus shorter than a canvas, unless it may `wrap` around.
    """

    def __init__(self, path: Path, length: int, *, wrap: bool = False) -> None:
        summary = json.loads(path.with_suffix(".json").read_bytes())
        self.documents, self.bytes = int(summary["documents"]), int(summary["bytes"])
        if summary["tokens"] < length and not wrap:
            raise UsageError(
                f"the corpus {path.name} has {counted(summary['tokens'], 'token')}, fewer than one canvas of {length}",
                "Give more text, or a shorter canvas: --set model.length=64.",
            )
        self._tokens: npt.NDArray[np.uint32] = np.memmap(path.with_suffix(".tokens"), summary["dtype"], "r")
        self._starts = _starts(np.memmap(path.with_suffix(".ends"), np.int64, "r"), length)
        self.length = length
        self._cached: tuple[tuple[int, int], npt.NDArray[np.int64]] = ((-1, -1), np.zeros(0, np.int64))

    @property
    def tokens(self) -> int:
        return len(self._tokens)

    def __len__(self) -> int:
        """Canvases."""
        return len(self._starts)

    def canvases(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Canvases by number: (B,) -> (B, L) int64. The last runs on into the first document."""
        at = (self._starts[rows][:, None] + np.arange(self.length)) % len(self._tokens)
        return torch.from_numpy(self._tokens[at].astype(np.int64))

    def batch(self, seed: int, numbers: range) -> Tensor:
        """Canvases by their numbers in an endless shuffled sequence, every pass in a new order: (B, L)."""
        rows = [self._order(seed, number // len(self))[number % len(self)] for number in numbers]
        return self.canvases(np.array(rows))

    def first(self, size: int) -> Tensor:
        """The first `size` canvases, or as many as there are: (N, L)."""
        return self.canvases(np.arange(min(size, len(self))))

    def _order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        if self._cached[0] != (seed, epoch):
            random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
            self._cached = ((seed, epoch), random.permutation(len(self)))
        return self._cached[1]


def _starts(ends: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    begins = np.concatenate([[0], ends[:-1]])
    # A document of n tokens gives 1 + floor((n - length/2) / length) canvases, and at least one.
    counts = np.maximum(1, (ends - begins + length // 2) // length)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts: npt.NDArray[np.int64] = np.repeat(begins, counts) + offsets * length
    return starts
