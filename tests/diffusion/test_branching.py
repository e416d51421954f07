"""Going on from a state, edited or not."""

from dataclasses import fields
from functools import cache

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.branching import remask, write
from sedd_cli.diffusion.grid import make_grid
from sedd_cli.diffusion.processes import Absorbing, Uniform
from sedd_cli.diffusion.samplers import Sampler, State, make_sampler
from sedd_cli.diffusion.schedules import LogLinear, mask_probability
from tests.diffusion.oracle import (
    ABSORBING_SAMPLERS,
    UNLIKELY,
    Oracle,
    Space,
    chain_law,
    chi_square_p,
    counts_of,
    ids_of,
    one_hot,
    rand,
    run_states,
    start_states,
)

TOKENS, L = 3, 3
MASK = TOKENS
ABSORBING, UNIFORM = Absorbing(TOKENS), Uniform(TOKENS)
SPACE = Space(TOKENS, L, seed=80)
ALL_MASK, ALL_FREE = torch.full((L,), MASK), torch.ones(L, dtype=torch.bool)
ROWS = 1000

MASKED = [*ABSORBING_SAMPLERS, "raw"]
TIMED = ["tweedie", "euler", "first-hitting"]


def named(name: str, steps: int = 6) -> tuple[Sampler, Oracle]:
    if name == "uniform":
        sampler = make_sampler(UNIFORM, LogLinear(), steps=steps, free=torch.full((L,), True))
        return sampler, Oracle(SPACE, UNIFORM)
    if name == "raw":
        factor = 0.6 + 0.7 * rand(L, 1, seed=81)
        sampler = make_sampler(ABSORBING, LogLinear(), score="raw", steps=steps, free=torch.full((L,), True))
        return sampler, Oracle(SPACE, ABSORBING, tilt=factor.log())
    sampler = make_sampler(ABSORBING, LogLinear(), name=name, steps=steps, free=torch.full((L,), True))  # type: ignore[arg-type]
    return sampler, Oracle(SPACE, ABSORBING)


def states_on_the_way(sampler: Sampler, network: Oracle, row: int) -> list[State]:
    """Of one run, from its start to its end."""
    out = [sampler.start(ALL_MASK, ALL_FREE, 0, row)]
    while sampler.calls_left(out[-1]):
        out.append(sampler.advance([out[-1]], network)[0][0])
    return out


def copied(state: State) -> dict[str, object]:
    values = {f.name: getattr(state, f.name) for f in fields(State)}
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in values.items()}


def same(a: dict[str, object], b: dict[str, object]) -> bool:
    return all(torch.equal(v, b[k]) if isinstance(v, Tensor) else v == b[k] for k, v in a.items())  # type: ignore[arg-type]


@cache
def ended(name: str, rows: int = ROWS) -> tuple[Sampler, Oracle, list[State]]:
    sampler, network = named(name)
    return sampler, network, run_states(sampler, network, start_states(sampler, ALL_MASK, ALL_FREE, rows))


@pytest.mark.parametrize("name", [*MASKED, "uniform"])
def test_a_state_without_edits_goes_on_as_it_did(name: str) -> None:
    sampler, network = named(name)
    for row in range(10):
        states = states_on_the_way(sampler, network, row)
        for k, state in enumerate(states):
            before = copied(state)
            again = state
            for later in states[k + 1 :]:
                ((again, _),) = sampler.advance([again], network)
                assert same(copied(again), copied(later))
            assert same(copied(state), before), "advance changed the state that it was given"


@pytest.mark.parametrize("name", MASKED)
def test_edits_leave_the_state_they_are_given_alone(name: str) -> None:
    sampler, _, (state, *_) = ended(name, rows=1)
    before = copied(state)
    positions = torch.tensor([0, 2])
    remask(sampler, state, positions)
    write(state, positions, torch.tensor([1, 1]))
    assert same(copied(state), before)


@pytest.mark.parametrize("name", MASKED)
def test_remasked_positions_get_fresh_numbers_at_every_visit(name: str) -> None:
    sampler, network, (state, *_) = ended(name, rows=1)
    visits = [state]
    for _ in range(3):
        (state,) = run_states(sampler, network, [remask(sampler, visits[-1], torch.tensor([1]))])
        visits.append(state)
    for number in ("reveal_level", "token_uniform"):
        drawn = torch.stack([getattr(s, number) for s in visits])
        assert len(drawn[:, 1].unique()) == 4
        assert len(drawn[:, [0, 2]].unique(dim=0)) == 1
    assert [s.visits.tolist() for s in visits] == [[0, k, 0] for k in range(4)]
    assert len({tuple(s.ids[[0, 2]].tolist()) for s in visits}) == 1


