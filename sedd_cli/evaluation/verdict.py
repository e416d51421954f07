"""A score in a sentence: how predictable a text is, beside what the checkpoint was trained on."""

import math

from sedd_cli.evaluation.score import Score
from sedd_cli.models.checkpoint import Checkpoint

SAME, MUCH = 1.15, 1.8
"""Ratios of nats a token below which two texts are about as predictable, and from which the ratio is named."""


def verdict(score: Score, checkpoint: Checkpoint) -> str:
    """Return the perplexity with its error and, if the checkpoint's validation bound is known, what that means.

    For example "perplexity 9.1 ± 0.4: about as predictable as the stories that tinystories was trained on".
    """
    error = score.perplexity * score.error_per_token
    figure = f"perplexity {with_error(score.perplexity, error)}"
    bound = checkpoint.validation_bound
    if bound is None:
        return figure
    trained = f"the {checkpoint.subject} that {checkpoint.name} was trained on"
    ratio = score.nats / score.num_tokens / bound
    if ratio >= MUCH:
        return f"{figure}: {ratio:.1f} times as surprising as {trained}"
    if 1 / SAME <= ratio <= SAME:
        return f"{figure}: about as predictable as {trained}"
    return f"{figure}: {'less' if ratio > SAME else 'more'} predictable than {trained}"


def with_error(value: float, error: float) -> str:
    """Return a number and its error, rounded by it: "153.2 ± 4.3"."""
    return rounded(value, error) + (f" ± {rounded(error, error)}" if error else "")


def rounded(value: float, error: float) -> str:
    """Return a number down to the second digit of its error; an exact one has four digits.

    >>> rounded(153.218, 4.31), rounded(0.93412, 0.0213), rounded(153.218, 0.0)
    ('153.2', '0.934', '153.2')
    """
    error = error or abs(value) / 100
    if not error or not math.isfinite(error):
        return f"{value:g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(error)))}f}"
