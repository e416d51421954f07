"""Figures of texts: by hand, and for any."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli.evaluation.quality import distinct, mean, median_perplexity, perplexity, repetition, unigram_entropy

TEXTS = st.lists(st.lists(st.integers(0, 5), max_size=12), min_size=1, max_size=6)


def test_entropy_by_hand() -> None:
    assert unigram_entropy([7, 7, 7]) == 0 and unigram_entropy([]) == 0
    assert unigram_entropy([1, 2]) == pytest.approx(math.log(2))
    # Half, a quarter, a quarter: one and a half bits.
    assert unigram_entropy([1, 2, 1, 3]) == pytest.approx(1.5 * math.log(2))


def test_distinct_and_repetition_by_hand() -> None:
    # Bigrams ab, bc, ca, ab and ab: five, of which ab, bc, ca differ.
    assert distinct(["abcab", "ab"], 2) == pytest.approx(3 / 5)
    assert distinct(["abcab", "ab"], 1) == pytest.approx(3 / 7)
    assert distinct(["ab"], 3) is None
    # Of abab, baba, abab, baba, abab three occurred before; the other text's abab did not, in it.
    assert repetition(["abababab", "abab"]) == pytest.approx(3 / 6)
    assert repetition(["abc"]) is None
    assert repetition(["abcab"], 2) == pytest.approx(1 / 4)


@given(TEXTS)
def test_entropy_is_between_none_and_that_of_all_different(texts: list[list[int]]) -> None:
    for text in texts:
        entropy = unigram_entropy(text)
        assert 0 <= entropy <= math.log(max(1, len(set(text)))) + 1e-12
        assert unigram_entropy(text[::-1] * 2) == pytest.approx(entropy)


@given(TEXTS, st.integers(1, 4))
def test_shares_are_shares_and_one_text_has_both(texts: list[list[int]], n: int) -> None:
    value, again = distinct(texts, n), repetition(texts, n)
    assert (value is None) == (again is None) == all(len(text) < n for text in texts)
    if value is not None and again is not None:
        assert 0 < value <= 1 and 0 <= again < 1
        # What is repeated within texts is repeated in all of them together.
        assert value <= 1 - again + 1e-12
        if len(texts) == 1:
            assert value == pytest.approx(1 - again)


def test_perplexity_pools_all_tokens() -> None:
    estimate = perplexity([2.0, 30.0, 0.0], [2, 10, 0])
    assert estimate is not None and estimate.value == pytest.approx(math.exp(32 / 12))
    assert median_perplexity([2.0, 30.0, 0.0], [2, 10, 0]) == pytest.approx((math.exp(1) + math.exp(3)) / 2)
    assert perplexity([0.0], [0]) is None and median_perplexity([0.0], [0]) is None
    alone = perplexity([3.0], [3])
    assert alone is not None and alone.error is None and mean([1.0]).error is None


def test_the_error_of_texts_of_one_length_is_that_of_their_mean() -> None:
    nats = [20.0, 26.0, 31.0, 24.0]
    estimate, plain = perplexity(nats, [10] * 4), mean([value / 10 for value in nats])
    assert estimate is not None and estimate.error is not None and plain.error is not None
    assert estimate.error == pytest.approx(estimate.value * plain.error)


def test_the_error_is_the_spread_over_repetitions() -> None:
    """Texts of random lengths, whose nats a token differ from text to text."""
    random = torch.Generator().manual_seed(0)
    values, errors = [], []
    for _ in range(400):
        tokens = torch.randint(5, 60, (40,), generator=random)
        rates = 2 + 0.5 * torch.randn(40, generator=random) + 0.01 * tokens
        estimate = perplexity((rates * tokens).tolist(), tokens.tolist())
        assert estimate is not None and estimate.error is not None
        values.append(estimate.value)
        errors.append(estimate.error)
    assert statistics.fmean(errors) == pytest.approx(statistics.stdev(values), rel=0.15)
