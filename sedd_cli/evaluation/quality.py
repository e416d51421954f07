"""Metrics of texts: entropy, repetition, and perplexity from the nats of a judge. Pure functions."""

import math
import statistics
from collections import Counter
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass

Tokens = Sequence[Hashable]


@dataclass(frozen=True)
class Statistic:
    """A metric of a set of texts and its standard error over the texts (None for a single text)."""

    value: float
    error: float | None


def unigram_entropy(tokens: Tokens) -> float:
    """Entropy in nats of how often each token occurs in one text; 0 for an empty one."""
    n = len(tokens)
    # max(): no -0.0 for a text of one token.
    return max(0.0, -sum(count / n * math.log(count / n) for count in Counter(tokens).values()))


def distinct(texts: Sequence[Tokens], n: int) -> float | None:
    """Distinct n-grams over all n-grams, all texts taken together (Li et al., 1510.03055); None where there is none.

    It falls as texts are added: compare sets of one size.
    """
    seen = [gram for text in texts for gram in _grams(text, n)]
    return len(set(seen)) / len(seen) if seen else None


def repetition(texts: Sequence[Tokens], n: int = 4) -> float | None:
    """The share of n-grams that occurred before in the same text, of those of all texts; None where there is none."""
    total = repeated = 0
    for text in texts:
        grams = list(_grams(text, n))
        total += len(grams)
        repeated += len(grams) - len(set(grams))
    return repeated / total if total else None


def unknown_words(texts: Sequence[Sequence[str]], known: Container[str]) -> float | None:
    """How many of a thousand words of all texts are not `known`; None where there is no word."""
    words = [word for text in texts for word in text]
    return 1000 * sum(word not in known for word in words) / len(words) if words else None


def mean(values: Sequence[float]) -> Statistic:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return Statistic(statistics.fmean(values), error)


def perplexity(nats: Sequence[float], tokens: Sequence[int]) -> Statistic | None:
    """`exp` of all nats over all tokens, from each text's nats and tokens; None where there is no token.

    The standard error is that of a ratio of means over independent texts, by the delta method.
    """
    n, total = len(nats), sum(tokens)
    if not total:
        return None
    rate = math.fsum(nats) / total
    value = math.exp(rate)
    if n < 2:
        return Statistic(value, None)
    residual = math.fsum((a - rate * b) ** 2 for a, b in zip(nats, tokens, strict=True))
    return Statistic(value, value * math.sqrt(n * residual / (n - 1)) / total)


def median_perplexity(nats: Sequence[float], tokens: Sequence[int]) -> float | None:
    """The median over texts of their own perplexities; those without tokens have none."""
    values = [math.exp(a / b) for a, b in zip(nats, tokens, strict=True) if b]
    return statistics.median(values) if values else None


def _grams(tokens: Tokens, n: int) -> Iterator[tuple[Hashable, ...]]:
    return zip(*(tokens[i:] for i in range(n)), strict=False)
