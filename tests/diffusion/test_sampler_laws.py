"""What the samplers draw from, against laws enumerated exactly."""

import math
from collections import defaultdict
from itertools import product

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.grid import T_END, Grid, Method, make_grid
from sedd_cli.diffusion.names import TOKEN_BY_TOKEN
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.randomness import START, uniforms
from sedd_cli.diffusion.samplers import Sampler, make_sampler
from sedd_cli.diffusion.samplers.reveal_first import RevealFirst
from sedd_cli.diffusion.schedules import Cosine, Geometric, LogLinear, Schedule, mask_probability
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import (
    ABSORBING_SAMPLERS,
    SCHEDULES,
    UNLIKELY,
    Oracle,
    Space,
    all_states,
    chain_law,
    chi_square_p,
    counts_of,
    ids_of,
    index_of,
    kernel,
    one_hot,
    rand,
    run_states,
    start_states,
)

TOKENS, L = 3, 3
MASK = TOKENS
ABSORBING, UNIFORM = Absorbing(TOKENS), Uniform(TOKENS)
SPACE = Space(TOKENS, L, seed=40)
ALL_MASK = torch.full((L,), MASK)
CLAMPED = torch.tensor([MASK, 1, MASK])
"""The token in the middle is given."""
SAMPLES = 2400

every_schedule = pytest.mark.parametrize("noise", SCHEDULES, ids=lambda n: type(n).__name__)
both_methods = pytest.mark.parametrize("method", ["tweedie", "euler"])
slow = pytest.mark.slow
"""Where another row has the same code on another schedule or start."""
both_starts = pytest.mark.parametrize("start", [ALL_MASK, CLAMPED], ids=["all-mask", "clamped"])


def unnormalised() -> Oracle:
    """The true score times factors by position and token: some weights are negative, the MASK weight among them."""
    factor = 0.5 + 1.2 * rand(L, TOKENS, seed=41)
    return Oracle(SPACE, ABSORBING, tilt=factor.log())


def absorbing_sampler(noise: Schedule, start: Tensor, **settings: object) -> Sampler:
    return make_sampler(ABSORBING, noise, free=start == MASK, **settings)  # type: ignore[arg-type]


def sampled(sampler: Sampler, network: Oracle, start: Tensor, rows: int = SAMPLES) -> Tensor:
    """(rows, L) ids of rows 0, 1, ...; the positions of `start` that are not MASK are clamped."""
    return ids_of(run_states(sampler, network, start_states(sampler, start, start == MASK, rows)))


def revealed_in_turn(start: Tensor, turns: tuple[int, ...]) -> Tensor:
    """The law when free positions are revealed in order of `turns`, those of one turn independently: (tokens^L,)."""
    x = all_states(MASK + 1, L)
    conditional, stay = SPACE.conditional(x), torch.eye(MASK + 1, dtype=torch.float64)[x]
    free = (start == MASK).nonzero().squeeze(1)
    law = one_hot(start, MASK + 1)
    for turn in sorted(set(turns)):
        weights = stay.clone()
        for i in free[torch.tensor(turns) == turn].tolist():
            masked = x[:, i] == MASK
            weights[masked, i] = torch.nn.functional.pad(conditional[masked, i], (0, 1))
        law = law @ kernel(weights)
    return law[index_of(SPACE.canvases(), MASK + 1)]


def reveal_first_law(grid: Grid, method: Method, start: Tensor, turns_law: dict[tuple[int, ...], Tensor]) -> Tensor:
    """Sum over the assignments of reveal steps to free positions, each with the chance that the survivals give it."""
    survival = grid.survival(method)
    chance = torch.cat([survival[:-1] - survival[1:], survival[-1:]]).tolist()
    assert sum(chance) == pytest.approx(1, abs=1e-12) and min(chance) >= 0
    weight: dict[tuple[int, ...], float] = defaultdict(float)
    for steps in product(range(grid.steps + 1), repeat=int((start == MASK).sum())):
        order = sorted(set(steps))
        weight[tuple(order.index(k) for k in steps)] += math.prod(chance[k] for k in steps)
    total = torch.zeros(len(SPACE.p0), dtype=torch.float64)
    for turns, w in weight.items():
        if turns not in turns_law:
            turns_law[turns] = revealed_in_turn(start, turns)
        total += w * turns_law[turns]
    return total


