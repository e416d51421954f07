"""D3PM in O(V) against its matrices written out, its bound against enumerated truth, its sampler against its law."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.d3pm import Chain, make_chain
from sedd_cli.diffusion.grid import Grid
from sedd_cli.diffusion.likelihood import default_estimator, estimate
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.samplers import make_sampler
from sedd_cli.diffusion.samplers.reveal_first import RevealFirst
from sedd_cli.diffusion.schedules import Cosine, Discrete, Geometric, LogLinear, Mixture, Schedule
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import (
    UNLIKELY,
    Oracle,
    Space,
    all_states,
    chain_law,
    chi_square_p,
    counts_of,
    ids_of,
    kernel,
    one_hot,
    randn,
    run_states,
    start_states,
)

TOKENS = 3
ABSORBING, UNIFORM = Absorbing(TOKENS), Uniform(TOKENS)
WIDE = Geometric(1e-3, 20.0)


def chain_of(process: Process, steps: int, noise: Schedule | None = None, mixture: Mixture = "posterior") -> Chain:
    return make_chain(process, Discrete(noise or LogLinear(), steps, mixture))


@dataclass
class Dense:
    """The chain as matrices: `step[t][y, x] = q(x_t = y | x_{t-1} = x)`, T x V x V."""

    chain: Chain

    @cached_property
    def step(self) -> list[Tensor]:
        process, T, V = self.chain.process, self.chain.noise.steps, self.chain.process.states
        matrices = [torch.eye(V, dtype=torch.float64)]
        for t in range(1, T + 1):
            if isinstance(process, Absorbing):
                beta = 1 / (T - t + 1)
                target = one_hot(torch.tensor([process.mask_id]), V)
            else:
                # Of the time between (t - 1) / T and t / T, and of what there is at 0.
                ends = self.chain.noise.total(torch.tensor([(t - 1) / T, t / T], dtype=torch.float64))
                beta = 1 - float(torch.exp(-(ends[1] - (ends[0] if t > 1 else 0))))
                target = torch.full((V,), 1 / V, dtype=torch.float64)
            matrices.append((1 - beta) * torch.eye(V, dtype=torch.float64) + beta * target[:, None].expand(V, V))
        return matrices

    @cached_property
    def products(self) -> list[Tensor]:
        return [*accumulate(self.step, lambda before, matrix: matrix @ before)]

    def until(self, t: int) -> Tensor:
        """`[y, x]` is q(x_t = y | x_0 = x)."""
        return self.products[t]

    def posterior(self, x: int, x0: int, t: int) -> Tensor:
        law = self.step[t][x] * self.until(t - 1)[:, x0]
        return law / law.sum()

    def reverse(self, c: Tensor, x: int, t: int) -> Tensor:
        process = self.chain.process
        possible = [x0 for x0 in range(process.tokens) if float(self.until(t)[x, x0]) > 0]
        if t == 1:
            law = torch.zeros(process.states, dtype=torch.float64)
            law[: process.tokens] = c
        elif self.chain.noise.mixture == "posterior":
            law = torch.stack([c[x0] * self.posterior(x, x0, t) for x0 in possible]).sum(0)
        else:
            law = torch.stack([c[x0] * self.step[t][x] * self.until(t - 1)[:, x0] for x0 in possible]).sum(0)
        return law / law.sum()


CHAINS = [
    chain_of(process, T, noise, mixture)
    for process, noise in ((ABSORBING, LogLinear()), (UNIFORM, LogLinear()), (UNIFORM, Geometric(0.2, 3.0)))
    for T in (1, 2, 5)
    for mixture in ("posterior", "joint")
]
every_chain = pytest.mark.parametrize(
    "chain", CHAINS, ids=lambda c: f"{type(c.process).__name__}-{c.noise.continuous}-{c.noise.steps}-{c.noise.mixture}"
)


def every_case(chain: Chain) -> list[tuple[int, int, int]]:
    """Each x_t, x0 and t that can come about."""
    V, dense = chain.process.states, Dense(chain)
    cases = [
        (x, x0, t) for t in range(1, chain.noise.steps + 1) for x in range(V) for x0 in range(chain.process.tokens)
    ]
    return [(x, x0, t) for x, x0, t in cases if float(dense.until(t)[x, x0]) > 0]


@every_chain
def test_forward_posterior_reverse_and_bound_are_those_of_the_matrices(chain: Chain) -> None:
    dense, cases = Dense(chain), every_case(chain)
    x, x0, t = torch.tensor(cases).T
    log_c = randn(len(cases), TOKENS, seed=1).log_softmax(1)
    if isinstance(chain.process, Absorbing):  # what is not masked is known
        known = torch.full_like(log_c, -torch.inf).scatter(1, x0[:, None], 0.0)
        log_c = torch.where((x == chain.process.mask_id)[:, None], log_c, known)
    posterior, reverse = chain.posterior(x, x0, t), chain.log_reverse(log_c, x, t).exp()
    nats = chain.nats(log_c, x, x0, t)
    for i, (here, clean, step) in enumerate(cases):
        q, p = dense.posterior(here, clean, step), dense.reverse(log_c[i].exp(), here, step)
        torch.testing.assert_close(posterior[i], q, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(reverse[i], p, rtol=1e-9, atol=1e-12)
        divergence = -p[clean].log() if step == 1 else (torch.xlogy(q, q) - torch.xlogy(q, p)).sum()
        torch.testing.assert_close(nats[i], divergence, rtol=1e-8, atol=1e-12)
    for step in range(chain.noise.steps + 1):
        stays = dense.until(step).diagonal()[0]
        expected = stays if isinstance(chain.process, Absorbing) else (TOKENS * stays - 1) / (TOKENS - 1)
        assert float(chain.survival[step]) == pytest.approx(float(expected), abs=1e-12)


@every_chain
def test_noise_is_drawn_by_the_matrices(chain: Chain) -> None:
    """By what each of evenly spread uniforms turns a token to."""
    even = ((torch.arange(9000, dtype=torch.float64) + 0.5) / 9000)[None]
    dense = Dense(chain)
    for t in range(1, chain.noise.steps + 1):
        for x0 in range(TOKENS):
            x = chain.perturb(torch.full_like(even, x0, dtype=torch.long), torch.tensor([t]), even)
            law = torch.bincount(x[0], minlength=chain.process.states) / 9000
            torch.testing.assert_close(law.double(), dense.until(t)[:, x0], rtol=0, atol=1e-3)


def test_the_mixtures_differ_for_the_uniform_process_and_agree_for_the_absorbing_one() -> None:
    log_c, x, t = randn(1, TOKENS, seed=2).log_softmax(1), torch.tensor([2]), torch.tensor([3])
    both = [chain_of(UNIFORM, 5, mixture=m).log_reverse(log_c, x, t).exp() for m in ("posterior", "joint")]
    assert float((both[0] - both[1]).abs().max()) > 0.01
    x = torch.tensor([TOKENS])
    both = [chain_of(ABSORBING, 5, mixture=m).log_reverse(log_c, x, t).exp() for m in ("posterior", "joint")]
    assert torch.equal(*both)


def test_cosine_noise_is_the_papers_schedule_but_for_its_offset() -> None:
    """Hoogeboom's `cos((t/T + s) / (1 + s) pi/2)`, s = 0.008, its last beta clipped at 0.999."""
    steps = torch.arange(1001, dtype=torch.float64) / 1000
    raw = torch.cos((steps + 0.008) / 1.008 * torch.pi / 2)
    theirs = torch.cat([raw[:1] ** 0, (raw[1:] / raw[:-1]).clamp(min=1e-3).cumprod(0)])
    assert float((chain_of(UNIFORM, 1000, Cosine()).survival - theirs).abs().max()) < 0.013


