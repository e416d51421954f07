"""A canvas: the kept tokens and the positions to write."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import Exclusion
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer
from sedd_cli.text.words import encode_ends


@dataclass(frozen=True)
class Canvas:
    """`ids` (L,) int64, 0 where `free` (L,) bool; `prompt` and `suffix` are the texts at its two ends.

    `forbidden` tokens are never written, `forbidden_at_space` ones not at `space_positions`: the token written
    there begins with the space that ends the text before it. (Vocabularies hold words with the space before them, so
    a network has hardly ever seen what follows a space token alone. This is known as token healing.)
    The tokens of each of `exclusions`, such as those that hold a line end, are not written at its positions.
    """

    ids: Tensor
    free: Tensor
    prompt: str = ""
    suffix: str = ""
    forbidden: tuple[int, ...] = ()
    space_positions: tuple[int, ...] = ()
    forbidden_at_space: tuple[int, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()

    def excluded_at(self, position: int) -> frozenset[int]:
        """Tokens that must not be written at a position."""
        return frozenset(self.forbidden).union(
            self.forbidden_at_space if position in self.space_positions else (),
            *(tokens for positions, tokens in self.exclusions if position in positions),
        )


def make_canvas(
    tokenizer: Tokenizer | None, length: int, prompt: str = "", suffix: str = "", opening: int | None = None
) -> Canvas:
    """Make a canvas of `length` tokens that begins with the prompt and ends with the suffix.

    `opening`: the token that it begins with where there is no prompt, of a network that cannot write the first.
    Raises `UsageError` if the two leave no room, or if text is given without a tokenizer.
    """
    if length < 1:
        raise UsageError(f"length must be at least 1, not {length}")
    if prompt or suffix:
        require_tokenizer(tokenizer, "it takes no prompt and no suffix")
    head, tail, absorbs_space = encode_ends(tokenizer, prompt, suffix) if tokenizer else ([], [], False)
    if opening is not None and not head:
        head = [opening]
    room = length - len(head) - len(tail)
    if room < 1:
        parts = " and ".join(
            f"a {name} of {counted(len(ids), 'token')}" for name, ids in (("prompt", head), ("suffix", tail)) if ids
        )
        raise UsageError(
            f"{parts} leave{'s' * (not (head and tail))} no room on a canvas of {length}",
            f"Shorten the text or raise --length (at least {len(head) + len(tail) + 1}).",
        )
    ids = torch.tensor([*head, *[0] * room, *tail], device="cpu")
    free = torch.zeros(length, dtype=torch.bool, device="cpu")
    free[len(head) : len(head) + room] = True
    forbidden: tuple[int, ...] = ()
    if suffix and tokenizer is not None:
        # The document continues between a prompt and a suffix, so the end-of-text token is excluded.
        forbidden = tokenizer.special_ids
    limits = ((len(head),), tokenizer.non_space_tokens) if absorbs_space and tokenizer else ()
    return Canvas(ids, free, prompt, suffix, forbidden, *limits)
