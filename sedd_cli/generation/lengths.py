"""How many tokens a gap gets: as many as it had, as requested, or as the text around it suggests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import invert
from sedd_cli.diffusion.likelihood import ordered_nats
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import Gap, length_range
from sedd_cli.text.line_ends import newline_of
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, make_windows, size_gaps

NEIGHBOURS = 6
"""Kept tokens on either side of a gap whose likelihood decides between lengths."""
CANDIDATES = 8
"""Maximum number of lengths compared, evenly spaced by ratio."""
SHORTER = 3.0
"""By itself the longest length asked for is e^-3 times as likely as no token at all: see `log_prior`."""


@dataclass(frozen=True)
class ChosenLength:
    """The length found for a gap: the median of the `probability` of all lengths asked for.

    `nats` of the kept neighbours for each length compared. `error`: the standard error, in nats, of the difference
    between two of these, the likeliest and the one chosen or next to it. `calls`: network calls of the comparison.
    """

    gap: Gap
    tokens: int
    nats: dict[int, float]
    probability: dict[int, float]
    error: float
    calls: int


def log_prior(tokens: int, longest: int) -> float:
    """The log of the weight of a length by itself, before any text is read: the longer, the less likely."""
    return -SHORTER * tokens / longest


def quantile(probability: Mapping[int, float], share: float) -> int:
    """The shortest length up to which there is more than this share of the probability."""
    weights = torch.tensor([list(probability.values())], dtype=torch.float64, device="cpu")
    return [*probability][int(invert(weights, torch.tensor([share], dtype=torch.float64, device="cpu")))]


def choose_lengths(
    checkpoint: Checkpoint, document: str, gaps: Sequence[Gap], length: int, drawn: Collection[Gap] = ()
) -> tuple[list[SizedGap], list[ChosenLength]]:
    """Give every gap a number of tokens; choose the open ones one after another, but for those `drawn` later.

    A filling of more tokens is always less likely itself, so lengths are compared by the likelihood of the kept
    neighbours with so many MASKs between them, that is with the gap summed out. That is the probability of the
    neighbours given the length; it is weighted with one by itself (`SHORTER`). Empty gaps without a requested length
    are dropped. Raises `UsageError` if no neighbours are kept to compare by.
    """
    assert checkpoint.tokenizer is not None
    tokenizer = checkpoint.tokenizer.reading(newline_of(document))
    sized = size_gaps(tokenizer, document, gaps)
    ranges = [_range(gap, size, length) for gap, size in sized]
    sized_gaps = [
        replace(size, tokens=min(max(size.tokens, low), high))
        for (_, size), (low, high) in zip(sized, ranges, strict=True)
    ]
    pending = [(i, (low, high)) for i, (low, high) in enumerate(ranges) if low < high and sized[i][0] not in drawn]
    chosen = []
    for i, (low, high) in pending:
        comparison = _Comparison.of(checkpoint, tokenizer, document, sized_gaps, i, _spaced(low, high), length)
        nats = comparison.nats()
        probability = _law(nats, high)
        tokens = quantile(probability, 0.5)
        error = comparison.error(nats, tokens)
        sized_gaps[i] = replace(sized_gaps[i], tokens=tokens)
        chosen.append(ChosenLength(sized[i][0], tokens, nats, probability, error, comparison.calls))
    return sized_gaps, chosen


def _range(gap: Gap, size: SizedGap, longest: int) -> tuple[int, int]:
    """The least and the most tokens of a gap, the same if its length is known."""
    low, high = length_range(gap.tokens, size.tokens, size.within_sentence)
    # Leave room for the neighbours.
    return (low, high) if low == high else (low, max(low, min(high, longest - 2 * NEIGHBOURS)))


def _spaced(low: int, high: int) -> list[int]:
    """The lengths that are compared, ascending."""
    if high - low < CANDIDATES:
        return list(range(low, high + 1))
    # Evenly by ratio: one token more or less matters to a short gap only.
    spread = torch.logspace(0, 1, CANDIDATES, base=high / low, dtype=torch.float64, device="cpu") * low
    return sorted({round(n) for n in spread.tolist()})


def _law(nats: Mapping[int, float], high: int) -> dict[int, float]:
    """The probability of every length, from the nats of those compared; between these nats are interpolated."""
    lengths, log_weights = [*nats], list[float]()
    for (a, nats_a), (b, nats_b) in pairwise(nats.items()):
        log_weights += [-nats_a - (nats_b - nats_a) * (n - a) / (b - a) + log_prior(n, high) for n in range(a, b)]
    log_weights.append(-nats[lengths[-1]] + log_prior(lengths[-1], high))
    law = torch.tensor(log_weights, dtype=torch.float64, device="cpu").softmax(0).tolist()
    return dict(zip(range(lengths[0], lengths[-1] + 1), law, strict=True))


@dataclass
class _Comparison:
    """Of each length the canvas, and the positions of its neighbours from the nearest on, right and left in turn."""

    checkpoint: Checkpoint
    process: Absorbing
    canvases: dict[int, tuple[Canvas, list[int]]]
    shared: int
    """How many neighbours every length leaves on the canvas: only these are comparable."""
    calls: int = 0

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        tokenizer: Tokenizer,
        document: str,
        gaps: Sequence[SizedGap],
        which: int,
        lengths: Sequence[int],
        canvas_length: int,
    ) -> "_Comparison":
        process = checkpoint.process
        if not isinstance(process, Absorbing):
            raise UsageError("lengths cannot be compared with the uniform process", "Give one: --tokens 12.")
        canvases = {n: _neighbours(tokenizer, document, gaps, which, n, canvas_length) for n in lengths}
        shared = min(len(order) for _, order in canvases.values())
        if not shared:
            raise UsageError(
                "nothing is kept beside the gap that lengths could be compared by", "Give one: --tokens 12."
            )
        return cls(checkpoint, process, canvases, shared)

    def nats(self) -> dict[int, float]:
        """`-log p` of the neighbours by the chain rule, the farthest first, for each length."""
        ranks = torch.arange(self.shared, device="cpu").flip(0)
        return {n: self._nats(n, ranks) for n in self.canvases}

    def error(self, nats: Mapping[int, float], tokens: int) -> float:
        """See `ChosenLength`: with the true law of text `-log p` is the same in every order."""
        likeliest = min(nats, key=lambda n: nats[n])
        others = [n for n in nats if n != likeliest]
        other = min(others, key=lambda n: abs(n - tokens))
        # The other side first, pair by pair.
        ranks = torch.arange(self.shared, device="cpu")
        ranks = torch.where(ranks ^ 1 < self.shared, ranks ^ 1, ranks).flip(0)
        difference = self._nats(other, ranks) - self._nats(likeliest, ranks)
        return abs(difference - (nats[other] - nats[likeliest])) / 2

    def _nats(self, n: int, ranks: Tensor) -> float:
        canvas, order = self.canvases[n]
        x0 = torch.where(canvas.free, self.process.mask_id, canvas.ids)
        positions = torch.tensor(order, device="cpu")[ranks]
        self.calls += len(positions)
        return float(ordered_nats(self.checkpoint.model, self.process, self.checkpoint.noise, x0, positions).sum())


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