def test_float32_is_enough_and_gradients_are_finite() -> None:
    """Small steps too: `1 - alpha_t` is 1e-6 at the start of a thousand cosine steps."""
    for noise in (LogLinear(), Cosine()):
        for mixture in ("posterior", "joint"):
            chain = chain_of(UNIFORM, 1000, noise, mixture)
            t = torch.tensor([1, 1, 2, 2, 3, 500, 999, 1000, 1000])
            x, x0 = torch.tensor([0, 1, 0, 1, 2, 0, 1, 2, 0]), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 0])
            logits = (4 * randn(len(t), TOKENS, seed=3)).float().requires_grad_()
            nats = chain.nats(logits.log_softmax(1), x, x0, t)
            (gradient,) = torch.autograd.grad(nats.sum(), logits)
            exact = chain.nats(logits.detach().double().log_softmax(1), x, x0, t)
            assert bool(gradient.isfinite().all())
            torch.testing.assert_close(nats.double(), exact, rtol=2e-3, atol=2e-6)


def bound(chain: Chain, network: Oracle, x0: Tensor) -> float:
    """L_T and every term of L_vb, all noise enumerated: nats of x0 (L,)."""
    process, L, dense = chain.process, len(x0), Dense(chain)
    x, total = all_states(process.states, L), chain.prior_nats * L
    for t in range(1, chain.noise.steps + 1):
        q = dense.until(t)[x, x0].prod(1)
        at = torch.full((len(x),), t)
        log_score = network.real(x, chain.sigma(at))
        for i in range(L):
            log_c = chain.conditional(log_score[:, i], x[:, i], at)
            nats = chain.nats(log_c, x[:, i], x0[i].expand(len(x)), at)
            total += float(torch.where(q > 0, q * nats, 0.0).sum())
    return total


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("process", [ABSORBING, UNIFORM], ids=lambda p: type(p).__name__)
def test_of_one_token_the_true_posterior_meets_the_bound(process: Process, steps: int) -> None:
    """A position by itself has no others to be dependent on: each reverse step is then exact, and L_vb is -log p(x0)
    and what x_T still knows, however few the steps. The joint mixture's step is another: it is above."""
    space = Space(TOKENS, 1, seed=70)
    network = Oracle(space, process)
    for mixture in ("posterior", "joint"):
        chain = chain_of(process, steps, Geometric(0.1, 3.0), mixture)
        until = Dense(chain).until(steps)
        prior = torch.full((TOKENS,), 1 / TOKENS, dtype=torch.float64)
        p_end = until[:, :TOKENS] @ space.p0
        excess = 0.0
        for x0 in space.canvases():
            known = 0.0
            if isinstance(process, Uniform):
                known = float(until[:, int(x0)] @ (p_end / prior).log())
            exact = -float(space.probability(x0).log()) + known
            excess += float(space.probability(x0)) * (bound(chain, network, x0) - exact)
            if mixture == "posterior" or isinstance(process, Absorbing):
                assert bound(chain, network, x0) == pytest.approx(exact, abs=1e-9)
        if mixture == "joint" and isinstance(process, Uniform) and steps > 1:
            assert excess > 1e-4


