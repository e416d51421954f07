"""How many tokens a gap gets: as many as it had, as requested, or as the text around it suggests."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import ordered_nats
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import Gap, length_range
from sedd_cli.text.line_ends import newline_of
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, make_windows, size_gaps

NEIGHBOURS = 4
"""Kept tokens on either side of a gap whose likelihood decides between lengths."""
CANDIDATES = 12
"""Maximum number of lengths compared, evenly spaced."""


class Difference(NamedTuple):
    """How many nats more than at the best length, and the standard error of that."""

    nats: float
    standard_error: float


@dataclass(frozen=True)
class ChosenLength:
    """The length found for a gap; `nats` of the kept neighbours for each length compared.

    `differences` of the lengths up to that of the lowest nats, which are compared in more orders: `tokens` is the
    shortest of them that is as good as the best within the error. `calls`: network calls of the comparison.
    """

    gap: Gap
    tokens: int
    nats: dict[int, float]
    differences: dict[int, Difference]
    calls: int = 0


def choose_lengths(
    checkpoint: Checkpoint, document: str, gaps: Sequence[Gap], length: int, drawn: Collection[Gap] = ()
) -> tuple[list[SizedGap], list[ChosenLength]]:
    """Give every gap a number of tokens; choose the open ones one after another, but for those `drawn` later.

    A filling of more tokens is always less likely itself, so lengths are compared by the likelihood of the kept
    neighbours with so many MASKs between them, that is with the gap summed out; of lengths equal within the error the
    shortest is chosen. Empty gaps without a requested length are dropped. Raises `UsageError` if no neighbours are
    kept to compare by.
    """
    assert checkpoint.tokenizer is not None
    tokenizer = checkpoint.tokenizer.reading(newline_of(document))
    sized = size_gaps(tokenizer, document, gaps)
    lengths = [_lengths(gap, size.tokens, length) for gap, size in sized]
    sized_gaps = [
        replace(size, tokens=min(max(size.tokens, candidates[0]), candidates[-1]))
        for (_, size), candidates in zip(sized, lengths, strict=True)
    ]
    pending = [
        (i, candidates) for i, candidates in enumerate(lengths) if len(candidates) > 1 and sized[i][0] not in drawn
    ]
    chosen = []
    for i, candidates in pending:
        nats, differences = _compare(checkpoint, tokenizer, document, sized_gaps, i, candidates, length)
        shortest = next(n for n, difference in differences.items() if difference.nats <= difference.standard_error)
        sized_gaps[i] = replace(sized_gaps[i], tokens=shortest)
        chosen.append(ChosenLength(sized[i][0], shortest, nats, differences))
    return sized_gaps, chosen


def _lengths(gap: Gap, original: int, longest: int) -> list[int]:
    """Lengths to compare, ascending; a single one if the length is known."""
    low, high = length_range(gap.tokens, original)
    if low == high:
        return [low]
    # Leave room for the neighbours.
    high = min(high, longest - 2 * NEIGHBOURS)
    if high - low < CANDIDATES:
        return list(range(low, max(low, high) + 1))
    # Evenly by ratio: one token more or less matters to a short gap only.
    spread = torch.logspace(0, 1, CANDIDATES, base=high / low, dtype=torch.float64, device="cpu") * low
    return sorted({round(n) for n in spread.tolist()})


def _compare(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    document: str,
    gaps: Sequence[SizedGap],
    which: int,
    lengths: Sequence[int],
    canvas_length: int,
) -> tuple[dict[int, float], dict[int, Difference]]:
    """`-log p` of the kept tokens nearest to gap `which`, right and left in turn, for each candidate length.

    Also the differences from the best, for it and all shorter ones. With the true law of text `-log p` is the same in
    every order: its spread over orders, the same ones for every length, is the network's error.
    """
    process = checkpoint.process
    if not isinstance(process, Absorbing):
        raise UsageError("lengths cannot be compared with the uniform process", "Give one: --tokens 12.")
    canvases = {n: _neighbours(tokenizer, document, gaps, which, n, canvas_length) for n in lengths}
    # Only neighbours that every length leaves on the canvas are comparable.
    shared = min(len(order) for _, order in canvases.values())
    if not shared:
        raise UsageError("nothing is kept beside the gap that lengths could be compared by", "Give one: --tokens 12.")

    def nats_of(n: int, ranks: Tensor) -> float:
        canvas, order = canvases[n]
        x0 = torch.where(canvas.free, process.mask_id, canvas.ids)
        return float(
            ordered_nats(
                checkpoint.model, process, checkpoint.noise, x0, torch.tensor(order, device="cpu")[ranks]
            ).sum()
        )

    first, *others = _orders(shared)
    nats = {n: nats_of(n, first) for n in lengths}
    best = min(nats, key=lambda n: nats[n])
    shorter = [n for n in lengths if n <= best]
    if shorter == [best]:
        return nats, {best: Difference(0.0, 0.0)}
    each = torch.tensor(
        [[nats[n], *(nats_of(n, ranks) for ranks in others)] for n in shorter], dtype=torch.float64, device="cpu"
    )
    differences = each - each[each.mean(1).argmin()]
    errors = differences.std(1) / differences.shape[1] ** 0.5
    pairs = zip(differences.mean(1).tolist(), errors.tolist(), strict=True)
    return nats, {n: Difference(*pair) for n, pair in zip(shorter, pairs, strict=True)}


def _orders(count: int) -> list[Tensor]:
    """Orders of so many neighbours, ranked by nearness and right before left: from both sides, and backwards."""
    ranks = torch.arange(count, device="cpu")
    from_left = torch.where(ranks ^ 1 < count, ranks ^ 1, ranks)
    return [ranks, from_left, ranks.flip(0), from_left.flip(0)]


def _neighbours(
    tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], which: int, tokens: int, canvas_length: int
) -> tuple[Canvas, list[int]]:
    """The canvas if gap `which` had so many tokens, and the positions of its neighbours."""
    resized = [*gaps]
    resized[which] = replace(resized[which], tokens=tokens)
    windows = make_windows(tokenizer, document, resized, canvas_length)
    window = next(w for w in windows if w.first <= which < w.first + len(w.gap_positions))
    place, canvas = window.gap_positions[which - window.first], window.canvas
    after = [i for i in range(place.stop, place.stop + NEIGHBOURS) if i < len(canvas.ids) and not canvas.free[i]]
    before = [i for i in range(place.start - 1, place.start - 1 - NEIGHBOURS, -1) if i >= 0 and not canvas.free[i]]
    return canvas, [i for k in range(NEIGHBOURS) for side in (after, before) for i in side[k : k + 1]]
