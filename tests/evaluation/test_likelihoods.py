"""Likelihoods of data sets: they agree with the enumerated truth, within the errors that they state."""

import math

import numpy as np
import pytest
import torch

from sedd_cli import Checkpoint, UsageError
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.evaluation.blocks import Blocks, make_blocks
from sedd_cli.evaluation.likelihoods import Likelihood, LikelihoodEvaluation, LikelihoodRequest, difference
from tests.diffusion.oracle import Oracle, Space, randn
from tests.evaluation.truth import Letters, truth

SPACE = Space(3, 4, seed=90)
ESTIMATORS: list[tuple[Estimator, Process]] = [("ao", Absorbing(3)), ("lambda", Absorbing(3)), ("elbo", Uniform(3))]
every_estimator = pytest.mark.parametrize(
    ("estimator", "process"), ESTIMATORS, ids=[estimator for estimator, _ in ESTIMATORS]
)


def data(blocks: int, seed: int = 0) -> Blocks:
    """Texts drawn from the space, one block each."""
    generator = torch.Generator().manual_seed(seed)
    drawn = SPACE.canvases()[SPACE.p0.multinomial(blocks, replacement=True, generator=generator)]
    texts = ["".join(chr(ord("a") + i) for i in row) for row in drawn.tolist()]
    return make_blocks(texts, Letters(), SPACE.length, separator="none")


def exact(blocks: Blocks) -> float:
    """-log p_0 of all blocks."""
    return -float(sum(SPACE.probability(group).log().sum() for group in blocks.groups))


def carried_out(evaluation: LikelihoodEvaluation) -> tuple[Likelihood, ...]:
    for _ in evaluation.calls():
        pass
    return evaluation.results()


def measure(checkpoint: Checkpoint, blocks: Blocks, **request: object) -> Likelihood:
    """In large batches, which change no bit (`test_batches_change_no_bit_and_seeds_do`)."""
    batched = {"batch_size": 256, **request}
    (found,) = carried_out(LikelihoodEvaluation([checkpoint], blocks, LikelihoodRequest(**batched)))
    return found


@every_estimator
def test_with_the_true_score_the_entropy_is_met(estimator: Estimator, process: Process) -> None:
    blocks = data(100)
    found = measure(truth(SPACE, process), blocks, estimator=estimator, replicates=30)
    assert found.complete and found.num_blocks == 100 and found.replicates == 30
    assert abs(found.nats - exact(blocks)) < 4 * found.standard_error
    assert found.standard_error < 0.05 * found.nats
    assert found.perplexity == pytest.approx(math.exp(found.nats / found.num_tokens))


@pytest.mark.slow
@every_estimator
def test_the_error_bars_cover_the_truth(estimator: Estimator, process: Process) -> None:
    """Two standard errors of a hundred data sets, most of them of a single chunk, where errors are hardest to tell."""
    covered = 0
    for seed in range(100):
        blocks = data((5, 31, 32, 70)[seed % 4], seed)
        found = measure(truth(SPACE, process), blocks, estimator=estimator, replicates=8, seed=seed)
        covered += abs(found.nats - exact(blocks)) < 2 * found.standard_error
    assert 88 <= covered <= 100


@every_estimator
def test_batches_change_no_bit_and_seeds_do(estimator: Estimator, process: Process) -> None:
    blocks, checkpoint = data(40), truth(SPACE, process)
    found = [measure(checkpoint, blocks, estimator=estimator, replicates=3, batch_size=size) for size in (1, 7, 64)]
    assert len({tuple(one.of_blocks.tolist()) for one in found}) == 1
    assert measure(checkpoint, blocks, estimator=estimator, replicates=3, seed=1).nats != found[0].nats