def excess(chain: Chain, space: Space, network: Oracle | None = None) -> float:
    """Of the mean bound above the entropy."""
    network = network or Oracle(space, chain.process)
    mean = sum(float(p) * bound(chain, network, x0) for p, x0 in zip(space.p0, space.canvases(), strict=True))
    return mean - float(torch.special.entr(space.p0).sum())


@pytest.mark.parametrize(
    ("process", "noise"), [(ABSORBING, LogLinear()), (UNIFORM, Geometric(1e-4, 20.0))], ids=["absorbing", "uniform"]
)
def test_many_steps_meet_the_continuous_bound_as_one_over_T(process: Process, noise: Schedule) -> None:
    """With the true score that bound is the entropy. Halving the step halves what is above it."""
    space = Space(TOKENS, 2, seed=71)
    above = [excess(chain_of(process, T, noise), space) for T in (8, 16, 32, 64)]
    assert above[0] > 1e-3
    assert [a / b for a, b in zip(above[-3:-1], above[-2:], strict=True)] == pytest.approx([2, 2], rel=0.15)


def test_absorbing_it_is_a_sum_of_lambda_dce() -> None:
    """`sum_t 1/t E[cross entropy at lambda = t/T]`: of any network, linear in lambda where two positions are."""
    space = Space(TOKENS, 2, seed=72)
    network = Oracle(space, ABSORBING, tilt=0.5 * randn(2, TOKENS, seed=73), normalised=True)
    x0 = space.canvases()[4]
    rows = x0.expand(40_000, -1)
    continuous = estimate(network, ABSORBING, LogLinear(), rows, estimator="ao", batch_size=40_000)
    limit = float(continuous.nats.mean())
    gaps = [bound(chain_of(ABSORBING, T), network, x0) - limit for T in (4, 8)]
    assert abs(gaps[0]) > 0.01 and gaps[0] / gaps[1] == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("mixture", ["posterior", "joint"])
