"""The forward processes against their rate matrices, written out in full."""

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.randomness import uniforms
from tests.diffusion.oracle import (
    UNLIKELY,
    Oracle,
    Space,
    chi_square_p,
    dense_score_entropy,
    rand,
    randn,
    rate_matrix,
    transition,
)

PROCESSES = [Absorbing(3), Absorbing(4), Uniform(3), Uniform(4)]
SIGMAS = [1e-3, 0.1, 0.9, 4.0]
every_process = pytest.mark.parametrize("process", PROCESSES, ids=str)
every_sigma = pytest.mark.parametrize("sigma", SIGMAS)


def scalar(value: float, n: int = 1) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


def random_log_score(process: Process, x: Tensor, seed: int) -> Tensor:
    """(B, L) -> (B, L, states), 0 at x as a network's is."""
    return randn(*x.shape, process.states, seed=seed).scatter(-1, x[..., None], 0.0)


@every_process
@every_sigma
def test_perturb_draws_from_the_forward_transition(process: Process, sigma: float) -> None:
    N = 50_000
    x0 = torch.arange(process.tokens)[:, None].expand(-1, N)
    u = uniforms(1, 0, 9, size=x0.numel()).view(x0.shape)
    x = process.perturb(x0, scalar(sigma, process.tokens), u)
    assert x.dtype == torch.int64
    q = transition(process, sigma)
    for token in range(process.tokens):
        counts = torch.bincount(x[token], minlength=process.states)
        assert chi_square_p(counts, q[:, token].clamp(min=0)) > UNLIKELY


@every_process
def test_perturb_spends_every_part_of_u_as_the_transition_says(process: Process) -> None:
    N = 100_000
    u = ((torch.arange(N) + 0.5) / N).double()[None]
    for sigma in SIGMAS:
        x = process.perturb(torch.zeros(1, N, dtype=torch.int64), scalar(sigma), u)
        share = torch.bincount(x[0], minlength=process.states).double() / N
        torch.testing.assert_close(share, transition(process, sigma)[:, 0], rtol=0, atol=2 / N)


@every_process
def test_no_noise_changes_nothing_and_canvases_have_their_own_noise(process: Process) -> None:
    x0 = torch.zeros(2, 500, dtype=torch.int64)
    u = rand(2, 500, seed=0)
    u[:, 0] = 0
    x = process.perturb(x0, torch.tensor([0.0, 50.0], dtype=torch.float64), u)
    assert bool((x[0] == 0).all())
    assert not bool((x[1] == 0).all())