def test_batches_change_no_bit_of_a_real_network(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    # Of 12 tokens: a canvas of no multiple of 8 is padded.
    blocks = make_blocks(["Once upon a time there was a dog."] * 6, built_in.tokenizer, 12)
    one, other = (measure(built_in, blocks, replicates=2, batch_size=size) for size in (1, 5))
    assert one.of_blocks.tolist() == other.of_blocks.tolist()


@every_estimator
def test_the_curve_adds_up_to_the_bound(estimator: Estimator, process: Process) -> None:
    found = measure(truth(SPACE, process), data(64), estimator=estimator, replicates=40)
    bands = found.curve(10)
    assert [band.low for band in bands] == pytest.approx([i / 10 for i in range(10)])
    # The uniform process pays a little at both ends of time, where no band is.
    ends = 0.01 if estimator == "elbo" else 1e-9
    assert sum(band.nats_per_token for band in bands) == pytest.approx(found.nats_per_token, rel=ends)


def test_where_much_is_masked_a_token_costs_its_marginal_entropy() -> None:
    """At the right end of the curve nothing is known: the price there is the mean entropy of single tokens."""
    blocks = data(400)
    found = measure(truth(SPACE), blocks, estimator="lambda", replicates=50)
    last = found.curve(50)[-1]
    marginal = -sum(
        float(SPACE.probability(torch.where(torch.arange(4) == i, group, 3)).log().sum())
        for group in blocks.groups
        for i in range(4)
    )
    assert last.density is not None and last.standard_error is not None
    assert abs(last.density - marginal / blocks.num_tokens) < 0.03 + 4 * last.standard_error


def test_until_error_adds_replicates_until_it_is_met() -> None:
    blocks, checkpoint = data(32), truth(SPACE)
    short = measure(checkpoint, blocks, replicates=4)
    target = short.error_per_token / 4
    found = measure(checkpoint, blocks, replicates=4, until_error=target)
    assert found.error_per_token <= target and found.replicates > 16
    assert abs(found.nats - exact(blocks)) < 4 * found.standard_error


def test_interrupted_it_has_what_was_done_by_then() -> None:
    blocks = data(100)
    evaluation = LikelihoodEvaluation([truth(SPACE)], blocks, LikelihoodRequest(replicates=4))
    assert evaluation.results() == ()
    calls = evaluation.calls()
    assert next(calls) == 2 * 32
    (found,) = evaluation.results()
    assert (found.complete, found.num_blocks, found.num_tokens) == (False, 32, 128)
    assert abs(found.nats - exact(blocks.first(32))) < 5 * found.standard_error
    assert [next(calls) for _ in range(4)] == [128, 192, 200, 264]
    (later,) = evaluation.results()
    assert (later.num_blocks, later.replicates, len(later.parts[0])) == (100, 2, 4)
    assert list(calls)[-1] == evaluation.calls_needed == 400


def test_a_remainder_is_measured_too() -> None:
    blocks = make_blocks(["abcabca"], Letters(), 4, separator="none", remainder="keep")
    assert [tuple(group.shape) for group in blocks.groups] == [(1, 4), (1, 3)]
    # A space of its own for the shorter block: the oracle knows one length only.
    for length, space in ((4, SPACE), (3, Space(3, 3, seed=91))):
        part = Blocks(tuple(g for g in blocks.groups if g.shape[1] == length), length, 1, 0, 1, blocks.sizes)
        found = measure(truth(space), part, replicates=8)
        assert abs(found.nats + float(space.probability(part.groups[0]).log())) < 4 * found.standard_error + 1e-9


def test_compared_on_the_same_noise_the_difference_is_sharper_than_either() -> None:
    tilted = Oracle(SPACE, Absorbing(3), tilt=0.2 * randn(4, 3, seed=92), normalised=True)
    blocks = data(64)
    pair = [truth(SPACE), truth(SPACE, network=tilted)]
    a, b = carried_out(LikelihoodEvaluation(pair, blocks, LikelihoodRequest(replicates=40)))
    found = difference(a, b)
    assert found.nats == pytest.approx(b.nats - a.nats)
    # The truth is beaten by nothing on its own data, and common noise cancels.
    assert found.nats > 4 * found.standard_error > 0
    assert found.standard_error < 0.5 * math.hypot(a.standard_error, b.standard_error)
    assert 0.5 < found.share_of_blocks <= 1
    same = difference(a, a)
    assert (same.nats, same.standard_error, same.share_of_blocks) == (0, 0, 0)


def test_the_error_of_the_difference_is_what_until_error_asks_for() -> None:
    tilted = Oracle(SPACE, Absorbing(3), tilt=0.2 * randn(4, 3, seed=92), normalised=True)
    evaluation = LikelihoodEvaluation(
        [truth(SPACE), truth(SPACE, network=tilted)], data(32), LikelihoodRequest(replicates=2, until_error=2e-3)
    )
    a, b = carried_out(evaluation)
    assert difference(a, b).standard_error / a.num_tokens <= 2e-3 < a.error_per_token


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"estimator": "t-dce"}, "unknown estimator 't-dce'"),
        ({"replicates": 1}, "replicates must be at least 2"),
        ({"replicates": 2.5}, "replicates must be a whole number"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"until_error": 0.0}, "until_error must be above 0"),
        ({"until_error": math.nan}, "until_error must be above 0"),
        ({"batch_size": 0}, "batch size must be at least 1"),
    ],
)
def test_a_request_out_of_range_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LikelihoodRequest(**wrong)


def test_integers_of_numpy_are_settings() -> None:
    request = LikelihoodRequest(replicates=np.int64(3), seed=np.uint8(2))  # type: ignore[arg-type]
    assert request == LikelihoodRequest(replicates=3, seed=2) and type(request.replicates) is type(request.seed) is int
