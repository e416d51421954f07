"""Bounds on -log p(x0) against the enumerated truth: with the true score they are met, with a worse one exceeded."""

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.any_order import any_order_nats, calls_of_sets
from sedd_cli.diffusion.likelihood import Estimate, estimate, ordered_nats, pseudo
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.schedules import Cosine, Geometric, LogLinear, Schedule, mask_probability
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import (
    SCHEDULES,
    Oracle,
    Space,
    all_states,
    dense_score_entropy,
    randn,
    transition,
)

TOKENS, L = 3, 3
MASK = TOKENS
ABSORBING, UNIFORM = Absorbing(TOKENS), Uniform(TOKENS)
SPACE = Space(TOKENS, L, seed=60)
PAIR = Space(TOKENS, 2, seed=61)
"""Two positions, where the uniform process is at work: its p_t is enumerated for every canvas."""
WIDE = Geometric(1e-4, 20.0)
COPIES = 40_000
PRECISION = {"lambda": 0.03, "ao": 0.01, "elbo": 0.01, "dwdse": 0.015}
"""What the Monte Carlo error must be below for agreement to mean something. (Lambda's weights are 1 / lambda.)"""

estimators = pytest.mark.parametrize("estimator", ["lambda", "ao"])


def extremes(space: Space) -> list[Tensor]:
    """The likeliest canvas and the unlikeliest."""
    return [space.canvases()[int(i)] for i in (space.p0.argmax(), space.p0.argmin())]


def nats(space: Space, x: Tensor) -> float:
    return -float(space.probability(x).log())


def mean_and_error(result: Estimate) -> tuple[float, float]:
    """Of one canvas, when all canvases are copies of it."""
    return float(result.nats.mean()), result.standard_error / len(result.nats)


def of_copies(
    network: Oracle,
    process: Process,
    noise: Schedule,
    x0: Tensor,
    estimator: Estimator,
    copies: int = COPIES,
    **settings: object,
) -> tuple[float, float]:
    repeated = x0.expand(copies, -1)
    result = estimate(network, process, noise, repeated, estimator=estimator, batch_size=copies, **settings)  # type: ignore[arg-type]
    return mean_and_error(result)


@estimators
@pytest.mark.parametrize("x0", extremes(SPACE), ids=["likeliest", "unlikeliest"])
def test_with_the_true_score_the_bound_is_met(estimator: Estimator, x0: Tensor) -> None:
    mean, error = of_copies(Oracle(SPACE, ABSORBING), ABSORBING, LogLinear(), x0, estimator)
    assert error < PRECISION[estimator]
    assert mean == pytest.approx(nats(SPACE, x0), abs=4.5 * error)


@estimators
def test_with_a_worse_score_the_bound_is_above_the_entropy(estimator: Estimator) -> None:
    tilt = 0.6 * randn(L, TOKENS, seed=62)
    canvases, entropy = SPACE.canvases(), float(torch.special.entr(SPACE.p0).sum())
    bounds = []
    for network in (Oracle(SPACE, ABSORBING), Oracle(SPACE, ABSORBING, tilt=tilt, normalised=True)):
        copies = 1000
        result = estimate(
            network, ABSORBING, LogLinear(), canvases.repeat(copies, 1), estimator=estimator, batch_size=10**5
        )
        each = result.replicates.view(-1, copies, len(canvases)).mean(1) @ SPACE.p0
        bounds.append((float(each.mean()), float(each.std() / len(each) ** 0.5)))
    (true, true_error), (worse, worse_error) = bounds
    assert true == pytest.approx(entropy, abs=5 * true_error) and true_error < PRECISION[estimator]
    assert worse > entropy + 5 * worse_error


