"""Real text to hold samples against: canvases of documents, as the network would have written them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sedd_cli.errors import UsageError
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Reference:
    """`canvases` (N, L) int64 of real text, each beginning with a document of its own; `name` is the file's."""

    name: str
    canvases: Tensor


def read_reference(path: Path, tokenizer: Tokenizer, length: int, most: int, *, full_only: bool = False) -> Reference:
    """The first documents of a corpus, at most so many, each at the beginning of a canvas of `length` tokens.

    A longer document is cut; after a shorter one comes an end-of-text token and the next, after the last the first,
    as in training. `full_only`: documents shorter than a canvas are left out instead.
    Raises `UsageError` if there is less than a canvas of text, `NotLoadableError` for what cannot be read.
    """
    documents = (tokenizer.encode(text) for text in read_documents(path))
    if full_only:
        found = list(islice((ids[:length] for ids in documents if len(ids) >= length), most))
        if not found:
            raise UsageError(
                f"no document of {path} has {length} tokens, as prompt and completion take",
                "Lower --length, or give longer documents.",
            )
        return Reference(path.name, torch.tensor(found))
    end = [] if tokenizer.end_of_text_id is None else [tokenizer.end_of_text_id]
    # What follows the last canvas's document fills it up.
    read = [ids + end for ids in _documents_needed(documents, most, length)]
    total = sum(map(len, read))
    if total < length:
        raise UsageError(
            f"{path} has {total} tokens, fewer than one canvas of {length}", "Give more text, or a lower --length."
        )
    stream = torch.tensor([token for ids in read for token in ids])
    starts = torch.tensor([0, *map(len, read)]).cumsum(0)[: min(most, len(read))]
    return Reference(path.name, stream[(starts[:, None] + torch.arange(length)) % total])


def _documents_needed(documents: Iterable[list[int]], most: int, length: int) -> Iterator[list[int]]:
    """So many documents, and those after them that a canvas more could hold."""
    after = 0
    for number, ids in enumerate(documents):
        if number >= most:
            if after >= length:
                return
            after += len(ids) + 1
        yield ids
