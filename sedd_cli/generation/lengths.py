"""How many tokens a gap gets: as many as it had, as requested, or as the text around it suggests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from sedd_cli.diffusion.likelihood import in_order
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import DEFAULT_RANGE, Gap
from sedd_cli.text.windows import SizedGap, absorbs_space, make_windows, original_tokens

NEIGHBOURS = 4
"""Kept tokens on either side of a gap whose likelihood decides between lengths."""
CANDIDATES = 12
"""Maximum number of lengths compared, evenly spaced."""


@dataclass(frozen=True)
class ChosenLength:
    """The length found for a gap; `nats` of the kept neighbours for each length compared (the lowest won)."""

    gap: Gap
    tokens: int
    nats: dict[int, float]


def choose_lengths(
    checkpoint: Checkpoint, document: str, gaps: Sequence[Gap], length: int
) -> tuple[list[SizedGap], list[ChosenLength]]:
    """Give every gap a number of tokens; choose the open ones one after another.

    A filling of more tokens is always less likely itself, so lengths are compared by the likelihood of the kept
    neighbours with so many MASKs between them, that is with the gap summed out. Empty gaps without a requested length
    are dropped. Raises `UsageError` if no neighbours are kept to compare by.
    """
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    gaps = [gap for gap in gaps if gap.start < gap.end or gap.tokens is not None]
    ends = [0, *(gap.end for gap in gaps)][: len(gaps)]
    absorbs = [absorbs_space(tokenizer, document, gap, after) for gap, after in zip(gaps, ends, strict=True)]
    original_counts = [original_tokens(tokenizer, document, gap, after) for gap, after in zip(gaps, ends, strict=True)]
    lengths = [_lengths(gap, count, length) for gap, count in zip(gaps, original_counts, strict=True)]
    sized_gaps = [
        SizedGap(gap.start, gap.end, min(max(count, candidates[0]), candidates[-1]), absorbed)
        for gap, absorbed, count, candidates in zip(gaps, absorbs, original_counts, lengths, strict=True)
    ]
    pending = [(i, candidates) for i, candidates in enumerate(lengths) if len(candidates) > 1]
    chosen = []
    for i, candidates in pending:
        nats = _compare(checkpoint, document, sized_gaps, i, candidates, length)
        best = min(nats, key=lambda n: nats[n])
        sized_gaps[i] = replace(sized_gaps[i], tokens=best)
        chosen.append(ChosenLength(gaps[i], best, nats))
    return sized_gaps, chosen


def _lengths(gap: Gap, original: int, longest: int) -> list[int]:
    """Lengths to compare, ascending; a single one if the length is known."""
    if gap.tokens is None:
        return [original]
    if isinstance(gap.tokens, int):
        return [gap.tokens]
    if gap.tokens == "auto":
        low, high = (max(1, original // 2), 2 * original) if original else DEFAULT_RANGE
    else:
        low, high = gap.tokens
    # Leave room for the neighbours.
    high = min(high, longest - 2 * NEIGHBOURS)
    if high - low < CANDIDATES:
        return list(range(low, max(low, high) + 1))
    # Evenly by ratio: one token more or less matters to a short gap only.
    spread = torch.logspace(0, 1, CANDIDATES, base=high / low, dtype=torch.float64) * low
    return sorted({round(n) for n in spread.tolist()})


def _compare(
    checkpoint: Checkpoint,
    document: str,
    gaps: Sequence[SizedGap],
    which: int,
    lengths: Sequence[int],
    canvas_length: int,
) -> dict[int, float]:
    """`-log p` of the kept tokens nearest to gap `which`, right and left in turn, for each candidate length."""
    process = checkpoint.process
    if not isinstance(process, Absorbing):
        raise UsageError("lengths cannot be compared with the uniform process", "Give one: --tokens 12.")
    canvases = {n: _neighbours(checkpoint, document, gaps, which, n, canvas_length) for n in lengths}
    # Only neighbours that every length leaves on the canvas are comparable.
    shared = min(len(order) for _, order in canvases.values())
    if not shared:
        raise UsageError("nothing is kept beside the gap that lengths could be compared by", "Give one: --tokens 12.")
    nats = {}
    for n, (canvas, order) in canvases.items():
        x0 = torch.where(canvas.free, process.mask_id, canvas.ids)
        per_token = in_order(checkpoint.model, process, checkpoint.noise, x0, torch.tensor(order[:shared]))
        nats[n] = float(per_token.sum())
    return nats


def _neighbours(
    checkpoint: Checkpoint, document: str, gaps: Sequence[SizedGap], which: int, tokens: int, canvas_length: int
) -> tuple[Canvas, list[int]]:
    """The canvas if gap `which` had so many tokens, and the positions of its neighbours."""
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    resized = [*gaps]
    resized[which] = replace(resized[which], tokens=tokens)
    windows = make_windows(tokenizer, document, resized, canvas_length)
    window = next(w for w in windows if w.first <= which < w.first + len(w.gap_positions))
    place, canvas = window.gap_positions[which - window.first], window.canvas
    after = [i for i in range(place.stop, place.stop + NEIGHBOURS) if i < len(canvas.ids) and not canvas.free[i]]
    before = [i for i in range(place.start - 1, place.start - 1 - NEIGHBOURS, -1) if i >= 0 and not canvas.free[i]]
    return canvas, [i for k in range(NEIGHBOURS) for side in (after, before) for i in side[k : k + 1]]
