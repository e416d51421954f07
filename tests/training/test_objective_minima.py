"""On a space small enough to enumerate, each objective's minimum over a table of scores is the true score.

Expectations are exact: every clean canvas with every way to noise it, weighted by how likely they are. Noise is asked
for through the uniforms that the objectives take, so that it is their own noising that is tested.
"""

from collections.abc import Callable
from itertools import product
from math import comb

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.d3pm import make_chain
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.schedules import Cosine, Discrete, Geometric, LogLinear, Schedule, mask_probability
from sedd_cli.models.network import Loss
from sedd_cli.training.objectives import T_MIN, NoiseDraws, make_objective
from tests.diffusion.oracle import Oracle, Space, all_states, index_of

TOKENS, LENGTH = 3, 2
LAST = 1 - 1e-12
SPACE = Space(TOKENS, LENGTH, seed=4)
TIMES = (0.15, 0.5, 0.85)


class Table:
    """A number for every canvas, position and token: logits of c, or log scores at one noise level."""

    def __init__(self, process: Process, conditional: bool) -> None:
        self.process, self.conditional = process, conditional
        self.entries = torch.zeros(process.states**LENGTH, LENGTH, TOKENS, dtype=torch.float64, requires_grad=True)

    def logits(self, x: Tensor, where: Tensor) -> Tensor:
        return self.entries[index_of(x, self.process.states)][where]

    def read(self, logits: Tensor, sigma: Tensor, here: Tensor) -> Tensor:
        if self.conditional:
            return logits.log_softmax(-1) - torch.expm1(sigma).log()[:, None]
        return logits.scatter(-1, here[:, None], 0.0) if isinstance(self.process, Uniform) else logits

    def losses_at(self, x: Tensor, sigma: Tensor, where: Tensor, loss: Loss, attention: str = "full") -> Tensor:
        if attention == "causal":
            # After a prefix: the entry of the canvas of which the rest is masked, at its first masked position.
            row, position = where.nonzero().unbind(1)
            x = torch.where(torch.arange(LENGTH) > position[:, None], TOKENS, x[row])
            where = torch.arange(LENGTH) == position[:, None] + 1
        logits = self.logits(x, where)
        return loss(logits, torch.arange(len(logits)))


Case = tuple[float, list[float], float]
"""A time, a uniform for each position, and how likely they are."""


def masks(chance: Callable[[float], float]) -> list[Case]:
    """Each time, every set of masked positions: independent, each with `chance(time)`."""
    cases = []
    for time, masked in product(TIMES, product((True, False), repeat=LENGTH)):
        likely = torch.tensor([chance(time) if m else 1 - chance(time) for m in masked]).prod()
        cases.append((time, [0.0 if m else LAST for m in masked], float(likely)))
    return cases


def masks_at(share: float) -> list[Case]:
    """One time, every set of masked positions, each masked with this chance."""
    sets = product((True, False), repeat=LENGTH)
    return [(share, [0.0 if m else LAST for m in s], share ** sum(s) * (1 - share) ** (LENGTH - sum(s))) for s in sets]


def counted() -> list[Case]:
    """Each number of masked positions, every set of so many."""
    sets = [masked for masked in product((True, False), repeat=LENGTH) if any(masked)]
    return [(sum(s) / LENGTH, [0.0 if m else LAST for m in s], 1 / comb(LENGTH, sum(s))) for s in sets]


def moves(chance: float, time: float) -> list[Case]:
    """Every token each position may turn to, or stay as it is; twice, for what is left of the uniforms picks one of
    the two other tokens for the implicit losses."""
    halves = ((k + 0.5) / (TOKENS - 1) for k in range((TOKENS - 1) * TOKENS))
    options = [(chance * k / TOKENS, chance / TOKENS / (TOKENS - 1)) for k in halves]
    options += [(chance + (1 - chance) * share, (1 - chance) / (TOKENS - 1)) for share in (0.25, 0.75)]
    return [
        (time, [u for u, _ in some], float(torch.tensor([p for _, p in some], dtype=torch.float64).prod()))
        for some in product(options, repeat=LENGTH)
    ]


def sigma_at(noise: Schedule, time: float) -> Tensor:
    return noise.total(torch.tensor([T_MIN + (1 - T_MIN) * time], dtype=torch.float64))