@pytest.mark.parametrize("process", [ABSORBING, UNIFORM], ids=lambda p: type(p).__name__)
def test_the_estimate_is_the_enumerated_bound(process: Process, mixture: Mixture) -> None:
    space = Space(TOKENS, 2, seed=74)
    network = Oracle(space, process, tilt=0.5 * randn(2, TOKENS, seed=75), normalised=True)
    chain = chain_of(process, 4, Geometric(0.1, 3.0), mixture)
    x0 = space.canvases()[3]
    assert default_estimator(process, chain.noise) == "d3pm"
    rows = x0.expand(20_000, -1)
    result = estimate(network, process, chain.noise, rows, estimator="d3pm", batch_size=20_000)
    error = result.standard_error / len(rows)
    assert error < 0.02
    assert float(result.nats.mean()) == pytest.approx(bound(chain, network, x0), abs=4.5 * error)
    torch.testing.assert_close(result.per_token.sum(1), result.nats)
    assert set((result.levels * 4).flatten().tolist()) == {1, 2, 3, 4}
    batches = [estimate(network, process, chain.noise, rows[:9], estimator="d3pm", batch_size=b) for b in (2, 9)]
    assert torch.equal(batches[0].replicates, batches[1].replicates)


@pytest.mark.parametrize("process", [ABSORBING, UNIFORM], ids=lambda p: type(p).__name__)
def test_given_tokens_are_never_noised_nor_counted(process: Process) -> None:
    space = Space(TOKENS, 2, seed=74)
    network, x0 = Oracle(space, process), space.canvases()
    where = torch.tensor([[True, False]]).expand(len(x0), -1)
    result = estimate(network, process, chain_of(process, 3).noise, x0, estimator="d3pm", where=where)
    assert bool((result.per_token[:, 1] == 0).all()) and bool((result.per_token[:, 0] != 0).all())
    assert all(set(x[:, 1].tolist()) <= {0, 1, 2} for x in network.seen)


def test_without_a_chain_there_is_no_such_bound() -> None:
    space = Space(TOKENS, 2)
    with pytest.raises(UsageError, match="d3pm"):
        estimate(Oracle(space, UNIFORM), UNIFORM, LogLinear(), space.canvases(), estimator="d3pm")


L = 3
SPACE = Space(TOKENS, L, seed=76)
EMPTY = torch.full((L,), TOKENS)


def prior(process: Process) -> Tensor:
    V = process.states
    return one_hot(EMPTY, V) if isinstance(process, Absorbing) else torch.full((V**L,), V**-L, dtype=torch.float64)


