"""Real text to compare samples with: canvases of documents, laid out as a network writes them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.words import words_of


@dataclass(frozen=True)
class Reference:
    """`canvases` (N, L) int64 of real text, each beginning with another document; `name`: the file's name.

    `words`: in how many documents of the whole corpus each word stands (`text.words.words_of`).
    """

    name: str
    canvases: Tensor
    words: Mapping[str, int]


def read_reference(
    path: Path,
    tokenizer: Tokenizer,
    length: int,
    max_canvases: int,
    *,
    full_only: bool = False,
    text_key: str | None = None,
) -> Reference:
    """Put the first documents of a corpus, at most `max_canvases`, each on a canvas of `length` tokens.

    A longer document is cut. A shorter one is followed by an end-of-text token and the next document (the last by the
    first), as in training; with `full_only` it is left out instead. `text_key`: see `Corpus`.
    Raises `UsageError` if the corpus is shorter than a canvas, `NotLoadableError` if it cannot be read.
    """
    words: Counter[str] = Counter()
    texts = _counted_words(read_documents(path, text_key=text_key), words)
    canvases = _canvases(path, tokenizer, texts, length, max_canvases, full_only)
    # Documents of no canvas have words too.
    for _ in texts:
        pass
    return Reference(path.name, canvases, words)


def _canvases(
    path: Path, tokenizer: Tokenizer, texts: Iterable[str], length: int, max_canvases: int, full_only: bool
) -> Tensor:
    documents = (tokenizer.encode(text) for text in texts)
    if full_only:
        full = list(islice((ids[:length] for ids in documents if len(ids) >= length), max_canvases))
        if not full:
            raise UsageError(
                f"no document of {path} has {counted(length, 'token')}, which prompt and completion need",
                "Lower --length, or give longer documents.",
            )
        return torch.tensor(full, device="cpu")
    end = [] if tokenizer.end_of_text_id is None else [tokenizer.end_of_text_id]
    # The documents after the last canvas's own fill the rest of it.
    encoded = [ids + end for ids in _documents_needed(documents, max_canvases, length)]
    total = sum(map(len, encoded))
    if total < length:
        raise UsageError(
            f"{path} has {counted(total, 'token')}, fewer than one canvas of {length}",
            "Give more text, or a lower --length.",
        )
    stream = torch.tensor([token for ids in encoded for token in ids], device="cpu")
    starts = torch.tensor([0, *map(len, encoded)], device="cpu").cumsum(0)[: min(max_canvases, len(encoded))]
    return stream[(starts[:, None] + torch.arange(length, device="cpu")) % total]


def _counted_words(texts: Iterable[str], words: Counter[str]) -> Iterator[str]:
    for text in texts:
        words.update(set(words_of(text)))
        yield text


def _documents_needed(documents: Iterable[list[int]], max_canvases: int, length: int) -> Iterator[list[int]]:
    """The first `max_canvases` documents, and as many more as fill one canvas."""
    extra_tokens = 0
    for number, ids in enumerate(documents):
        if number >= max_canvases:
            if extra_tokens >= length:
                return
            extra_tokens += len(ids) + 1
        yield ids
