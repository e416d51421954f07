"""Explicit, implicit and denoising score entropy are one objective, and the true score is its minimum.

The same of concrete score matching (2211.00802), the squared error that score entropy replaced. Every expectation is a
sum over a space small enough to enumerate (SEDD, 2310.16834, propositions 3.2 and 3.3, theorem 3.4).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sedd_cli.diffusion.concrete_score import concrete_score, denoising_concrete_score, implicit_concrete_score
from sedd_cli.diffusion.neighbours import rescaled_uniforms, sampled_neighbour, sum_over_neighbours
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.score_entropy import implicit_score_entropy, score_entropy
from tests.diffusion.oracle import Oracle, Space, all_states, index_of, randn, rate_matrix, transition


@dataclass
class Enumerated:
    """All that the losses sum over: canvases x, their neighbours y and the rates between them, at one noise level.

    A table of log scores is (S, L, states): row x, position i, token y that would stand there; 0 at y = x_i.
    """

    process: Process
    sigma: float
    length: int = 2
    space: Space = field(init=False)

    def __post_init__(self) -> None:
        self.space = Space(self.process.tokens, self.length, seed=20)
        self.x = all_states(self.process.states, self.length)
        q = transition(self.process, self.sigma)[:, : self.process.tokens]
        self.forward = torch.ones(1, 1, dtype=torch.float64)
        for _ in range(self.length):
            self.forward = torch.kron(self.forward, q)
        self.p = self.forward @ self.space.p0
        states = torch.arange(self.process.states)
        Q = rate_matrix(self.process)
        self.rate = Q[self.x]  # (S, L, states): of y -> x, the weight of s(x)_y
        self.rate_back = Q.T[self.x]
        self.neighbour = torch.empty(*self.rate.shape, dtype=torch.int64)
        for i in range(self.length):
            for y in states.tolist():
                there = self.x.clone()
                there[:, i] = y
                self.neighbour[:, i, y] = index_of(there, self.process.states)
        self.moves = states != self.x[..., None]

    @property
    def truth(self) -> Tensor:
        return (self.p[self.neighbour] / self.p[:, None, None]).log()

    def random_table(self, seed: int) -> Tensor:
        return torch.where(self.moves, randn(*self.rate.shape, seed=seed), 0.0)

    def explicit(self, table: Tensor) -> float:
        loss = self.rate * score_entropy(table, self.truth.exp())
        return float((self.p[:, None, None] * loss)[self.moves].sum())

    def implicit(self, table: Tensor) -> float:
        """The rates belong to the two moves of a pair, so each goes with its own half of the loss."""
        i = torch.arange(self.length)[:, None]
        back = table[self.neighbour, i, self.x[:, :, None]]
        loss = implicit_score_entropy(table + self.rate.log(), self.rate_back * back)
        return float((self.p[:, None, None] * loss)[self.moves].sum())

    def denoising(self, table: Tensor) -> float:
        """The process's own loss, averaged over x0 and over what it turns to."""
        total = 0.0
        sigma = torch.full((len(self.x),), self.sigma, dtype=torch.float64)
        for x0, p0, q in zip(self.space.canvases(), self.space.p0, self.forward.T, strict=True):
            possible = q > 0
            x0 = x0.expand(len(self.x), -1)[possible]
            loss = self.process.score_entropy(table[possible], sigma[possible], self.x[possible], x0)
            total += float(p0 * (q[possible] @ loss.sum(1)))
        return total

    def losses(self, table: Tensor) -> tuple[float, float, float]:
        return self.explicit(table), self.implicit(table), self.denoising(table)

    def concrete(self, table: Tensor) -> tuple[float, float, float]:
        """The same three of concrete score matching."""
        explicit = self.rate * concrete_score(table, self.truth.exp())
        i = torch.arange(self.length)[:, None]
        back = table[self.neighbour, i, self.x[:, :, None]]
        implicit = implicit_concrete_score(table + self.rate.log() / 2, back + self.rate_back.log())
        halves = [float((self.p[:, None, None] * loss)[self.moves].sum()) for loss in (explicit, implicit)]
        sigma, denoising = torch.full((len(self.x),), self.sigma, dtype=torch.float64), 0.0
        for x0, p0, q in zip(self.space.canvases(), self.space.p0, self.forward.T, strict=True):
            clean = x0.expand(len(self.x), -1)
            loss = denoising_concrete_score(self.process, table, sigma, self.x, clean)
            denoising += float(p0 * torch.where(q > 0, q * loss.sum(1), 0.0).sum())
        return halves[0], halves[1], denoising


Losses = Callable[[Enumerated, Tensor], tuple[float, float, float]]

CASES = [Enumerated(process, sigma) for process in (Absorbing(3), Uniform(4)) for sigma in (0.05, 0.7, 3.0)]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.process}-{c.sigma}")