def ancestral_law(chain: Chain, network: Oracle) -> Tensor:
    """The law of the chain back from its prior, step by step: (tokens^L,)."""
    process, V = chain.process, chain.process.states
    x = all_states(V, L)
    law = prior(process)
    for t in range(chain.noise.steps, 0, -1):
        at = torch.full((len(x),), t)
        log_score = network.real(x, chain.sigma(at))
        log_c = [chain.conditional(log_score[:, i], x[:, i], at) for i in range(L)]
        laws = [chain.log_reverse(c, x[:, i], at).exp() for i, c in enumerate(log_c)]
        law = law @ kernel(torch.stack(laws, dim=1))
    return law.view((V,) * L)[:TOKENS, :TOKENS, :TOKENS].flatten()


@pytest.mark.parametrize(
    ("process", "steps", "mixture"),
    [(ABSORBING, 3, "posterior"), (UNIFORM, 3, "posterior"), (UNIFORM, 3, "joint"), (UNIFORM, 1, "joint")],
    ids=str,
)
def test_samples_follow_the_chain(process: Process, steps: int, mixture: Mixture) -> None:
    chain = chain_of(process, steps, mixture=mixture)
    network = Oracle(SPACE, process, tilt=0.4 * randn(L, TOKENS, seed=77), normalised=True)
    sampler = make_sampler(process, chain.noise, name="ancestral", free=torch.full((L,), True))
    assert sampler.num_updates == steps
    states = run_states(sampler, network, start_states(sampler, EMPTY, EMPTY == TOKENS, 2400))
    law = ancestral_law(chain, network)
    assert float(law.sum()) == pytest.approx(1, abs=1e-12)
    assert chi_square_p(counts_of(ids_of(states), TOKENS), law) > UNLIKELY
    other = ancestral_law(chain_of(process, 20, mixture=mixture), network)
    assert chi_square_p(counts_of(ids_of(states), TOKENS), other) < UNLIKELY


def test_the_posterior_mixture_is_tweedie_on_the_chains_grid() -> None:
    """Of the uniform process (theorem 4.2 of SEDD is the same sum), and of the absorbing one."""
    for process in (ABSORBING, UNIFORM):
        chain, network = chain_of(process, 4), Oracle(SPACE, process)
        t = torch.arange(4, 0, -1).double() / 4
        sigma = chain.noise.total(t)
        tweedie = chain_law(process, network, Grid(t, sigma, sigma[:-1]), "tweedie", prior(process))
        torch.testing.assert_close(ancestral_law(chain, network), tweedie, rtol=0, atol=1e-10)


def test_absorbing_calls_are_few_and_known_and_a_prompt_is_kept() -> None:
    chain, network = chain_of(ABSORBING, 1000), Oracle(SPACE, ABSORBING)
    start = torch.tensor([TOKENS, 1, TOKENS])
    sampler = make_sampler(ABSORBING, chain.noise, name="ancestral", free=torch.arange(L) >= L - 2)
    assert isinstance(sampler, RevealFirst) and sampler.num_updates == 1000
    states = start_states(sampler, start, start == TOKENS, 2400)
    assert all(sampler.calls_left(s) <= 2 for s in states)
    ids = ids_of(run_states(sampler, network, states))
    assert bool((ids[:, 1] == 1).all())
    assert chi_square_p(counts_of(ids, TOKENS), SPACE.given(start)) > UNLIKELY


@pytest.mark.parametrize("process", [ABSORBING, UNIFORM], ids=lambda p: type(p).__name__)
def test_what_is_no_d3pm_is_refused(process: Process) -> None:
    with pytest.raises(UsageError, match="ancestral"):
        make_sampler(process, LogLinear(), name="ancestral", free=torch.full((L,), True))
    with pytest.raises(UsageError, match="normalised"):
        make_sampler(process, chain_of(process, 3).noise, name="ancestral", score="raw", free=torch.full((L,), True))