def test_fresh_numbers_belong_to_seed_row_position_and_visit() -> None:
    sampler, _, (a, b) = ended("tweedie", rows=2)
    one, two = torch.tensor([0]), torch.tensor([2])
    together = remask(sampler, a, torch.tensor([0, 2]))
    apart = remask(sampler, remask(sampler, a, two), one)
    assert torch.equal(together.token_uniform, apart.token_uniform)
    other_row = remask(sampler, b, torch.tensor([0, 2]))
    other_seed = remask(sampler, sampler.start(ALL_MASK, ALL_FREE, 1, 0), torch.tensor([0, 2]))
    numbers = [*together.token_uniform[[0, 2]], *other_row.token_uniform[[0, 2]], *other_seed.token_uniform[[0, 2]]]
    assert len(set(map(float, numbers))) == 6


@pytest.mark.parametrize("name", MASKED)
def test_a_remask_in_the_middle_is_deterministic_and_keeps_the_other_times(name: str) -> None:
    sampler, network = named(name)
    for row in range(10):
        middle = states_on_the_way(sampler, network, row)[1 if name != "raw" else 4]
        positions = (middle.ids != MASK).nonzero().squeeze(1)[:1]
        edited = remask(sampler, middle, positions)
        others = torch.ones(L, dtype=torch.bool).index_fill(0, positions, False)
        assert torch.equal(edited.reveal_level[others], middle.reveal_level[others])
        assert torch.equal(edited.token_uniform[others], middle.token_uniform[others])
        assert torch.equal(edited.survival[others], middle.survival[others])
        assert torch.equal(edited.ids[others], middle.ids[others])
        ends = run_states(sampler, network, [edited, edited, remask(sampler, middle, positions)])
        assert len(ids_of(ends).unique(dim=0)) == 1
        assert bool((ends[0].ids != MASK).all())


@pytest.mark.parametrize("name", TIMED)
def test_unrevealed_positions_are_still_revealed_at_their_times(name: str) -> None:
    sampler, network = named(name, steps=40)
    seen = 0
    for row in range(20):
        states = states_on_the_way(sampler, network, row)
        middle = states[1]
        positions = (middle.ids != MASK).nonzero().squeeze(1)
        still_masked = set((middle.ids == MASK).nonzero().squeeze(1).tolist())

        def times(state: State) -> dict[int, float]:
            out: dict[int, float] = {}
            while sampler.calls_left(state):
                ((state, change),) = sampler.advance([state], network)
                out |= dict.fromkeys(change.positions.tolist(), change.t)
            return out

        before, after = times(middle), times(remask(sampler, middle, positions))
        assert set(before) == still_masked and set(after) == set(range(L))
        assert all(after[i] == before[i] for i in still_masked)
        seen += len(still_masked)
    assert seen > 20


@pytest.mark.parametrize("name", TIMED)
def test_a_run_starts_again_where_as_much_is_masked(name: str) -> None:
    """At m = max(m(t), masked / L)."""
    sampler, network = named(name)
    m1 = float(mask_probability(LogLinear().total(torch.ones(1, dtype=torch.float64))))
    for row in range(10):
        states = states_on_the_way(sampler, network, row)
        for k in (1, 2):
            edited = remask(sampler, states[-1], torch.arange(k))
            assert edited.reached == pytest.approx(max(states[-1].reached, k / L / m1))
            assert bool((edited.reveal_level[:k] < edited.reached).all())
        first = states[1]
        written = (first.ids != MASK).nonzero().squeeze(1)[:1]
        edited = remask(sampler, first, written)
        masked = int((first.ids == MASK).sum()) + 1
        assert edited.reached == pytest.approx(min(1.0, max(first.reached, masked / L / m1)))
        assert float(edited.reveal_level[written]) < edited.reached
    everything = remask(sampler, states[-1], torch.arange(L))
    assert everything.reached == 1.0


@pytest.mark.parametrize("name", ["tweedie", "first-hitting"])
def test_fresh_reveal_times_are_even_over_what_is_left(name: str) -> None:
    sampler, _, states = ended(name, rows=1000)
    fresh = [remask(sampler, s, torch.tensor([1])) for s in states]
    share = torch.tensor([float(s.reveal_level[1]) / s.reached for s in fresh], dtype=torch.float64)
    counts = torch.bincount((share * 10).long(), minlength=10)
    assert len(counts) == 10
    assert chi_square_p(counts, torch.full((10,), 0.1, dtype=torch.float64)) > UNLIKELY