def expected_bound(network: Oracle, x0: Tensor) -> float:
    """AO by enumeration: for k masks, every set of k positions, L / k times their cross entropies (RADD, 2.16)."""
    sets = all_states(2, L)[1:].bool()
    x = torch.where(sets, MASK, x0)
    log_c = network.real(x, torch.ones(len(x), dtype=torch.float64)).log_softmax(-1)
    cross = -(log_c.gather(-1, x0.expand(len(x), L)[..., None]).squeeze(-1) * sets).sum(1)
    k = sets.sum(1)
    return float(sum(L / int(n) * c / (L * math.comb(L, int(n))) for n, c in zip(k, cross, strict=True)))


@estimators
def test_both_estimators_are_of_the_same_bound_of_any_network(estimator: Estimator) -> None:
    x0 = SPACE.canvases()[5]
    network = Oracle(SPACE, ABSORBING, tilt=0.8 * randn(L, TOKENS, seed=63), normalised=True)
    assert expected_bound(Oracle(SPACE, ABSORBING), x0) == pytest.approx(nats(SPACE, x0), rel=1e-9)
    mean, error = of_copies(network, ABSORBING, LogLinear(), x0, estimator)
    assert error < PRECISION[estimator]
    assert mean == pytest.approx(expected_bound(network, x0), abs=4.5 * error)


@estimators
def test_an_unnormalised_score_is_read_as_normalised(estimator: Estimator) -> None:
    tilt = randn(L, TOKENS, seed=64)
    results = [
        estimate(
            Oracle(SPACE, ABSORBING, tilt=tilt, normalised=n),
            ABSORBING,
            LogLinear(),
            SPACE.canvases(),
            estimator=estimator,
        )
        for n in (False, True)
    ]
    torch.testing.assert_close(results[0].replicates, results[1].replicates)


@estimators
@pytest.mark.parametrize("counted", [[True, True, True], [True, False, True]], ids=["all", "some"])
@pytest.mark.parametrize("noise", SCHEDULES, ids=lambda n: type(n).__name__)
def test_the_network_is_fed_the_noise_of_what_is_masked(
    estimator: Estimator, noise: Schedule, counted: list[bool]
) -> None:
    """At most sigma_bar(1): a time-conditioned network knows no more. What is given counts as never masked."""
    end = float(noise.total(torch.ones((), dtype=torch.float64)))
    fed = []

    class Recording(Oracle):
        def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
            assert torch.equal(where, x == MASK)
            fed.append((sigma, where))
            return super().log_scores(x, sigma, where)

    x0 = SPACE.canvases()
    where = torch.tensor(counted).expand(len(x0), -1)
    estimate(
        Recording(SPACE, ABSORBING),
        ABSORBING,
        noise,
        x0,
        estimator=estimator,
        where=where,
        replicates=20,
        batch_size=100,
    )
    sigma = torch.cat([s for s, _ in fed])
    assert float(sigma.max()) <= end and float(sigma.min()) > 0
    if estimator == "ao":  # exactly k of L are masked
        fraction = torch.cat([w for _, w in fed]).double().mean(1)
        torch.testing.assert_close(sigma, (-torch.log1p(-fraction)).clamp(max=end))
    else:  # lambda is uniform, and masks each counted position with its own chance
        share, most = sum(counted) / L, float(mask_probability(torch.tensor(end)))
        even = (torch.arange(len(sigma)) + 0.5) / len(sigma) * share
        torch.testing.assert_close(
            mask_probability(sigma).sort().values, even.double().clamp(max=most), rtol=0, atol=0.02
        )


@estimators
@pytest.mark.parametrize("x0", extremes(SPACE), ids=["likeliest", "unlikeliest"])
def test_given_tokens_are_given(estimator: Estimator, x0: Tensor) -> None:
    counted = torch.tensor([True, False, True])
    network = Oracle(SPACE, ABSORBING)
    where = counted.expand(COPIES, -1)
    mean, error = of_copies(network, ABSORBING, LogLinear(), x0, estimator, where=where)
    given = torch.where(counted, MASK, x0)
    truth = nats(SPACE, x0) - nats(SPACE, given)
    assert error < PRECISION[estimator]
    assert mean == pytest.approx(truth, abs=4.5 * error)
    assert all(torch.equal(x[:, 1], x0[1].expand(len(x))) for x in network.seen)