@both_starts
@both_methods
@every_schedule
def test_reveal_first_has_the_law_of_the_chain(noise: Schedule, method: Method, start: Tensor) -> None:
    network, turns_law = Oracle(SPACE, ABSORBING), {}
    for n in (1, 2, 3, 5, 8):
        grid = make_grid(noise, n, masked_fraction=float((start == MASK).double().mean()))
        chain = chain_law(ABSORBING, network, grid, method, one_hot(start, MASK + 1))
        reveal_first = reveal_first_law(grid, method, start, turns_law)
        assert float(chain.sum()) == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(reveal_first, chain, rtol=0, atol=1e-10)


@both_methods
@every_schedule
def test_a_level_reveals_in_the_step_whose_survivals_enclose_it(noise: Schedule, method: Method) -> None:
    sampler = absorbing_sampler(noise, ALL_MASK, name=method, steps=5)
    assert isinstance(sampler, RevealFirst)
    survival = sampler.grid.survival(method)
    upper, lower = survival, torch.cat([survival[1:], torch.zeros(1, dtype=torch.float64)])
    for k in range(6):
        if upper[k] > lower[k]:
            ends = torch.stack([lower[k], (lower[k] + upper[k]) / 2, torch.nextafter(upper[k], lower[k])])
            assert sampler.reveal_step(ends).tolist() == [k] * 3


@every_schedule
def test_the_grid_runs_from_what_is_masked_down_to_its_end(noise: Schedule) -> None:
    for fraction in (1.0, 0.5, 1 / 3):
        grid = make_grid(noise, 7, masked_fraction=fraction)
        reachable = min(fraction, float(mask_probability(noise.total(torch.ones(1, dtype=torch.float64)))))
        assert float(mask_probability(grid.sigma[0])) == pytest.approx(reachable, rel=1e-9)
        assert float(grid.t[-1]) == pytest.approx(T_END, rel=1e-9)
        assert bool((grid.t.diff() < 0).all()) and grid.steps == 7
        torch.testing.assert_close(grid.rate_dt, noise.rate(grid.t[:-1]) * -grid.t.diff())
        jumps = torch.stack([grid.jump(k) for k in range(8)])
        torch.testing.assert_close(jumps.flip(0).cumsum(0).flip(0), grid.sigma)


def test_more_steps_come_nearer_to_p0_and_one_does_not_reach_it() -> None:
    network, start = Oracle(SPACE, ABSORBING), one_hot(ALL_MASK, MASK + 1)
    for method in ("tweedie", "euler"):
        laws = [chain_law(ABSORBING, network, make_grid(LogLinear(), n), method, start) for n in (1, 4, 16, 64, 256)]
        distances = [float((law - SPACE.p0).abs().sum()) for law in laws]
        assert distances[0] > 0.05
        assert distances == sorted(distances, reverse=True) and distances[-1] < 0.02


@pytest.mark.parametrize(
    ("noise", "method", "steps", "start"),
    [
        (LogLinear(), "tweedie", 2, ALL_MASK),
        pytest.param(LogLinear(), "euler", 3, ALL_MASK, marks=slow),
        pytest.param(Geometric(), "euler", 2, ALL_MASK, marks=slow),
        pytest.param(LogLinear(), "tweedie", 3, CLAMPED, marks=slow),
        (Cosine(), "euler", 2, CLAMPED),
    ],
    ids=["tweedie", "euler", "euler-geometric", "tweedie-clamped", "euler-clamped-cosine"],
)
def test_reveal_first_samples_follow_the_chain(noise: Schedule, method: Method, steps: int, start: Tensor) -> None:
    network = Oracle(SPACE, ABSORBING)
    sampler = absorbing_sampler(noise, start, name=method, steps=steps)
    assert isinstance(sampler, RevealFirst)
    law = chain_law(ABSORBING, network, sampler.grid, method, one_hot(start, MASK + 1))
    assert chi_square_p(counts_of(sampled(sampler, network, start), TOKENS), law) > UNLIKELY


