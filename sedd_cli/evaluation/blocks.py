"""Documents as the canvases on which likelihoods of data sets are measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from sedd_cli.errors import UsageError
from sedd_cli.evaluation.names import Remainder, Separator
from sedd_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Blocks:
    """Tokens of a data set, cut in blocks that do not overlap (the papers' `group_texts`).

    `groups`: tensors (N, L) of blocks, all of one length, but for a kept remainder of N = 1. `sizes` (V,): the bytes of
    each token; an end-of-text token counts as one, as the line break that ends a document in a file would. `dropped`:
    tokens left over. `there`: blocks that the data hold, of which these are the first.
    """

    groups: tuple[Tensor, ...]
    length: int
    documents: int
    dropped: int
    there: int
    sizes: Tensor

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups)

    @property
    def num_tokens(self) -> int:
        return sum(group.numel() for group in self.groups)

    @property
    def num_bytes(self) -> int:
        return sum(int(self.sizes[group].sum()) for group in self.groups)

    def same_tokens(self, other: "Blocks") -> bool:
        return len(self.groups) == len(other.groups) and all(map(torch.equal, self.groups, other.groups))

    def first(self, count: int) -> "Blocks":
        """The first `count` blocks alone."""
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
    """Tokenise each document, end it with `separator`, join all and cut every `length` tokens.

    Raises `UsageError` for documents that hold less than a block (unless the remainder is kept) or nothing at all, an
    unknown choice, and for a tokenizer without the separator.
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
    ids = torch.tensor([i for document in tokenizer.encode_batch(list(documents)) for i in (*document, *end)])
    whole = len(ids) // length * length
    groups = [ids[:whole].view(-1, length)] if whole else []
    if remainder == "keep" and whole < len(ids):
        groups.append(ids[whole:][None])
    if not groups:
        raise UsageError(
            f"the data hold {len(ids)} tokens, fewer than one block of {length}",
            "Give more text, or --remainder keep, or a shorter --length." if len(ids) else "There is nothing in them.",
        )
    dropped = len(ids) - sum(group.numel() for group in groups)
    there = sum(len(group) for group in groups)
    return Blocks(tuple(groups), length, len(documents), dropped, there, _sizes(tokenizer))


def _sizes(tokenizer: Tokenizer) -> Tensor:
    sizes = torch.tensor([len(tokenizer.bytes_of(i)) for i in range(tokenizer.size)])
    if tokenizer.end_of_text_id is not None:
        sizes[tokenizer.end_of_text_id] = 1
    return sizes