@estimators
@pytest.mark.parametrize("x0", extremes(SPACE), ids=["likeliest", "unlikeliest"])
def test_unknown_tokens_are_summed_out(estimator: Estimator, x0: Tensor) -> None:
    """They stay MASK, and count as masked in the noise that a time-conditioned network is fed."""
    masked = []

    class Recording(Oracle):
        def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
            masked.append((mask_probability(sigma), (x == MASK).double().mean(1)))
            return super().log_scores(x, sigma, where)

    counted = torch.tensor([True, False, True])
    known = torch.where(counted, x0, MASK)
    where = counted.expand(COPIES, -1)
    mean, error = of_copies(Recording(SPACE, ABSORBING), ABSORBING, LogLinear(), known, estimator, where=where)
    assert error < PRECISION[estimator]
    assert mean == pytest.approx(nats(SPACE, known), abs=4.5 * error)
    fed, there = (torch.cat(each) for each in zip(*masked, strict=True))
    most = float(mask_probability(LogLinear().total(torch.ones((), dtype=torch.float64))))
    if estimator == "ao":
        torch.testing.assert_close(fed, there.clamp(max=most))
    assert float(fed.min()) >= 1 / L and float(fed.mean()) == pytest.approx(float(there.mean()), abs=0.01)


def test_canvases_may_count_different_tokens() -> None:
    x0 = SPACE.canvases()[11]
    masks = all_states(2, L).bool()
    copies = 1500
    result = estimate(
        Oracle(SPACE, ABSORBING),
        ABSORBING,
        LogLinear(),
        x0.expand(copies * len(masks), -1),
        estimator="ao",
        where=masks.repeat(copies, 1),
        batch_size=10**5,
    )
    each = result.replicates.view(-1, copies, len(masks)).mean(1)
    truth = torch.tensor([nats(SPACE, x0) - nats(SPACE, torch.where(m, MASK, x0)) for m in masks]).double()
    error = each.std(0) / len(each) ** 0.5
    assert float(each[:, 0].abs().max()) == 0
    assert bool(((each.mean(0) - truth)[1:].abs() < 6 * error[1:] + 1e-6).all())
    assert bool((result.per_token.view(copies, len(masks), L)[:, ~masks] == 0).all())


def test_in_order_is_exact_for_every_order() -> None:
    network = Oracle(SPACE, ABSORBING)
    for x0 in extremes(SPACE):
        for order in permutations(range(L)):
            result = ordered_nats(network, ABSORBING, LogLinear(), x0, torch.tensor(order))
            assert float(result.sum()) == pytest.approx(nats(SPACE, x0), rel=1e-12)
            first = torch.full((L,), MASK).index_copy(0, torch.tensor(order[:1]), x0[list(order[:1])])
            assert float(result[order[0]]) == pytest.approx(nats(SPACE, first), rel=1e-12)


def test_in_order_takes_the_tokens_outside_the_order_as_given() -> None:
    x0 = SPACE.canvases()[7]
    for order in permutations(range(L), 2):
        result = ordered_nats(Oracle(SPACE, ABSORBING), ABSORBING, LogLinear(), x0, torch.tensor(order))
        given = x0.index_fill(0, torch.tensor(order), MASK)
        assert float(result.sum()) == pytest.approx(nats(SPACE, x0) - nats(SPACE, given), rel=1e-12)
        assert float(result[({0, 1, 2} - set(order)).pop()]) == 0