@pytest.mark.parametrize("network", [Oracle(SPACE, ABSORBING), unnormalised()], ids=["true", "unnormalised"])
@pytest.mark.parametrize(
    ("noise", "method", "start"),
    [
        (LogLinear(), "tweedie", ALL_MASK),
        (LogLinear(), "euler", CLAMPED),
        pytest.param(Geometric(), "euler", ALL_MASK, marks=slow),
    ],
    ids=["tweedie", "euler-clamped", "euler-geometric"],
)
def test_raw_samples_follow_the_chain(noise: Schedule, method: Method, start: Tensor, network: Oracle) -> None:
    sampler = absorbing_sampler(noise, start, name=method, score="raw", steps=3)
    law = chain_law(ABSORBING, network, make_grid(noise, 3), method, one_hot(start, MASK + 1))
    assert chi_square_p(counts_of(sampled(sampler, network, start), TOKENS), law) > UNLIKELY


@both_methods
def test_the_unnormalised_score_gives_negative_weights_and_another_law(method: Method) -> None:
    """So the test above does exercise the clamping, and would see a sampler that normalised first."""
    grid, network, start = make_grid(LogLinear(), 3), unnormalised(), one_hot(ALL_MASK, MASK + 1)
    x = all_states(MASK + 1, L)
    log_score = network.full(x, grid.sigma[2].expand(len(x)))
    after, rate_dt = grid.sigma[3].expand(len(x)), grid.rate_dt[2].expand(len(x))
    weights = (
        ABSORBING.euler_weights(log_score, x, rate_dt)
        if method == "euler"
        else ABSORBING.tweedie_weights(log_score, x, grid.sigma[2].expand(len(x)), after)
    )
    assert float(weights.min()) < -0.1
    normalised = Oracle(SPACE, ABSORBING, tilt=network.tilt, normalised=True)
    laws = [chain_law(ABSORBING, net, grid, method, start) for net in (network, normalised)]
    assert float((laws[0] - laws[1]).abs().sum()) > 0.02


@pytest.mark.parametrize(
    ("noise", "method", "steps", "spoilt"),
    [
        pytest.param(LogLinear(), "tweedie", 3, False, marks=slow),
        (LogLinear(), "euler", 3, False),
        (Geometric(1e-3, 5.0), "tweedie", 2, True),
        pytest.param(LogLinear(), "euler", 3, True, marks=slow),
    ],
    ids=["tweedie", "euler", "tweedie-unnormalised", "euler-unnormalised"],
)
def test_uniform_samples_follow_the_chain(noise: Schedule, method: Method, steps: int, spoilt: bool) -> None:
    tilt = 1.5 * (rand(L, TOKENS, seed=42) - 0.5) if spoilt else None
    network = Oracle(SPACE, UNIFORM, tilt=tilt)
    sampler = make_sampler(UNIFORM, noise, name=method, steps=steps, free=torch.full((L,), True))
    start = torch.full((TOKENS**L,), 1 / TOKENS**L, dtype=torch.float64)
    law = chain_law(UNIFORM, network, make_grid(noise, steps), method, start)
    assert chi_square_p(counts_of(sampled(sampler, network, ALL_MASK), TOKENS), law) > UNLIKELY