@every_case
def test_p0_is_no_product_and_the_oracle_is_its_score(case: Enumerated) -> None:
    joint = case.space.p0.view(case.process.tokens, -1)
    assert float((joint - joint.sum(1, keepdim=True) * joint.sum(0)).abs().max()) > 0.01
    assert float(joint.min()) > 0 and len(joint.unique()) == joint.numel()
    sigma = torch.full((len(case.x),), case.sigma, dtype=torch.float64)
    got = Oracle(case.space, case.process).real(case.x, sigma)
    read = case.x == case.process.tokens if isinstance(case.process, Absorbing) else case.x >= 0
    torch.testing.assert_close(got[read], case.truth[..., : case.process.tokens][read], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(case.space.noised(case.process, sigma)[0], case.p, rtol=1e-9, atol=1e-12)


both_losses = pytest.mark.parametrize("losses", [Enumerated.losses, Enumerated.concrete], ids=["entropy", "concrete"])


@both_losses
@every_case
def test_explicit_implicit_and_denoising_differ_by_constants(case: Enumerated, losses: Losses) -> None:
    a = losses(case, case.random_table(seed=21))
    b = losses(case, case.random_table(seed=22))
    explicit, implicit, denoising = (x - y for x, y in zip(a, b, strict=True))
    assert abs(explicit) > 1e-2
    assert implicit == pytest.approx(explicit, abs=1e-9, rel=1e-9)
    assert denoising == pytest.approx(explicit, abs=1e-9, rel=1e-9)


@both_losses
@every_case
def test_the_true_score_is_the_minimum_of_all_three(case: Enumerated, losses: Losses) -> None:
    truth = case.truth
    least = losses(case, truth)
    assert least[0] == pytest.approx(0, abs=1e-12)
    for seed in range(8):
        for size in (0.01, 1.0):
            worse = losses(case, truth + size * case.random_table(seed=30 + seed))
            assert all(w > best for w, best in zip(worse, least, strict=True))


@every_case
def test_the_gradient_of_the_denoising_loss_is_that_of_the_explicit_one(case: Enumerated) -> None:
    """d SE / d log s = p(x) Q(x, y) (s - r), whose estimate from x0 alone is what training follows."""
    table = case.random_table(seed=23).requires_grad_()
    sigma = torch.full((len(case.x),), case.sigma, dtype=torch.float64)
    loss = torch.zeros((), dtype=torch.float64)
    for x0, p0, q in zip(case.space.canvases(), case.space.p0, case.forward.T, strict=True):
        entropy = case.process.score_entropy(table, sigma, case.x, x0.expand(len(case.x), -1))
        # Canvases that x0 cannot turn to weigh nothing.
        loss = loss + p0 * (q[:, None] * entropy).sum()
    (got,) = torch.autograd.grad(loss, table)
    explicit = case.p[:, None, None] * case.rate * (table.detach().exp() - case.truth.exp())
    torch.testing.assert_close(got[case.moves], explicit[case.moves], rtol=1e-8, atol=1e-12)


@every_case
def test_the_sampled_neighbours_are_unbiased(case: Enumerated) -> None:
    """Of every u an equal share: one neighbour a position, weighted, sums to the implicit loss over all of them."""
    table, process, V = case.random_table(seed=24), case.process, case.process.states
    ours = torch.zeros(case.x.shape, dtype=torch.float64)
    shares = 12
    for k in range(shares):
        u = torch.full(case.x.shape, (k + 0.5) / shares, dtype=torch.float64)
        y, weight = sampled_neighbour(process, case.x, u)
        assert bool((y != case.x)[weight > 0].all()) and int(y.max()) < V
        for i in range(case.length):
            there = case.x.clone()
            there[:, i] = y[:, i]
            back = table[index_of(there, V), i].gather(1, case.x[:, [i]]).squeeze(1)
            ours[:, i] -= weight[:, i] * back / shares
    ours += sum_over_neighbours(process, table.exp(), case.x)
    assert float(case.p @ ours.sum(1)) == pytest.approx(case.implicit(table), rel=1e-9, abs=1e-9)


@every_case
def test_what_is_left_of_uniforms_is_uniform_whatever_they_made(case: Enumerated) -> None:
    u = ((torch.arange(60_000, dtype=torch.float64) + 0.5) / 60_000)[None]
    sigma, x0 = torch.tensor([case.sigma], dtype=torch.float64), torch.ones_like(u, dtype=torch.int64)
    made, left = case.process.perturb(x0, sigma, u), rescaled_uniforms(case.process, sigma, u)
    for token in made.unique().tolist():
        counts = torch.histc(left[made == token], bins=4, min=0, max=1)
        assert float(counts.max() - counts.min()) < 0.02 * float(counts.sum())


def test_the_gradient_of_score_entropy_is_that_of_concrete_score_matching_over_the_score() -> None:
    score, ratio = (2 * randn(2, 1000, seed=25)).exp()
    score.requires_grad_()
    (entropy,) = torch.autograd.grad(score_entropy(score.log(), ratio).sum(), score)
    (concrete,) = torch.autograd.grad(concrete_score(score.log(), ratio).sum(), score)
    torch.testing.assert_close(entropy, (concrete / score).detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(concrete, (score - ratio).detach(), rtol=1e-9, atol=1e-12)


numbers = st.floats(-8, 8)


@settings(derandomize=True, database=None, deadline=None)
@given(log_score=numbers, log_ratio=numbers)
def test_pointwise_it_is_never_negative_and_zero_at_the_ratio(log_score: float, log_ratio: float) -> None:
    s, r = torch.tensor([log_score, log_ratio], dtype=torch.float64)
    scale = 1e-12 * float(r.exp() * (1 + r.abs() + s.abs()) + s.exp())
    assert float(score_entropy(s, r.exp())) >= -scale
    assert float(score_entropy(r, r.exp())) == pytest.approx(0, abs=scale)


def test_pointwise_a_ratio_of_zero_leaves_the_score_alone() -> None:
    log_score = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(score_entropy(log_score, torch.zeros(3, dtype=torch.float64)), log_score.exp())
