"""Comparison of samples with those of plain sampling at the temperature that has the same entropy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sedd_cli.evaluation.sample_metrics import SampleSet

SEED = 0
RESAMPLED = 2000
"""Bootstrap replicates of a comparison."""


@dataclass(frozen=True)
class Comparison:
    """`log_ratio`: of the perplexity to plain sampling's at the same entropy, with its standard error."""

    log_ratio: float
    error: float
    beyond: bool

    def __str__(self) -> str:
        ratio, error = math.exp(self.log_ratio), math.exp(self.log_ratio) * self.error
        if self.beyond:
            return "no plain temperature has its entropy"
        shown = (
            "lower"
            if self.log_ratio < -2 * self.error
            else "higher"
            if self.log_ratio > 2 * self.error
            else "no difference shown"
        )
        return f"{ratio:.2f} ± {error:.2f}, {shown}"


def compare(other: SampleSet, plain: Sequence[SampleSet]) -> Comparison:
    """Compare with the frontier of plain sampling, a line from temperature to temperature.

    The logarithm of perplexity is taken as linear in the entropy in between, and beyond the ends up to two standard
    errors of the difference in entropy. The error is that of bootstraps over the texts, of each set by itself.
    """
    generator = torch.Generator().manual_seed(SEED)
    (figures, *line) = (resampled(each, generator) for each in (other, *plain))
    differences = [
        float(figures[i, 1]) - interpolated([(float(f[i, 0]), float(f[i, 1])) for f in line], float(figures[i, 0]))
        for i in range(RESAMPLED + 1)
    ]
    line.sort(key=lambda f: float(f[0, 0]))
    beyond = _above(line[0], figures) or _above(figures, line[-1])
    return Comparison(differences[0], float(torch.tensor(differences[1:]).std()), beyond)


def _above(one: Tensor, other: Tensor) -> bool:
    """Whether the entropy of one is higher by more than two standard errors of the difference."""
    error = math.hypot(float(one[1:, 0].std()), float(other[1:, 0].std()))
    return float(one[0, 0] - other[0, 0]) > 2 * error


def resampled(sample_set: SampleSet, generator: torch.Generator) -> Tensor:
    """(1 + RESAMPLED, 2): mean entropy and the logarithm of perplexity; the first of all texts, then of bootstraps."""
    texts = sample_set.texts
    figures = torch.tensor([(t.entropy, t.rating.nats, t.rating.tokens) for t in texts if t.rating is not None])
    drawn = torch.randint(len(figures), (RESAMPLED, len(figures)), generator=generator)
    entropy, nats, tokens = figures.double()[torch.cat([torch.arange(len(figures))[None], drawn])].mean(1).unbind(-1)
    return torch.stack([entropy, (nats / tokens).nan_to_num()], -1)


def interpolated(line: Sequence[tuple[float, float]], x: float) -> float:
    """The height at `x` of a line through points, whose ends go straight on."""
    segments = list(pairwise(sorted(line)))
    (x0, y0), (x1, y1) = next((segment for segment in segments if x <= segment[1][0]), segments[-1])
    return y0 + (y1 - y0) * (x - x0) / max(x1 - x0, 1e-9)
