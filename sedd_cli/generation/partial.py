"""Partial masking: a share of each gap's tokens is rewritten, the others stay as context.

The start is the text that stands, noised only in part, as SDEdit (2108.01073) does with pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import pseudo
from sedd_cli.diffusion.names import MaskedFirst
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.randomness import PARTIAL, uniforms
from sedd_cli.errors import UsageError
from sedd_cli.generation.request import ResolvedRequest
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.byte_level import is_text
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import Gap
from sedd_cli.text.line_ends import newline_of, read_as_lf, with_newlines
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, Window, size_gaps


def partial_masking(
    checkpoint: Checkpoint, request: ResolvedRequest, tokenizer: Tokenizer, document: str, gaps: Sequence[Gap]
) -> "PartialMasking":
    """The partial masking of a document, whose gaps have the tokens that stand there.

    Raises `UsageError` for a gap whose length is asked for, and for checkpoints that cannot do it.
    """
    strength = request.asked.strength
    sized = next((gap for gap in gaps if gap.tokens is not None), None)
    if sized is not None:
        raise UsageError(
            f"strength {strength:g} keeps tokens of the gap {sized.start}:{sized.end}, so its length is the text's",
            "Leave out --tokens and markers such as [[12]], or take strength 1.",
        )
    if checkpoint.blocks is not None:
        raise UsageError(
            "this checkpoint writes block by block: it cannot know what is kept behind a masked token",
            "Take strength 1, or a checkpoint that sees the whole canvas.",
        )
    if request.asked.by == "unlikely" and not isinstance(checkpoint.process, Absorbing):
        raise UsageError(
            f"{checkpoint.name} has no MASK to ask how likely a token is by", "Take by random, or an absorbing one."
        )
    sizes = [size for _, size in size_gaps(tokenizer, document, gaps)]
    return PartialMasking(checkpoint, tokenizer, document, sizes, strength, request.asked.by, request.seed)


def exact_newline(document: str, gaps: Sequence[Gap]) -> str:
    """The line end that gaps are read with where a part of them is kept.

    LF where a gap of a CRLF document has others too: what is kept comes back as it was only from tokens that hold it.
    """
    newline = newline_of(document)
    texts = (document[gap.start : gap.end] for gap in gaps)
    return newline if all(with_newlines(read_as_lf(text)[0], newline) == text for text in texts) else "\n"


@dataclass(frozen=True)
class PartialMasking:
    """Which tokens of the gaps are masked; `document` and `sized_gaps` as in `Infilling`.

    A share `strength` of each gap's tokens, rounded, and at least one above 0; those of one character go together. By
    `random` they differ from row to row; by `unlikely` they are those least likely given all other tokens, at the cost
    of one canvas through the network for each token of a gap (`diffusion.likelihood.pseudo`), once for all rows.
    """

    checkpoint: Checkpoint
    tokenizer: Tokenizer
    document: str
    sized_gaps: list[SizedGap]
    strength: float
    by: MaskedFirst
    seed: int
    _nats: dict[int, Tensor] = field(default_factory=dict, repr=False)
    """(L,) by a window's first gap: `-log p` of each token of its gaps given all others."""

    def canvas(self, window: Window, row: int) -> Canvas:
        """The canvas of a row of a window: its own tokens in the gaps, of which the masked ones are free."""
        ids = self._ids(window)
        first = self._order(window, row, ids)
        free = torch.zeros_like(window.canvas.free)
        for place in window.gap_positions:
            units = self._units(ids, place)
            left = max(1, round(self.strength * len(place))) if self.strength else 0
            for unit in sorted(units, key=lambda unit: min(first[i] for i in unit)):
                if left <= 0:
                    break
                free[unit.start : unit.stop] = True
                left -= len(unit)
        return replace(window.canvas, ids=ids, free=free)

    def _ids(self, window: Window) -> Tensor:
        """(L,): the canvas with the text that stands in its gaps."""
        ids = window.canvas.ids.clone()
        gaps = self.sized_gaps[window.first : window.first + len(window.gap_positions)]
        for gap, place in zip(gaps, window.gap_positions, strict=True):
            ids[place.start : place.stop] = torch.tensor(
                self.tokenizer.encode(self.document[gap.begin : gap.end]), device="cpu"
            )
        return ids

    def _order(self, window: Window, row: int, ids: Tensor) -> list[float]:
        """A number for each position: the lowest are masked first."""
        if self.by == "random":
            return list(uniforms(self.seed, row, PARTIAL, size=len(ids)).tolist())
        if window.first not in self._nats:
            process = self.checkpoint.process
            assert isinstance(process, Absorbing)
            positions = window.canvas.free.nonzero().squeeze(1)
            self._nats[window.first] = pseudo(self.checkpoint.model, process, self.checkpoint.noise, ids, positions)
        return list((-self._nats[window.first]).tolist())

    def _units(self, ids: Tensor, place: range) -> list[range]:
        """The positions of a gap, those of one character together."""
        begins, pending = [], b""
        for position in place:
            if is_text(pending):
                begins.append(position)
                pending = b""
            pending += self.tokenizer.bytes_of(int(ids[position]))
        return [range(*edges) for edges in pairwise([*begins, place.stop])]