def test_in_order_makes_one_canvas_a_token_and_batches_change_nothing() -> None:
    x0, order = SPACE.canvases()[7], torch.tensor([2, 0, 1])
    results = []
    for batch_size in (1, 2, 8):
        network = Oracle(SPACE, ABSORBING, chunk=batch_size)
        results.append(ordered_nats(network, ABSORBING, LogLinear(), x0, order, batch_size=batch_size))
        seen = torch.cat(network.seen)
        assert (seen == MASK).int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 1, 0]]
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.parametrize("chosen", [(0, 1, 2), (2, 0), (1,), ()])
def test_the_any_order_bound_of_a_few_tokens_is_the_mean_over_all_orders(chosen: tuple[int, ...]) -> None:
    where = torch.zeros(L, dtype=torch.bool).index_fill(0, torch.tensor(chosen, dtype=torch.long), True)
    tilt = randn(L, TOKENS, seed=62)
    for x0 in extremes(SPACE):
        orders = list(permutations(chosen))
        network = Oracle(SPACE, ABSORBING, tilt=tilt, normalised=True)
        each = [ordered_nats(network, ABSORBING, LogLinear(), x0, torch.tensor(o, dtype=torch.long)) for o in orders]
        found = []
        for batch_size in (1, 3, 8):
            network = Oracle(SPACE, ABSORBING, tilt=tilt, normalised=True)
            found.append(any_order_nats(network, ABSORBING, LogLinear(), x0, where, batch_size=batch_size))
            assert sum(map(len, network.seen)) == calls_of_sets(len(chosen))
        assert found[0] == pytest.approx(float(torch.stack(each).sum(1).mean()), rel=1e-12)
        assert found[0] == found[1] == found[2]


