"""Documents cut into the canvases on which the likelihood of a data set is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from sedd_cli.errors import UsageError
from sedd_cli.evaluation.names import Remainder, Separator
from sedd_cli.ranges import counted
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Blocks:
    """Tokens of a data set in blocks that do not overlap (the papers' `group_texts`).

    `groups`: tensors (N, L) of blocks of equal length, and one with N = 1 for a kept remainder. `sizes` (V,): bytes of
    each token; an end-of-text token counts as one, like the line break that ends a document in a file. `dropped`:
    number of tokens left over. `total`: number of blocks of the data, of which these are the first.
    """

    groups: tuple[Tensor, ...]
    length: int
    documents: int
    dropped: int
    total: int
    sizes: Tensor

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups)

    @property
    def num_tokens(self) -> int:
        return sum(group.numel() for group in self.groups)

    @property
    def num_bytes(self) -> int:
        return sum(int(self.sizes[group].sum()) for group in self.groups)

    def pieces(self, tokenizer: Tokenizer) -> list[str]:
        """The characters that each token of these blocks completes; an end-of-text token is its name."""
        ids = [token for group in self.groups for token in group.flatten().tolist()]
        texts = tokenizer.decode_each(ids)
        return [END_OF_TEXT if i == tokenizer.end_of_text_id else text for i, text in zip(ids, texts, strict=True)]

    def same_tokens(self, other: "Blocks") -> bool:
        return len(self.groups) == len(other.groups) and all(map(torch.equal, self.groups, other.groups))

    def first(self, count: int) -> "Blocks":
        """Returns the first `count` blocks."""
        groups, left = [], count
        for group in self.groups:
            groups.append(group[:left])
            left -= len(groups[-1])
        return replace(self, groups=tuple(group for group in groups if len(group)))


def make_blocks(
    documents: Sequence[str],
    tokenizer: Tokenizer,
    length: int,
    *,
    separator: Separator = "end-of-text",
    remainder: Remainder = "drop",
) -> Blocks:
    """Tokenise each document, append `separator`, concatenate all and cut every `length` tokens.

    Raises `UsageError` if the documents are empty or shorter than a block (unless the remainder is kept), for an
    unknown choice, and if the tokenizer lacks the separator.
    """
    for name, value, choices in (("separator", separator, Separator), ("remainder", remainder, Remainder)):
        if value not in get_args(choices):
            raise UsageError(f"unknown {name} {value!r}", f"Choose {' or '.join(get_args(choices))}.")
    if length < 1:
        raise UsageError(f"length must be at least 1, not {length}")
    end = []
    if separator == "end-of-text":
        if tokenizer.end_of_text_id is None:
            raise UsageError("this checkpoint's tokenizer has no end-of-text token", "Use --separator none.")
        end = [tokenizer.end_of_text_id]
    ids = torch.tensor(
        [i for document in tokenizer.encode_batch(list(documents)) for i in (*document, *end)], device="cpu"
    )
    full_length = len(ids) // length * length
    groups = [ids[:full_length].view(-1, length)] if full_length else []
    if remainder == "keep" and full_length < len(ids):
        groups.append(ids[full_length:][None])
    if not groups:
        raise UsageError(
            f"the data hold {counted(len(ids), 'token')}, fewer than one block of {length}",
            "Give more text, or --remainder keep, or a shorter --length."
            if len(ids)
            else "There is nothing to measure.",
        )
    dropped = len(ids) - sum(group.numel() for group in groups)
    total = sum(len(group) for group in groups)
    return Blocks(tuple(groups), length, len(documents), dropped, total, _token_bytes(tokenizer))


def _token_bytes(tokenizer: Tokenizer) -> Tensor:
    sizes = torch.tensor([len(tokenizer.bytes_of(i)) for i in range(tokenizer.size)], device="cpu")
    if tokenizer.end_of_text_id is not None:
        sizes[tokenizer.end_of_text_id] = 1
    return sizes
