"""How many tokens a gap gets: as many as it had, as asked, or as the text around it suggests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from sedd_cli.diffusion.likelihood import in_order
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import UNKNOWN, Gap
from sedd_cli.text.windows import SizedGap, led, make_windows

NEIGHBOURS = 4
"""Kept tokens on either side of a gap that lengths are compared by."""
CANDIDATES = 12
"""Lengths that are compared at most, evenly spread."""


@dataclass(frozen=True)
class Choice:
    """The length found for a gap; `nats` of the kept neighbours for each length compared (the lowest won)."""

    gap: Gap
    tokens: int
    nats: dict[int, float]


def settle(
    checkpoint: Checkpoint, document: str, gaps: Sequence[Gap], length: int
) -> tuple[list[SizedGap], list[Choice]]:
    """The gaps with a number of tokens each, and how those to be found out were chosen, one after another.

    A filling of more tokens is always less likely itself, so lengths are compared by how well the kept neighbours
    are explained with so many MASKs between: their likelihood, what stands in the gap summed out. Gaps in which
    nothing stands and nothing is asked for are left out. Raises `UsageError` where nothing is kept to compare by.
    """
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    gaps = [gap for gap in gaps if gap.start < gap.end or gap.tokens is not None]
    ends = [0, *(gap.end for gap in gaps)]
    leads = [led(tokenizer, document, gap, after) for gap, after in zip(gaps, ends[:-1], strict=True)]
    stood = [
        len(tokenizer.encode(document[gap.start - lead : gap.end])) if gap.start < gap.end else 0
        for gap, lead in zip(gaps, leads, strict=True)
    ]
    lengths = [_lengths(gap, count, length) for gap, count in zip(gaps, stood, strict=True)]
    sized_gaps = [
        SizedGap(gap.start, gap.end, min(max(count, some[0]), some[-1]), lead)
        for gap, lead, count, some in zip(gaps, leads, stood, lengths, strict=True)
    ]
    pending = [(i, some) for i, some in enumerate(lengths) if len(some) > 1]
    choices = []
    for i, some in pending:
        nats = _compare(checkpoint, document, sized_gaps, i, some, length)
        best = min(nats, key=lambda n: nats[n])
        sized_gaps[i] = replace(sized_gaps[i], tokens=best)
        choices.append(Choice(gaps[i], best, nats))
    return sized_gaps, choices


def _lengths(gap: Gap, stood: int, most: int) -> list[int]:
    """Lengths to compare, ascending; one where there is nothing to find out."""
    if gap.tokens is None:
        return [stood]
    if isinstance(gap.tokens, int):
        return [gap.tokens]
    if gap.tokens == "auto":
        low, high = (max(1, stood // 2), 2 * stood) if stood else UNKNOWN
    else:
        low, high = gap.tokens
    # Room for the neighbours that lengths are compared by.
    high = min(high, most - 2 * NEIGHBOURS)
    if high - low < CANDIDATES:
        return list(range(low, max(low, high) + 1))
    # Evenly by ratio: one token more or less matters to a short gap only.
    spread = torch.logspace(0, 1, CANDIDATES, base=high / low, dtype=torch.float64) * low
    return sorted({round(n) for n in spread.tolist()})


def _compare(
    checkpoint: Checkpoint, document: str, gaps: Sequence[SizedGap], which: int, lengths: Sequence[int], most: int
) -> dict[int, float]:
    """`-log p` of the kept tokens nearest to gap `which`, right and left in turn, for each length that it could have."""
    process = checkpoint.process
    if not isinstance(process, Absorbing):
        raise UsageError("lengths cannot be compared with the uniform process", "Give one: --tokens 12.")
    seen = {n: _neighbours(checkpoint, document, gaps, which, n, most) for n in lengths}
    # Only what every length leaves on the canvas can be compared.
    shared = min(len(order) for _, order in seen.values())
    if not shared:
        raise UsageError("nothing is kept beside the gap that lengths could be compared by", "Give one: --tokens 12.")
    nats = {}
    for n, (canvas, order) in seen.items():
        x0 = torch.where(canvas.free, process.mask_id, canvas.ids)
        each = in_order(checkpoint.model, process, checkpoint.noise, x0, torch.tensor(order[:shared]))
        nats[n] = float(each.sum())
    return nats


def _neighbours(
    checkpoint: Checkpoint, document: str, gaps: Sequence[SizedGap], which: int, tokens: int, length: int
) -> tuple[Canvas, list[int]]:
    """The canvas if a gap had so many tokens, and the positions of its neighbours."""
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    tried = [*gaps]
    tried[which] = replace(tried[which], tokens=tokens)
    windows = make_windows(tokenizer, document, tried, length)
    window = next(w for w in windows if w.first <= which < w.first + len(w.places))
    place, canvas = window.places[which - window.first], window.canvas
    after = [i for i in range(place.stop, place.stop + NEIGHBOURS) if i < len(canvas.ids) and not canvas.free[i]]
    before = [i for i in range(place.start - 1, place.start - 1 - NEIGHBOURS, -1) if i >= 0 and not canvas.free[i]]
    return canvas, [i for k in range(NEIGHBOURS) for side in (after, before) for i in side[k : k + 1]]