@both_methods
def test_uniform_steps_keep_clamped_tokens(method: Method) -> None:
    sampler = make_sampler(UNIFORM, LogLinear(), name=method, steps=4, free=torch.arange(L) >= L - 2)
    network = Oracle(SPACE, UNIFORM)
    ids = sampled(sampler, network, CLAMPED, rows=50)
    assert bool((ids[:, 1] == 1).all()) and len(ids.unique(dim=0)) > 1
    assert all(bool((x[:, 1] == 1).all()) for x in network.seen)


@both_methods
def test_the_first_noise_of_the_uniform_process_leaves_no_line_end_in_a_line(method: Method) -> None:
    """A token that never moves is not drawn: such a one has to move in the last step."""
    limits = LogitsProcessor(exclusions=(((0, 2), (1,)),))
    drawn = []
    for processor in (limits, LogitsProcessor()):
        sampler = make_sampler(
            UNIFORM, LogLinear(), name=method, steps=2, free=torch.full((L,), True), logits_processor=processor
        )
        drawn.append(sampled(sampler, Oracle(SPACE, UNIFORM), ALL_MASK, rows=300))
    for position, limited in enumerate((True, False, True)):
        assert bool((drawn[0][:, position] == 1).any()) != limited
        assert bool((drawn[1][:, position] == 1).any())


@pytest.mark.parametrize(
    ("noise", "start"),
    [
        (LogLinear(), ALL_MASK),
        pytest.param(LogLinear(), CLAMPED, marks=slow),
        pytest.param(Geometric(), ALL_MASK, marks=slow),
        (Cosine(), CLAMPED),
    ],
    ids=["all-mask", "clamped", "all-mask-geometric", "clamped-cosine"],
)
def test_first_hitting_samples_follow_p0(noise: Schedule, start: Tensor) -> None:
    sampler = absorbing_sampler(noise, start, name="first-hitting")
    counts = counts_of(sampled(sampler, Oracle(SPACE, ABSORBING), start), TOKENS)
    assert chi_square_p(counts, SPACE.given(start)) > UNLIKELY


def test_this_many_samples_tell_a_chain_from_p0() -> None:
    network = Oracle(SPACE, ABSORBING)
    one_step = sampled(absorbing_sampler(LogLinear(), ALL_MASK, steps=1), network, ALL_MASK)
    assert chi_square_p(counts_of(one_step, TOKENS), SPACE.p0) < UNLIKELY


@both_methods
@every_schedule
def test_raw_with_a_normalised_network_writes_what_reveal_first_writes(noise: Schedule, method: Method) -> None:
    network = Oracle(SPACE, ABSORBING)
    for steps in (1, 4, 16):
        first, raw = (
            sampled(absorbing_sampler(noise, ALL_MASK, name=method, score=score, steps=steps), network, ALL_MASK, 50)
            for score in ("normalised", "raw")
        )
        assert torch.equal(first, raw)


NAMES = [*ABSORBING_SAMPLERS, "raw", "uniform"]


def named(name: str, start: Tensor, steps: int = 4) -> tuple[Sampler, Oracle]:
    if name == "uniform":
        sampler = make_sampler(UNIFORM, LogLinear(), steps=steps, free=start == MASK)
        return sampler, Oracle(SPACE, UNIFORM)
    if name == "raw":
        return absorbing_sampler(LogLinear(), start, score="raw", steps=steps), unnormalised()
    return absorbing_sampler(LogLinear(), start, name=name, steps=steps), Oracle(SPACE, ABSORBING)


