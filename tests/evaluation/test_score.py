"""Scores of texts: windows that count every token once, and figures that agree with the enumerated truth."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from sedd_cli import Checkpoint, UsageError, generate, score
from sedd_cli.diffusion.likelihood import ordered_nats, pseudo
from sedd_cli.diffusion.processes import Absorbing, Uniform
from sedd_cli.evaluation.score import ScoreEvaluation, ScoreRequest, make_score_windows
from tests.diffusion.oracle import Space
from tests.evaluation.truth import Letters, truth

TEXT = "Once upon a time there was a little dog. He liked to play."
SPLITS = (("Once upon ", TEXT[10:]), ("Once upon", TEXT[9:]))
LETTERS = 3
SPACE = Space(LETTERS, 3, seed=70)
PAIR = Space(LETTERS, 2, seed=71)


def nats(space: Space, x: list[int], given: list[int]) -> float:
    """-log p_0 of the last tokens of x given the first ones, MASK where a list is shorter than the space."""

    def padded(ids: list[int]) -> Tensor:
        return torch.tensor(ids + [LETTERS] * (space.length - len(ids)))

    return float((space.probability(padded(given)) / space.probability(padded(x))).log())


def of_windows(text: str, overlap: int) -> float:
    """The chain rule by enumeration, windows of three letters."""
    ids, end, total = Letters().encode(text), 0, 0.0
    while end < len(ids):
        start = min(max(0, end - overlap), len(ids) - 3)
        window = ids[start : start + 3]
        total += nats(SPACE, window, window[: end - start])
        end = start + 3
    return total


def direct(checkpoint: Checkpoint, ids: Tensor) -> Tensor:
    """Left to right on one canvas."""
    assert isinstance(checkpoint.process, Absorbing)
    return ordered_nats(checkpoint.model, checkpoint.process, checkpoint.noise, ids, torch.arange(len(ids)))


@pytest.mark.parametrize("overlap", [None, 0, 1, 3, 6])
@pytest.mark.parametrize("tokens", [1, 6, 7, 8, 9, 14, 23])
def test_windows_count_every_token_once_and_give_the_overlap(tokens: int, overlap: int | None) -> None:
    shared = 3 if overlap is None else overlap
    context = min(shared, tokens - 1)
    windows = make_score_windows(tokens, 7, overlap)
    after = make_score_windows(tokens, 7, overlap, context)
    positions, is_new = windows.positions, windows.is_new
    assert windows.overlap == shared and windows.length == min(7, tokens)
    assert positions[is_new].tolist() == positions[windows.has_most_context].tolist() == list(range(tokens))
    assert positions[after.is_new].tolist() == list(range(context, tokens))
    assert positions[after.has_most_context].tolist() == list(range(context, tokens))
    assert bool(is_new.any(1).all()) and bool(((~is_new).sum(1)[1:] >= shared).all())
    # Those given come first.
    assert bool((is_new.int().diff(dim=1) >= 0).all())


def test_windows_that_do_not_advance_are_refused() -> None:
    with pytest.raises(UsageError, match="windows of 7 tokens cannot overlap by 7"):
        make_score_windows(20, 7, 7)


def test_a_token_stands_where_it_has_most_on_either_side() -> None:
    windows = make_score_windows(10, 6, 2)
    assert windows.starts.tolist() == [0, 4]
    assert windows.positions[0][windows.has_most_context[0]].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("overlap", [0, 1, 2])
@pytest.mark.parametrize("text", ["abc", "bcab", "cabbacab"])
def test_with_the_true_score_the_bound_and_the_exact_order_are_met(text: str, overlap: int) -> None:
    bound = score(truth(SPACE), text, overlap=overlap, replicates=60)
    exact = score(truth(SPACE), text, overlap=overlap, order="left-to-right")
    expected = of_windows(text, overlap)
    assert bound.form == "ao" and exact.form == "left-to-right"
    assert exact.nats == pytest.approx(expected, rel=1e-9)
    assert (exact.standard_error, exact.token_error) == (0, 0)
    assert bound.nats == pytest.approx(expected, abs=4.5 * bound.standard_error)
    assert bound.standard_error < 0.1 * len(text)


@pytest.mark.parametrize(
    ("context", "text", "kept"), [("a", "bc", 1), ("ca", "b", 2), ("bca", "b", 2), ("abc", "bca", 1)]
)
def test_what_is_given_conditions_the_bound_and_the_exact_order(context: str, text: str, kept: int) -> None:
    """Of a context that is too long, the end: what fits in a window beside the text, or what two windows share."""
    ckpt, ids = truth(SPACE), Letters().encode(context[-kept:] + text)
    expected = nats(SPACE, ids[:3], ids[:kept]) + (nats(SPACE, ids[1:], ids[1:3]) if len(ids) > 3 else 0)
    exact = score(ckpt, text, context=context, order="left-to-right")
    bound = score(ckpt, text, context=context, replicates=60)
    assert exact.nats == pytest.approx(expected, rel=1e-9)
    # Of a single token the bound is exact.
    assert bound.nats == pytest.approx(expected, abs=max(4.5 * bound.standard_error, 1e-9))
    assert exact.num_tokens == exact.num_bytes == len(text)


def test_greedy_decoding_is_that_of_the_true_conditionals() -> None:
    """From left to right on a canvas as long as the text, for every text of the space."""
    ckpt = truth(SPACE)
    for text in map("".join, product("abc", repeat=2)):
        ids, likeliest = Letters().encode("b" + text), []
        for position in (1, 2):
            options = [nats(SPACE, [*ids[:position], token], ids[:position]) for token in range(LETTERS)]
            likeliest.append(options.index(min(options)))
        greedy = ScoreEvaluation(ckpt, text, ScoreRequest(context="b")).is_greedy()
        assert greedy == (likeliest == ids[1:])
    with pytest.raises(UsageError, match="has no MASK"):
        ScoreEvaluation(truth(PAIR, Uniform(LETTERS)), "ab", ScoreRequest()).is_greedy()


def test_a_blank_that_ends_the_context_is_scored_with_the_word_behind_it(built_in: Checkpoint) -> None:
    given, after = (ScoreEvaluation(built_in, text, ScoreRequest(context=context)) for context, text in SPLITS)
    assert given.given.tolist() == after.given.tolist() and given.ids.tolist() == after.ids.tolist()
    whole = ScoreEvaluation(built_in, TEXT, ScoreRequest())
    assert [*given.given.tolist(), *given.ids.tolist()] == whole.ids.tolist()


def test_pseudo_is_each_token_given_all_others() -> None:
    for text in ("abc", "caa", "bbb"):
        result = score(truth(SPACE), text, pseudo=True, replicates=2)
        ids = torch.tensor(Letters().encode(text))
        for i in range(3):
            rest = ids.clone()
            rest[i] = LETTERS
            expected = float((SPACE.probability(rest) / SPACE.probability(ids)).log())
            assert result.pseudo is not None
            assert float(result.pseudo[i]) == pytest.approx(expected, rel=1e-9)
        assert result.nats == pytest.approx(score(truth(SPACE), text, replicates=2).nats)


def test_the_uniform_process_has_its_bound() -> None:
    result = score(truth(PAIR, Uniform(LETTERS)), "ab", replicates=150)
    assert result.form == "elbo"
    assert result.standard_error < 0.2
    assert result.nats == pytest.approx(nats(PAIR, [0, 1], []), abs=4.5 * result.standard_error)


@pytest.mark.parametrize(
    ("asked", "named"), [({"order": "left-to-right"}, "left-to-right"), ({"pseudo": True}, "pseudo")]
)
def test_the_uniform_process_has_nothing_else(asked: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=f"{named}.* needs a checkpoint of the absorbing process"):
        score(truth(PAIR, Uniform(LETTERS)), "ab", **asked)  # type: ignore[arg-type]


def test_errors_are_honest() -> None:
    """Of the total and of a token, over many seeds; rounds are pooled."""
    ckpt, expected = truth(SPACE), of_windows("cab", 0)
    results = [score(ckpt, "cab", replicates=9, seed=seed) for seed in range(40)]
    pulls = torch.tensor([(r.nats - expected) / r.standard_error for r in results])
    assert 0.7 < float(pulls.square().mean().sqrt()) < 1.5
    spread = torch.stack([r.per_token for r in results]).var(0).mean().sqrt()
    told = torch.tensor([r.token_error for r in results]).square().mean().sqrt()
    assert float(told) == pytest.approx(float(spread), rel=0.3)


def test_until_error_reaches_its_target_and_stands_on_the_same_replicates() -> None:
    ckpt = truth(SPACE)
    few = score(ckpt, "cab")
    target = few.error_per_token / 3
    more = score(ckpt, "cab", until_error=target)
    assert more.error_per_token <= target and more.replicates > 3 * few.replicates
    again = score(ckpt, "cab", replicates=more.replicates)
    assert (again.nats, again.standard_error) == (more.nats, more.standard_error)
    assert score(ckpt, "cab", until_error=100.0).replicates == few.replicates


def test_rounds_grow_and_the_last_is_the_score() -> None:
    ckpt = truth(SPACE)
    evaluation = ScoreEvaluation(ckpt, "cabb", ScoreRequest(replicates=7, pseudo=True))
    rounds = list(evaluation.rounds())
    assert [r.replicates for r in rounds] == [2, 4, 7, 7]
    assert [r.pseudo is None for r in rounds] == [True, True, True, False]
    assert rounds[0].nats == score(ckpt, "cabb", replicates=2).nats
    assert rounds[0].token_error is None and rounds[1].token_error is not None
    assert evaluation.calls_needed == 7 * 4 * 2 + 4


def test_a_score_adds_up(shallow: Checkpoint) -> None:
    result = score(shallow, TEXT, replicates=2)
    assert shallow.tokenizer is not None
    assert result.ids.tolist() == shallow.tokenizer.encode(TEXT)
    assert result.per_token.shape == result.ids.shape and result.per_token.dtype == torch.float64
    assert result.nats == pytest.approx(float(result.per_token.sum()), rel=1e-12)
    assert result.num_bytes == len(TEXT) and result.num_tokens == len(result.ids)
    assert result.bits_per_byte == pytest.approx(result.nats / math.log(2) / len(TEXT))
    assert result.perplexity == pytest.approx(math.exp(result.nats / result.num_tokens))
    assert result.pseudo is None and result.windows == 1


def test_bytes_are_those_of_utf8(shallow: Checkpoint) -> None:
    assert score(shallow, "café 🌍\r\n", order="left-to-right").num_bytes == 12


def test_the_seed_decides_and_the_batch_does_not(shallow: Checkpoint) -> None:
    results = [
        score(shallow, TEXT, length=8, replicates=2, seed=seed, batch_size=batch_size)
        for seed, batch_size in ((0, None), (0, 1), (1, None))
    ]
    assert torch.equal(results[0].per_token, results[1].per_token)
    assert not torch.equal(results[0].per_token, results[2].per_token)


def test_left_to_right_in_windows_is_the_direct_computation(shallow: Checkpoint) -> None:
    result = score(shallow, TEXT, order="left-to-right", length=8, overlap=3)
    ids, n = result.ids, result.num_tokens
    assert n > 13 and result.windows == math.ceil((n - 8) / 5) + 1
    expected, end = [], 0
    while end < n:
        start = min(max(0, end - 3), n - 8)
        assert isinstance(shallow.process, Absorbing)
        order = torch.arange(end - start, 8)
        window = ordered_nats(shallow.model, shallow.process, shallow.noise, ids[start : start + 8], order)
        expected.append(window[order])
        end = start + 8
    assert torch.equal(result.per_token, torch.cat(expected))
    whole = score(shallow, TEXT, order="left-to-right")
    assert whole.windows == 1 and torch.equal(whole.per_token, direct(shallow, ids))


def test_windows_of_one_new_token_leave_nothing_to_chance(shallow: Checkpoint) -> None:
    bound = score(shallow, TEXT, length=6, overlap=5, replicates=2)
    exact = score(shallow, TEXT, length=6, overlap=5, order="left-to-right")
    torch.testing.assert_close(bound.per_token[6:], exact.per_token[6:], rtol=1e-5, atol=1e-5)
    assert bound.windows == bound.num_tokens - 5


def test_integers_of_numpy_are_settings() -> None:
    request = ScoreRequest(replicates=np.int64(3), seed=np.uint8(2), length=np.int32(8))  # type: ignore[arg-type]
    assert request == ScoreRequest(replicates=3, seed=2, length=8)
    assert type(request.replicates) is type(request.seed) is type(request.length) is int


def test_pseudo_of_a_long_text(shallow: Checkpoint) -> None:
    result = score(shallow, TEXT, length=8, overlap=4, replicates=2, pseudo=True)
    assert isinstance(shallow.process, Absorbing) and result.pseudo is not None
    first = pseudo(shallow.model, shallow.process, shallow.noise, result.ids[:8], torch.arange(6))
    assert torch.equal(result.pseudo[:6], first[:6])
    assert result.pseudo.shape == result.per_token.shape and bool((result.pseudo > 0).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": 1}, r"replicates must be at least 2 \(their spread is the error\), not 1"),
        ({"replicates": 2.5}, "replicates must be a whole number, not 2.5"),
        ({"length": 0}, "length must be at least 1, not 0"),
        ({"overlap": -1}, "overlap must be at least 0, not -1"),
        ({"overlap": 3}, "windows of 3 tokens cannot overlap by 3"),
        ({"batch_size": 0}, "batch size must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"until_error": 0.0}, "until_error must be above 0, not 0.0"),
        ({"until_error": math.nan}, "until_error must be above 0, not nan"),
        ({"order": "random"}, "unknown order 'random'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score(truth(SPACE), "abc", **options)  # type: ignore[arg-type]


def test_texts_that_cannot_be_scored(shallow: Checkpoint, tiny: Checkpoint) -> None:
    with pytest.raises(UsageError, match="the text is empty"):
        score(shallow, "")
    with pytest.raises(UsageError, match="not valid UTF-8"):
        score(shallow, "a\ud800")
    with pytest.raises(UsageError, match="no tokenizer"):
        score(tiny, TEXT)


@pytest.mark.parametrize("prompt", ["Once upon a time", "Lily had a red"])
def test_greedy_decoding_is_what_generate_writes_from_left_to_right(shallow: Checkpoint, prompt: str) -> None:
    options = {"prompt": prompt, "length": 10, "order": "left-to-right", "per_call": 1, "temperature": 0}
    (sample,) = generate(shallow, **options)  # type: ignore[arg-type]
    text = sample.text.removeprefix(prompt)
    assert ScoreEvaluation(shallow, text, ScoreRequest(context=prompt)).is_greedy()
    assert not ScoreEvaluation(shallow, f" zebra{text}", ScoreRequest(context=prompt)).is_greedy()