def minimise(objective: str, table: Table, noise: Schedule, cases: list[Case]) -> float:
    """Bring the table to the objective's minimum, which is returned: summed over the cases, in nats a token."""
    x0 = SPACE.canvases().repeat_interleave(len(cases), 0)
    repeat = len(SPACE.p0)
    times, uniforms, likely = (torch.tensor(part, dtype=torch.float64) for part in zip(*cases, strict=True))
    noising = NoiseDraws(times.repeat(repeat), uniforms.repeat(repeat, 1))
    weights = SPACE.p0.repeat_interleave(len(cases)) * likely.repeat(repeat)
    optimiser = torch.optim.LBFGS([table.entries], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        total = (make_objective(objective, 0.1)(table, noise, x0, noising) * weights).sum()  # type: ignore[arg-type]
        total.backward()
        return total

    optimiser.step(loss)
    return float(loss().detach())


def assert_true_conditionals(table: Table) -> None:
    x = all_states(TOKENS + 1, LENGTH)
    masked = x == TOKENS
    torch.testing.assert_close(
        table.entries.detach().softmax(-1)[masked], SPACE.conditional(x)[masked], rtol=0, atol=2e-3
    )


@pytest.mark.parametrize("noise", [LogLinear(), Geometric(sigma_min=1e-2), Cosine()], ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("objective", ["lambda-dce", "ao", "simple", "t-dce", "dwdse"])
def test_the_minimum_is_the_true_conditional(objective: str, noise: Schedule) -> None:
    def chance(time: float) -> float:
        return time if objective == "lambda-dce" else float(mask_probability(sigma_at(noise, time)))

    table = Table(Absorbing(TOKENS), conditional=True)
    least = minimise(objective, table, noise, counted() if objective in ("ao", "simple") else masks(chance))
    assert_true_conditionals(table)
    if objective in ("ao", "lambda-dce"):
        # A mean over k, and over lambda, in which the loss is linear here: the entropy of the text is all that is left.
        mean = least / (LENGTH if objective == "ao" else len(TIMES))
        assert mean == pytest.approx(float(torch.special.entr(SPACE.p0).sum()) / LENGTH, rel=1e-5)


def test_the_autoregressive_minimum_is_the_next_tokens_conditional() -> None:
    table = Table(Absorbing(TOKENS), conditional=True)
    minimise("autoregressive", table, LogLinear(), [(0.5, [0.0] * LENGTH, 1.0)])
    x = torch.tensor([[y, TOKENS] for y in range(TOKENS)])
    torch.testing.assert_close(
        table.entries.detach().softmax(-1)[index_of(x, TOKENS + 1), 1], SPACE.conditional(x)[:, 1], rtol=0, atol=2e-3
    )


@pytest.mark.parametrize("objective", ["d3pm-vb", "d3pm-simple", "d3pm-hybrid"])
def test_a_d3pms_minimum_is_the_true_conditional(objective: str) -> None:
    noise = Discrete(LogLinear(), 5)
    table = Table(Absorbing(TOKENS), conditional=True)
    cases = [case for t in range(1, 6) for case in masks_at(t / 5)]
    least = minimise(objective, table, noise, cases)
    assert_true_conditionals(table)
    if objective == "d3pm-vb":
        # A mean over the steps. Two positions are independent only given a MASK at neither: above the entropy.
        assert least / 5 > float(torch.special.entr(SPACE.p0).sum()) / LENGTH


@pytest.mark.parametrize("t", [1, 2, 3])
@pytest.mark.parametrize("objective", ["d3pm-vb", "d3pm-simple", "d3pm-hybrid"])
def test_with_uniform_noise_a_d3pms_minimum_is_the_law_of_x0(objective: str, t: int) -> None:
    noise, process = Discrete(Cosine(0.1), 3), Uniform(TOKENS)
    chain = make_chain(process, noise)
    table = Table(process, conditional=True)
    minimise(objective, table, noise, moves(1 - float(chain.survival[t]), (t - 0.5) / 3))
    x = all_states(TOKENS, LENGTH)
    at = torch.full((len(x) * LENGTH,), t)
    log_score = Oracle(SPACE, process).real(x, chain.sigma(at[: len(x)]))
    true = chain.conditional(log_score.flatten(0, 1), x.flatten(), at).exp().view(len(x), LENGTH, TOKENS)
    torch.testing.assert_close(table.entries.detach().softmax(-1), true, rtol=0, atol=2e-3)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("process", [Absorbing(TOKENS), Uniform(TOKENS)], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("objective", ["dwdse", "ise", "csm", "dcsm"])
def test_the_minimum_is_the_true_score(objective: str, process: Process, time: float) -> None:
    """Of all scores, normalised or not, at one noise level: `p_t(y) / p_t(x)` of every neighbour y."""
    noise = LogLinear()
    sigma = sigma_at(noise, time)
    chance = float(mask_probability(sigma))
    cases = moves(chance, time) if isinstance(process, Uniform) else masks(lambda _: chance)
    table = Table(process, conditional=False)
    minimise(objective, table, noise, [(time, u, p) for t, u, p in cases if t == time])
    x = all_states(process.states, LENGTH)
    where = x == TOKENS if isinstance(process, Absorbing) else torch.ones_like(x, dtype=torch.bool)
    found = table.read(table.logits(x, where), sigma, x[where]).detach().exp()
    true = Oracle(SPACE, process).real(x, sigma.expand(len(x)))[where].exp()
    # The squared error hardly sees a small ratio: that is what score entropy mends.
    torch.testing.assert_close(found, true, rtol=5e-3, atol=2e-3 if "csm" in objective else 0)