@both_starts
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_calls_left_is_known_before_the_first_call(name: str, steps: int, start: Tensor) -> None:
    sampler, network = named(name, start, steps)
    masked = int((start == MASK).sum())
    promised_fewer = False
    for state in start_states(sampler, start, start == MASK, rows=15):
        promised, calls = sampler.calls_left(state), 0
        while left := sampler.calls_left(state):
            ((state, _),) = sampler.advance([state], network)
            calls += 1
            assert sampler.calls_left(state) == left - 1 or not sampler.exact_calls
        assert calls == promised if sampler.exact_calls else calls <= promised
        if name in ("tweedie", "euler"):
            assert promised <= min(masked, steps + 1)
        if name in TOKEN_BY_TOKEN:
            assert promised == masked == sampler.num_updates
        promised_fewer |= calls < min(masked, steps + 1)
    assert sampler.exact_calls == (name != "raw")
    if name in ("tweedie", "euler") and steps < 20:
        assert promised_fewer, "positions that share a step share a call"


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_the_same_alone_and_in_any_batch_and_chunk(name: str) -> None:
    sampler, network = named(name, ALL_MASK)
    together = sampled(sampler, network, ALL_MASK, rows=12)
    for chunk in (1, 2, 5, 64):
        network.chunk = chunk
        assert torch.equal(sampled(sampler, network, ALL_MASK, rows=12), together)
    for row in range(12):
        alone = run_states(sampler, network, [sampler.start(ALL_MASK, ALL_MASK == MASK, 0, row)])
        assert torch.equal(alone[0].ids, together[row])


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_row_decide_the_text(name: str) -> None:
    sampler, network = named(name, ALL_MASK)
    a, again, b = (
        ids_of(run_states(sampler, network, start_states(sampler, ALL_MASK, ALL_MASK == MASK, 30, seed)))
        for seed in (0, 0, 1)
    )
    assert torch.equal(a, again)
    assert not torch.equal(a, b)
    assert len(a.unique(dim=0)) > 5


@pytest.mark.parametrize("name", [*ABSORBING_SAMPLERS, "raw"])
def test_changes_tell_what_was_written_and_how_likely_it_was(name: str) -> None:
    sampler, network = named(name, CLAMPED)
    for state in start_states(sampler, CLAMPED, CLAMPED == MASK, rows=20):
        written = []
        while sampler.calls_left(state):
            before, step = state.ids, state.step
            ((state, change),) = sampler.advance([state], network)
            assert change.positions.tolist() == (before != state.ids).nonzero().squeeze(1).tolist()
            sigma = torch.tensor([change.sigma], dtype=torch.float64)
            conditional = network.real(before[None], sigma)[0, change.positions].softmax(-1)
            drawn = conditional.gather(1, state.ids[change.positions, None]).squeeze(1)
            torch.testing.assert_close(change.probability, drawn)
            torch.testing.assert_close(change.entropy, -(conditional * conditional.log()).sum(1))
            torch.testing.assert_close(LogLinear().total(torch.tensor(change.t, dtype=torch.float64)), sigma[0])
            assert change.step >= step
            written += change.positions.tolist()
        assert sorted(written) == [0, 2] and int(state.ids[1]) == 1


def test_first_hitting_goes_from_the_latest_time_down_and_asks_for_one_position() -> None:
    sampler, network = named("first-hitting", ALL_MASK)
    for row in range(20):
        state = sampler.start(ALL_MASK, ALL_MASK == MASK, 0, row)
        reveal_level = uniforms(0, row, START, size=2 * L)[:L]
        order, times = [], []
        while sampler.calls_left(state):
            ((state, change),) = sampler.advance([state], network)
            order += change.positions.tolist()
            times.append(change.t)
        assert order == reveal_level.argsort(descending=True).tolist()
        assert times == pytest.approx(reveal_level.sort(descending=True).values.tolist(), rel=1e-9)


@pytest.mark.parametrize(
    ("process", "settings"),
    [
        (ABSORBING, {"name": "ancestral"}),
        (ABSORBING, {"score": "cooked"}),
        (ABSORBING, {"steps": 0}),
        (UNIFORM, {"steps": 0}),
        (UNIFORM, {"name": "first-hitting"}),
        (ABSORBING, {"name": "first-hitting", "score": "raw"}),
    ],
    ids=str,
)
def test_what_a_process_does_not_have_is_refused(process: Process, settings: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        make_sampler(process, LogLinear(), free=torch.full((L,), True), **settings)  # type: ignore[arg-type]
