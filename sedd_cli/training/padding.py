"""Canvases with elastic gaps, from which a network learns how long a gap is.

An elastic gap is n slots and one PAD that closes it: words fill the first l slots, PAD the rest. n, a length l uniform
on 0 ... n, and the amount and place of the context are all drawn without regard to the text and to l, which makes this
the prior: `c(PAD)` at slot i of a gap that is all MASK is learnt as P(l < i | context) with l uniform at first. The
closing PAD is always visible; a canvas without any is read as by a network without PAD (`ScoreNetwork`).

Which positions may be masked is drawn without regard to them too. So the optimum is the conditional given what is
visible, whatever the shares and weights are that this module chooses.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sedd_cli.training.objectives import NoiseDraws
from sedd_cli.training.padding_sizes import SHARES, SHORTEST, SIZES

ROOM, MOST = 40, 6
"""One gap at most for so many positions of a canvas (but one always), and so many on a canvas."""

INSIDE = 0.85
"""Share of canvases of which only gaps are masked, as when they are filled; of the others it is any positions."""

ALL_SLOTS, FIRST_SLOTS = 0.7, 0.1
"""Shares of gaps of which every slot may be masked, or the first m, m uniform in 1 ... n; of the others the last m may.
Those are the states of a gap that is filled: nothing is written, its length is known, its first words are."""

ALL_MASKED = 0.8
"""Share of canvases, of those of which only gaps are masked, where all that may be masked is; of the others it is a
random number of positions."""

DRAWS = 5 + 5 * MOST
"""Uniforms for each canvas."""

NEVER = 2.0
"""The uniform of a position that is never noised."""


@dataclass(frozen=True)
class ElasticGap:
    """A gap after `place` tokens of context: `words` of its `slots` hold text. Slots from `first` to `last`, which is
    not one of them, may be masked."""

    slots: int
    words: int
    place: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """Positions with the PAD that closes it."""
        return self.slots + 1


@dataclass(frozen=True)
class Layout:
    """The gaps of a canvas of `length` in the order of their places, and the first token of its text."""

    length: int
    gaps: tuple[ElasticGap, ...]
    offset: int

    @property
    def context(self) -> int:
        """Tokens outside the gaps, which do not depend on the gaps' words."""
        return self.length - sum(gap.size for gap in self.gaps)


def draw_layout(length: int, room: int, u: Tensor) -> Layout:
    """Gaps for a canvas of `length` cut out of a text of `room` tokens, from uniforms (DRAWS - 3,)."""
    values = iter(u.tolist())
    number = 1 + int(next(values) * max(1, min(MOST, length // ROOM)))
    offset = int(next(values) * (room - length + 1))
    sizes = [_size(next(values), (length - 1) // number) for _ in range(number)]
    context = length - sum(sizes) - number
    gaps = []
    for n in sizes:
        words, place = int(next(values) * (n + 1)), int(next(values) * (context + 1))
        which, m = next(values), 1 + int(next(values) * n)
        first = n - m if which >= ALL_SLOTS + FIRST_SLOTS else 0
        last = m if ALL_SLOTS <= which < ALL_SLOTS + FIRST_SLOTS else n
        gaps.append(ElasticGap(n, words, place, first, last))
    return Layout(length, tuple(sorted(gaps, key=lambda gap: gap.place)), offset)


def _size(u: float, most: int) -> int:
    """Slots of a gap that fills `most` positions at most with its PAD; small ones more often, since more gaps fit."""
    fitting = [n for n, times in zip(SIZES, SHARES, strict=True) for _ in range(times) if n < most]
    return fitting[int(u * len(fitting))]


def lay_out(layout: Layout, tokens: Tensor, pad_id: int) -> tuple[Tensor, list[int]]:
    """The canvas (L,) of a text (at least L - 1 tokens after the layout's first one), and where its gaps begin."""
    canvas = torch.full((layout.length,), pad_id, dtype=tokens.dtype, device=tokens.device)
    begins, at, read, context = list[int](), 0, layout.offset, 0
    for gap in (*layout.gaps, None):
        # The context before the gap and the gap's words follow each other in the text.
        before = (layout.context if gap is None else gap.place) - context
        count = before + (0 if gap is None else gap.words)
        canvas[at : at + count] = tokens[read : read + count]
        read, context = read + count, context + before
        if gap is not None:
            begins.append(at + before)
            at += before + gap.size
    return canvas, begins


def pad_some(x0: Tensor, draws: NoiseDraws, u: Tensor, share: float, pad_id: int) -> tuple[Tensor, NoiseDraws]:
    """Make canvases with elastic gaps of a share of those of a step: texts (B, L'), uniforms (B, DRAWS).

    Canvases have the length L <= L' of the draws: the others are the first L tokens of their texts. Returns canvases
    (B, L) and their draws, in which positions that stay visible are never noised.
    """
    texts, x0 = x0, x0[:, : draws.uniforms.shape[1]].clone()
    times, uniforms = draws.times.clone(), draws.uniforms.clone()
    length = x0.shape[1]
    for row, (chance, inside, all_masked) in enumerate(u[:, :3].tolist()):
        if chance >= share or length < SHORTEST:
            continue
        layout = draw_layout(length, texts.shape[1], u[row, 3:])
        x0[row], begins = lay_out(layout, texts[row], pad_id)
        may = torch.full((length,), inside >= INSIDE, device=x0.device)
        for gap, begin in zip(layout.gaps, begins, strict=True):
            may[begin + gap.first : begin + gap.last] = True
            may[begin + gap.slots] = False
        uniforms[row, ~may] = NEVER
        if inside < INSIDE and all_masked < ALL_MASKED:
            times[row] = 1.0
    return x0, replace(draws, times=times, uniforms=uniforms)