@every_process
@every_sigma
def test_score_entropy_is_the_sum_over_the_rate_matrix(process: Process, sigma: float) -> None:
    possible = transition(process, sigma) > 1e-12
    pairs = torch.tensor([(x, x0) for x in range(process.states) for x0 in range(process.tokens) if possible[x, x0]])
    x, x0 = pairs.T[:, None]
    log_score = random_log_score(process, x, seed=3)
    got = process.score_entropy(log_score, scalar(sigma), x, x0)
    assert got.shape == x.shape
    dense = [
        dense_score_entropy(process, s, sigma, a, b)
        for s, a, b in zip(log_score[0], x[0].tolist(), x0[0].tolist(), strict=True)
    ]
    torch.testing.assert_close(got[0], torch.tensor(dense, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@every_process
def test_score_entropy_takes_each_canvas_at_its_own_noise(process: Process) -> None:
    x = torch.tensor([[process.states - 1, 0], [0, process.states - 1]])
    x0 = torch.tensor([[1, 0], [0, 2]])
    log_score = random_log_score(process, x, seed=4)
    sigma = torch.tensor([0.2, 1.5], dtype=torch.float64)
    both = process.score_entropy(log_score, sigma, x, x0)
    for b in range(2):
        alone = process.score_entropy(log_score[b : b + 1], sigma[b : b + 1], x[b : b + 1], x0[b : b + 1])
        torch.testing.assert_close(both[b : b + 1], alone)


@every_process
@pytest.mark.parametrize(("sigma", "after"), [(0.9, 0.3), (0.9, 0.0), (3.0, 2.99), (0.01, 0.0)])
def test_tweedie_weights_are_the_matrix_expression(process: Process, sigma: float, after: float) -> None:
    x = torch.arange(process.states)[None]
    log_score = random_log_score(process, x, seed=5)
    got = process.tweedie_weights(log_score, x, scalar(sigma), scalar(after))
    dsigma = sigma - after
    forward, backward = transition(process, dsigma), torch.linalg.matrix_exp(-dsigma * rate_matrix(process))
    dense = (log_score[0].exp() @ backward.T) * forward
    torch.testing.assert_close(got[0], dense, rtol=1e-9, atol=1e-12)


@every_process
def test_euler_weights_are_the_identity_plus_the_reverse_rate(process: Process) -> None:
    x = torch.arange(process.states)[None]
    log_score = random_log_score(process, x, seed=6)
    step = 0.07
    got = process.euler_weights(log_score, x, scalar(step))
    # The reverse rate of x -> y is Q(x, y) s_y (as in equation 17); what leaves is taken from x.
    rate = rate_matrix(process) * log_score[0].exp()
    rate.fill_diagonal_(0.0)
    dense = step * rate + torch.diag(1 - step * rate.sum(1))
    torch.testing.assert_close(got[0], dense, rtol=1e-12, atol=1e-12)


@every_process
def test_weights_take_each_canvas_at_its_own_noise_and_leave_the_score_alone(process: Process) -> None:
    x = torch.tensor([[process.states - 1, 0], [1, process.states - 1]])
    log_score = random_log_score(process, x, seed=7)
    before = log_score.clone()
    sigma, after = torch.tensor([[0.4, 2.0], [0.1, 1.2]], dtype=torch.float64)
    tweedie = process.tweedie_weights(log_score, x, sigma, after)
    euler = process.euler_weights(log_score, x, after)
    assert torch.equal(log_score, before)
    for b in range(2):
        one = slice(b, b + 1)
        alone = process.tweedie_weights(log_score[one], x[one], sigma[one], after[one])
        torch.testing.assert_close(tweedie[one], alone)
        torch.testing.assert_close(euler[one], process.euler_weights(log_score[one], x[one], after[one]))


def exact_reverse(space: Space, process: Process, sigma: float, after: float) -> Tensor:
    """p(x_{t'} = y | x_t = x) of a single token by Bayes: (x, y)."""
    p = transition(process, after)[:, : space.tokens] @ space.p0
    joint = transition(process, sigma - after) * p
    return joint / joint.sum(1, keepdim=True)


def true_score(space: Space, process: Process, sigma: float) -> Tensor:
    """log p_t(y) / p_t(x) of every state y, for x = every state: (1, states, states)."""
    p = space.noised(process, scalar(sigma))[0]
    return (p / p[:, None]).log()[None]


@every_process
@pytest.mark.parametrize(("sigma", "after"), [(0.9, 0.3), (0.9, 0.0), (5.0, 0.01), (0.01, 0.0)])
def test_with_the_true_score_tweedie_is_the_exact_reverse_of_a_single_token(
    process: Process, sigma: float, after: float
) -> None:
    space = Space(process.tokens, 1, seed=8)
    x = torch.arange(process.states)[None]
    weights = process.tweedie_weights(true_score(space, process, sigma), x, scalar(sigma), scalar(after))[0]
    torch.testing.assert_close(
        weights / weights.sum(1, keepdim=True), exact_reverse(space, process, sigma, after), rtol=1e-9, atol=1e-12
    )


@every_process
def test_with_the_true_score_euler_is_exact_to_first_order(process: Process) -> None:
    space, sigma = Space(process.tokens, 1, seed=9), 0.8
    x = torch.arange(process.states)[None]

    def error(step: float) -> float:
        weights = process.euler_weights(true_score(space, process, sigma), x, scalar(step))[0]
        return float((weights - exact_reverse(space, process, sigma, sigma - step)).abs().max())

    assert error(0.01) < 0.01
    assert error(0.01) / error(0.005) == pytest.approx(4, rel=0.05)


@every_process
def test_the_oracle_is_the_score_of_the_noised_law(process: Process) -> None:
    """What stands in for the network, against p_t(y) / p_t(x) written out."""
    space, sigma = Space(process.tokens, 1, seed=10), 0.6
    network = Oracle(space, process)
    x = torch.arange(process.states)[:, None]
    rows = x[:, 0] == process.states - 1 if isinstance(process, Absorbing) else torch.ones(len(x), dtype=torch.bool)
    got = network.real(x, scalar(sigma, len(x)))[rows, 0]
    torch.testing.assert_close(got, true_score(space, process, sigma)[0][rows][:, : process.tokens])