@pytest.mark.parametrize("name", TIMED)
def test_calls_left_counts_a_remasked_token(name: str) -> None:
    sampler, network, states = ended(name, rows=20)
    for state in states:
        assert sampler.calls_left(state) == 0
        edited = remask(sampler, state, torch.tensor([1]))
        assert sampler.calls_left(edited) == 1
        ((state, change),) = sampler.advance([edited], network)
        assert change.positions.tolist() == [1] and sampler.calls_left(state) == 0


@pytest.mark.parametrize("name", MASKED)
def test_a_token_rewritten_after_the_end_follows_the_rest(name: str) -> None:
    """One Gibbs update: whatever the rest is, its token follows p_0(x_i | rest)."""
    sampler, network, states = ended(name)
    resumed = run_states(sampler, network, [remask(sampler, s, torch.tensor([1])) for s in states])
    before, after = ids_of(states), ids_of(resumed)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.equal(before, after)
    for a in range(TOKENS):
        for b in range(TOKENS):
            rest = (after[:, 0] == a) & (after[:, 2] == b)
            given = torch.tensor([a, MASK, b])
            law = SPACE.conditional(given[None])[0, 1]
            assert chi_square_p(torch.bincount(after[rest, 1], minlength=TOKENS), law) > UNLIKELY


def test_raw_goes_back_to_the_last_step_with_as_much_noise() -> None:
    """And runs from there as the chain does."""
    sampler, network, states = ended("raw")
    grid, positions = make_grid(LogLinear(), 6), torch.tensor([0, 2])
    edited = [remask(sampler, s, positions) for s in states]
    (step,) = {s.step for s in edited}
    m = mask_probability(grid.sigma)
    assert m[step] >= 2 / 3 > m[step + 1]
    for before, after in zip(states, edited, strict=True):
        assert after.survival[positions].tolist() == [1, 1] and after.survival[1] == before.survival[1]
    ids = ids_of(run_states(sampler, network, edited))
    for b in range(TOKENS):
        start = one_hot(torch.tensor([MASK, b, MASK]), MASK + 1)
        law = chain_law(ABSORBING, network, grid, "tweedie", start, first=step)
        assert chi_square_p(counts_of(ids[ids[:, 1] == b], TOKENS), law) > UNLIKELY


def test_rewriting_leaves_p0_as_it_is() -> None:
    """First-hitting draws from p_0, and so does a Gibbs update of any two of its tokens."""
    sampler, network, states = ended("first-hitting")
    resumed = run_states(sampler, network, [remask(sampler, s, torch.tensor([0, 2])) for s in states])
    counts = counts_of(ids_of(resumed), TOKENS)
    assert chi_square_p(counts, SPACE.p0) > UNLIKELY
    assert not torch.equal(ids_of(resumed), ids_of(states))


def test_the_uniform_process_has_no_mask_to_go_back_to() -> None:
    sampler, network = named("uniform")
    with pytest.raises(TypeError):
        remask(sampler, states_on_the_way(sampler, network, 0)[-1], torch.tensor([0]))


@pytest.mark.parametrize("name", [*MASKED, "uniform"])
def test_written_tokens_are_clamped(name: str) -> None:
    sampler, network = named(name)
    for row in range(10):
        for state in states_on_the_way(sampler, network, row):
            edited = write(state, torch.tensor([2, 0]), torch.tensor([1, 2]))
            assert edited.ids[[0, 2]].tolist() == [2, 1] and edited.ids[1] == state.ids[1]
            assert edited.free.tolist() == [False, True, False]
            (end,) = run_states(sampler, network, [edited])
            assert end.ids[[0, 2]].tolist() == [2, 1] and int(end.ids[1]) != MASK


def test_the_run_goes_on_around_what_was_written() -> None:
    sampler, network = named("first-hitting")
    starts = start_states(sampler, ALL_MASK, ALL_FREE, ROWS)
    ends = run_states(sampler, network, [write(s, torch.tensor([1]), torch.tensor([2])) for s in starts])
    assert chi_square_p(counts_of(ids_of(ends), TOKENS), SPACE.given(torch.tensor([MASK, 2, MASK]))) > UNLIKELY


def test_what_was_written_can_be_remasked() -> None:
    sampler, network, (state, *_) = ended("first-hitting", rows=1)
    edited = remask(sampler, write(state, torch.tensor([1]), torch.tensor([2])), torch.tensor([1]))
    assert edited.ids.tolist()[1] == MASK and bool(edited.free[1])
    (end,) = run_states(sampler, network, [edited])
    assert int(end.ids[1]) != MASK