def test_pseudo_is_each_token_given_all_others() -> None:
    canvases = SPACE.canvases()
    for x0 in canvases[:: len(canvases) // 7]:
        for batch_size in (1, 2, 8):
            network = Oracle(SPACE, ABSORBING, chunk=batch_size)
            result = pseudo(network, ABSORBING, LogLinear(), x0, torch.arange(L), batch_size=batch_size)
            truth = [nats(SPACE, x0) - nats(SPACE, x0.index_fill(0, torch.tensor(i), MASK)) for i in range(L)]
            torch.testing.assert_close(result, torch.tensor(truth, dtype=torch.float64), rtol=1e-9, atol=1e-12)
            assert bool(((torch.cat(network.seen) == MASK).int() == torch.eye(L)).all())


def test_pseudo_counts_the_positions_asked_for_and_sums_mask_out() -> None:
    x0 = SPACE.canvases()[7].index_fill(0, torch.tensor(1), MASK)
    result = pseudo(Oracle(SPACE, ABSORBING), ABSORBING, LogLinear(), x0, torch.tensor([2]))
    assert result[:2].tolist() == [0, 0]
    truth = nats(SPACE, x0) - nats(SPACE, x0.index_fill(0, torch.tensor(2), MASK))
    assert float(result[2]) == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize("x0", extremes(PAIR), ids=["likeliest", "unlikeliest"])
def test_with_the_true_score_the_elbo_is_met(x0: Tensor) -> None:
    mean, error = of_copies(Oracle(PAIR, UNIFORM), UNIFORM, WIDE, x0, "elbo")
    assert error < PRECISION["elbo"]
    assert mean == pytest.approx(nats(PAIR, x0), abs=4.5 * error + 1e-3)


def test_every_term_of_the_elbo_counts() -> None:
    """Little noise at t = 1 and much at t = 0: the KL to the prior and the last term are then large, and exact too."""
    noise, x0 = Geometric(0.3, 2.0), extremes(PAIR)[0]
    network = Oracle(PAIR, UNIFORM)
    mean, error = of_copies(network, UNIFORM, noise, x0, "elbo")
    q1 = transition(UNIFORM, 2.0)[:, 0]
    prior = 2 * float((q1 * (q1 * TOKENS).log()).sum())
    assert prior > 0.01
    x = all_states(TOKENS, 2)
    q0 = transition(UNIFORM, 0.3)[x, x0].prod(1)
    # log p(x0 | x_0) of the denoising step by Bayes: each position by itself.
    joint = torch.stack([PAIR.p0 * transition(UNIFORM, 0.3)[y, PAIR.canvases()].prod(1) for y in x])
    joint = joint / joint.sum(1, keepdim=True)
    last = 0.0
    for i in range(2):
        last -= float((q0 * joint[:, PAIR.canvases()[:, i] == x0[i]].sum(1).log()).sum())
    assert last > 0.1
    expected = dwdse_by_enumeration(PAIR, UNIFORM, noise, x0) + prior + last
    assert error < PRECISION["elbo"]
    assert mean == pytest.approx(expected, abs=4.5 * error)


def test_with_a_worse_score_the_elbo_is_above_the_entropy() -> None:
    tilt = 0.6 * randn(2, TOKENS, seed=65)
    canvases, copies = PAIR.canvases(), 400
    network = Oracle(PAIR, UNIFORM, tilt=tilt)
    result = estimate(network, UNIFORM, WIDE, canvases.repeat(copies, 1), estimator="elbo", batch_size=10**4)
    each = result.replicates.view(-1, copies, len(canvases)).mean(1) @ PAIR.p0
    entropy = float(torch.special.entr(PAIR.p0).sum())
    assert float(each.mean()) > entropy + 5 * float(each.std() / len(each) ** 0.5) + 1e-3


def dwdse_by_enumeration(
    space: Space, process: Process, noise: Schedule, x0: Tensor, network: Oracle | None = None
) -> float:
    """The integral over t of the rate times the expected score entropy, with Q written out (equation 10)."""
    network = network or Oracle(space, process)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    x = all_states(process.states, space.length)
    total = 0.0
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        t = torch.tensor(node, dtype=torch.float64)
        sigma = noise.total(t)
        q = transition(process, float(sigma))[x, x0].prod(1)
        log_score = network.full(x, sigma.expand(len(x)))
        for row in (q > 1e-300).nonzero().squeeze(1).tolist():
            loss = sum(
                dense_score_entropy(process, log_score[row, i], float(sigma), int(x[row, i]), int(x0[i]))
                for i in range(space.length)
            )
            total += weight * float(noise.rate(t) * q[row]) * loss
    return total


@pytest.mark.parametrize(
    ("process", "noise"),
    [
        (ABSORBING, LogLinear()),
        (ABSORBING, Geometric(0.01, 3.0)),
        (UNIFORM, Cosine(0.1)),
        (UNIFORM, Geometric(0.01, 3.0)),
    ],
    ids=str,
)
def test_dwdse_is_the_integral_by_enumeration(process: Process, noise: Schedule) -> None:
    x0 = extremes(PAIR)[0]
    network = Oracle(PAIR, process, tilt=0.5 * randn(2, TOKENS, seed=66))
    mean, error = of_copies(network, process, noise, x0, "dwdse")
    assert error < PRECISION["dwdse"]
    assert mean == pytest.approx(dwdse_by_enumeration(PAIR, process, noise, x0, network), abs=4.5 * error)


@pytest.mark.parametrize(
    ("estimator", "process", "noise"),
    [("lambda", ABSORBING, LogLinear()), ("ao", ABSORBING, LogLinear()), ("elbo", UNIFORM, WIDE)],
    ids=["lambda", "ao", "elbo"],
)
def test_the_standard_error_is_honest(estimator: Estimator, process: Process, noise: Schedule) -> None:
    x0 = PAIR.canvases().repeat(20, 1)
    truth = -20 * float(PAIR.p0.log().sum())
    network, pulls = Oracle(PAIR, process), []
    for seed in range(40):
        result = estimate(
            network, process, noise, x0, estimator=estimator, replicates=16, seed=seed, batch_size=len(x0)
        )
        pulls.append((float(result.nats.sum()) - truth) / result.standard_error)
    pull = torch.tensor(pulls)
    assert 0.7 < float(pull.square().mean().sqrt()) < 1.4
    assert abs(float(pull.mean())) < 0.6


CASES = [
    ("lambda", ABSORBING, LogLinear()),
    ("ao", ABSORBING, Cosine()),
    ("dwdse", ABSORBING, LogLinear()),
    ("dwdse", UNIFORM, LogLinear()),
    ("elbo", UNIFORM, WIDE),
]
every_estimator = pytest.mark.parametrize(("estimator", "process", "noise"), CASES, ids=lambda v: str(v).split("(")[0])


@every_estimator
def test_batch_and_chunk_size_change_no_bit(estimator: Estimator, process: Process, noise: Schedule) -> None:
    x0 = PAIR.canvases()
    where = all_states(2, 2).bool().repeat(3, 1)[: len(x0)]
    results = [
        estimate(
            Oracle(PAIR, process, chunk=chunk),
            process,
            noise,
            x0,
            estimator=estimator,
            where=where,
            batch_size=size,
            draws=2,
        )
        for size, chunk in ((1, 1), (2, 3), (4, 5), (9, 2), (100, 1000))
    ]
    for other in results[1:]:
        assert torch.equal(other.replicates, results[0].replicates)
        assert torch.equal(other.per_token, results[0].per_token)


@every_estimator
def test_replicates_and_tokens_add_up_and_the_seed_decides(
    estimator: Estimator, process: Process, noise: Schedule
) -> None:
    network, x0 = Oracle(PAIR, process), PAIR.canvases()
    a, again, b = (estimate(network, process, noise, x0, estimator=estimator, replicates=5, seed=s) for s in (0, 0, 1))
    assert a.estimator == estimator and a.replicates.shape == (5, len(x0)) and a.per_token.shape == x0.shape
    torch.testing.assert_close(a.per_token.sum(1), a.nats)
    torch.testing.assert_close(a.replicates.mean(0), a.nats)
    assert torch.equal(a.replicates, again.replicates)
    assert not torch.equal(a.replicates, b.replicates)
    assert len(a.replicates.unique(dim=0)) == 5


def test_more_draws_shrink_the_monte_carlo_error_and_not_that_of_the_data() -> None:
    network, x0 = Oracle(PAIR, ABSORBING), PAIR.canvases()
    few, many = (
        estimate(network, ABSORBING, LogLinear(), x0, estimator="ao", replicates=24, draws=d, batch_size=9)
        for d in (1, 32)
    )
    assert many.standard_error < few.standard_error / 3
    spread = float(-PAIR.p0.log().std() * len(x0) ** 0.5)
    assert many.data_error == pytest.approx(abs(spread), rel=0.1)


@every_estimator
def test_given_tokens_are_never_noised_nor_counted(estimator: Estimator, process: Process, noise: Schedule) -> None:
    if estimator == "elbo":
        noise = Geometric(0.5, 20.0)  # its last term sees the canvas at this much noise
    network, x0 = Oracle(PAIR, process), PAIR.canvases()
    where = torch.tensor([[True, False]]).expand(len(x0), -1)
    result = estimate(network, process, noise, x0, estimator=estimator, where=where, batch_size=len(x0))
    assert bool((result.per_token[:, 1] == 0).all()) and bool((result.per_token[:, 0] != 0).all())
    for x in network.seen:
        assert torch.equal(x[:, 1], x0[:, 1])


@pytest.mark.parametrize(("estimator", "process"), [("lambda", UNIFORM), ("ao", UNIFORM), ("elbo", ABSORBING)], ids=str)
def test_estimators_that_do_not_fit_the_process_are_refused(estimator: Estimator, process: Process) -> None:
    with pytest.raises(UsageError, match=estimator):
        estimate(Oracle(PAIR, process), process, LogLinear(), PAIR.canvases(), estimator=estimator)


def test_one_replicate_has_no_error_and_is_refused() -> None:
    with pytest.raises(UsageError, match="replicates"):
        estimate(Oracle(PAIR, ABSORBING), ABSORBING, LogLinear(), PAIR.canvases(), estimator="ao", replicates=1)
