"""Orders, remasking, corrections and blocks: against loops restated plainly, and laws enumerated exactly."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.diffusion.branching import remask
from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.names import SamplerName, ScoreUse
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.samplers import Sampler, make_sampler
from sedd_cli.diffusion.samplers.blocks import Blocks
from sedd_cli.diffusion.samplers.remasking import Remasking
from sedd_cli.diffusion.schedules import LogLinear
from sedd_cli.diffusion.unmasking import Unmasking
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import (
    UNLIKELY,
    Oracle,
    Space,
    chi_square_p,
    counts_of,
    ids_of,
    run_states,
    start_states,
)

TOKENS, L = 3, 4
MASK = TOKENS
ABSORBING, NOISE = Absorbing(TOKENS), LogLinear()
SPACE = Space(TOKENS, L, seed=7)
ALL_MASK = torch.full((L,), MASK)
GREEDY = LogitsProcessor(temperature=0)
ROWS = 600


def sampler_of(start: Tensor = ALL_MASK, *, steps: int = L, name: str = "tweedie", **options: object) -> Sampler:
    processor, ends = options.pop("logits_processor", None), options.pop("end_ids", ())
    return make_sampler(
        ABSORBING,
        NOISE,
        name=name,  # type: ignore[arg-type]
        steps=steps,
        free=start == MASK,
        logits_processor=processor,  # type: ignore[arg-type]
        unmasking=Unmasking(**options),  # type: ignore[arg-type]
        end_ids=ends,  # type: ignore[arg-type]
    )


def drawn(sampler: Sampler, start: Tensor = ALL_MASK, rows: int = ROWS, network: Oracle | None = None) -> Tensor:
    network = network or Oracle(SPACE, ABSORBING)
    return ids_of(run_states(sampler, network, start_states(sampler, start, start == MASK, rows)))


def distance(ids: Tensor, law: Tensor = SPACE.p0) -> float:
    """Total variation between samples and a law."""
    return float((counts_of(ids, TOKENS) / len(ids) - law).abs().sum()) / 2


def canvases_after_each_call(sampler: Sampler, start: Tensor = ALL_MASK) -> list[list[int]]:
    network, seen = Oracle(SPACE, ABSORBING), []
    state = sampler.start(start, start == MASK, 0, 0)
    while sampler.calls_left(state):
        ((state, _),) = sampler.advance([state], network)
        seen.append(state.ids.tolist())
    return seen


def restated(calls: int, sureness: Callable[[Tensor], Tensor], ends: tuple[int, ...] = ()) -> list[list[int]]:
    """The greedy loop of LLaDA (`low_confidence`) and Dream (`topk_margin`, `entropy`) on one canvas.

    Of m MASKs LLaDA's k-th of n calls writes `m // n`, and one more while k is below the rest.
    """
    x, seen, masked_at_first = ALL_MASK.clone(), [], L
    base, rest = divmod(masked_at_first, calls)
    for k in range(calls):
        c = SPACE.conditional(x[None])[0]
        token, sure = c.argmax(-1), sureness(c)
        sure[torch.isin(token, torch.tensor(ends, dtype=torch.int64))] = 0
        sure[x != MASK] = -math.inf
        chosen = sure.sort(descending=True, stable=True).indices[: base + (k < rest)]
        x[chosen] = token[chosen]
        seen.append(x.tolist())
    return seen


def margin(c: Tensor) -> Tensor:
    first, second = c.sort(descending=True).values[:, :2].unbind(1)
    return first - second


SURENESS = {
    "confidence": lambda c: c.amax(-1),
    "margin": margin,
    "entropy": lambda c: (c * c.log()).sum(-1).exp(),
}


@pytest.mark.parametrize("order", SURENESS)
def test_greedy_orders_are_the_loops_of_llada_and_dream(order: str) -> None:
    for calls in (1, 2, 3, 4):
        sampler = sampler_of(steps=calls, order=order, logits_processor=GREEDY)
        assert canvases_after_each_call(sampler) == restated(calls, SURENESS[order])
    kept_back = sampler_of(order=order, logits_processor=GREEDY, eos_confidence=0.0, end_ids=[2])
    assert canvases_after_each_call(kept_back) == restated(L, SURENESS[order], ends=(2,))
    assert restated(L, SURENESS[order], ends=(2,)) != restated(L, SURENESS[order])


def test_a_threshold_writes_all_that_are_surer_and_at_least_one() -> None:
    for threshold in (0.4, 0.5, 0.9):
        sampler = sampler_of(order="confidence", threshold=threshold, logits_processor=GREEDY)
        assert not sampler.exact_calls
        before = ALL_MASK
        for after in map(torch.tensor, canvases_after_each_call(sampler)):
            sure = SPACE.conditional(before[None])[0].amax(-1)
            expected = (before == MASK) & (sure > threshold)
            if not bool(expected.any()):
                expected[torch.where(before == MASK, sure, 0.0).argmax()] = True
            assert torch.equal(after != before, expected)
            before = after
    assert len(canvases_after_each_call(sampler_of(order="confidence", threshold=0.4))) < L


@pytest.mark.parametrize("options", [{}, {"per_call": 2}, {"threshold": 0.4}], ids=str)
@pytest.mark.parametrize("order", ["margin", "entropy"])
def test_tokens_that_are_not_drawn_would_not_have_been_kept(order: str, options: dict[str, object]) -> None:
    """With no end to be found, `eos_confidence` only has a token drawn wherever the network is asked."""
    few, all_drawn = (
        run_states(
            sampler_of(steps=3, order=order, eos_confidence=most, **options),
            Oracle(SPACE, ABSORBING, chunk=2),
            start_states(sampler_of(), ALL_MASK, ALL_MASK == MASK, 20),
        )
        for most in (None, 1.0)
    )
    assert torch.equal(ids_of(few), ids_of(all_drawn)) and len({tuple(ids) for ids in ids_of(few).tolist()}) > 3


@pytest.mark.parametrize("order", SURENESS)
def test_how_sure_a_token_is_among_those_that_may_be_written(order: str) -> None:
    """The last position is the least sure of three tokens; of the two that are left there, the surest."""

    class Fixed:
        device, autocast = torch.device("cpu"), None
        law = torch.tensor([[0.7, 0.2, 0.1]] * (L - 1) + [[0.08, 0.02, 0.9]]).double()

        def log_scores(self, ids: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
            row, position = where.nonzero(as_tuple=True)
            yield Scored(row, position, self.law[position].log())

    def first(*exclusions: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[int, int]:
        sampler = sampler_of(order=order, logits_processor=LogitsProcessor(temperature=0, exclusions=exclusions))
        state = sampler.start(ALL_MASK, ALL_MASK == MASK, 0, 0)
        ((after, change),) = sampler.advance([state], Fixed())  # type: ignore[list-item]
        (position,) = change.positions.tolist()
        return position, int(after.ids[position])

    assert first() == (3, 2)
    assert first(((3,), (2,))) == (3, 0)
    assert first(((0,), (0, 1)), ((3,), (2,))) == (0, 2)
    assert first(((1,), (1,)), ((3,), (2,))) == (1, 0)


@pytest.mark.parametrize("order", ["confidence", "margin", "entropy", "left-to-right"])
@pytest.mark.parametrize(("options", "calls"), [({}, 3), ({"per_call": 1}, 4), ({"per_call": 3}, 2)], ids=str)
def test_calls_are_known_and_rows_independent(order: str, options: dict[str, int], calls: int) -> None:
    start = torch.tensor([1, MASK, MASK, MASK]) if calls == 3 else ALL_MASK
    sampler = sampler_of(start, steps=3, order=order, **options)
    states = start_states(sampler, start, start == MASK, 20)
    assert {sampler.calls_left(s) for s in states} == {calls} and sampler.num_updates == calls
    together = ids_of(run_states(sampler, Oracle(SPACE, ABSORBING), states))
    apart = [ids_of(run_states(sampler, Oracle(SPACE, ABSORBING, chunk=2), [s])) for s in states]
    assert torch.equal(together, torch.cat(apart)) and bool((together != MASK).all())
    assert len({tuple(row) for row in together.tolist()}) > 3


def test_from_left_to_right_one_by_one_has_the_law_and_the_surest_first_has_not() -> None:
    assert chi_square_p(counts_of(drawn(sampler_of(order="left-to-right")), TOKENS), SPACE.p0) > UNLIKELY
    assert chi_square_p(counts_of(drawn(sampler_of(order="confidence")), TOKENS), SPACE.p0) < UNLIKELY


def test_each_call_draws_anew() -> None:
    """Of two tokens, 0.7 and 0.3, the rarer is written where all that is masked drew it: of j positions in 0.3^j."""

    class Coin(Oracle):
        def real(self, x: Tensor, sigma: Tensor) -> Tensor:
            return torch.tensor([0.7, 0.3, 0.0], dtype=torch.float64).log().expand(*x.shape, 3)

    rarer = (drawn(sampler_of(order="confidence"), network=Coin(SPACE, ABSORBING)) == 1).double().mean()
    assert float(rarer) == pytest.approx(sum(0.3**j for j in range(1, L + 1)) / L, abs=0.02)


REMASKS = [{"remask": "cap", "eta": 0.3}, {"remask": "rescale", "eta": 0.4}, {"remask": "loop", "eta": 0.3}]


@pytest.mark.parametrize("options", REMASKS, ids=str)
@pytest.mark.parametrize("start", [ALL_MASK, torch.tensor([0, MASK, 1, MASK])], ids=["all-mask", "clamped"])
def test_whatever_returns_as_many_are_masked_as_without(options: dict[str, object], start: Tensor) -> None:
    sampler = sampler_of(start, steps=40, **options)
    assert isinstance(sampler, Remasking)
    state = sampler.start(start, start == MASK, 0, 0)
    masked, returned = 1.0, 0.0
    for k in range(41):
        assert masked == pytest.approx(float(sampler.survival[k]), abs=1e-12)
        returns, writes = sampler.chances(k, state, torch.tensor(False))
        assert 0 <= float(returns) <= 1 and 0 <= writes <= 1
        masked, returned = masked * (1 - writes) + (1 - masked) * float(returns), returned + float(returns)
    assert masked == 0 and returned > 1


@pytest.mark.parametrize("options", [*REMASKS, {"remask": "confidence"}], ids=str)
def test_a_single_position_keeps_its_law_whatever_returns(options: dict[str, object]) -> None:
    start = torch.tensor([0, 2, MASK, 1])
    ids = drawn(sampler_of(start, steps=8, **options), start, rows=250)
    assert torch.equal(ids[:, [0, 1, 3]], start[[0, 1, 3]].expand(250, -1))
    assert chi_square_p(counts_of(ids, TOKENS), SPACE.given(start)) > UNLIKELY


@pytest.mark.parametrize("options", [REMASKS[0], pytest.param(REMASKS[1], marks=pytest.mark.slow)], ids=str)
def test_remasking_comes_nearer_to_the_law_with_more_steps(options: dict[str, object]) -> None:
    few, many = (drawn(sampler_of(steps=n, **options)) for n in (1, 8))
    assert distance(few) > 1.5 * distance(many)
    assert chi_square_p(counts_of(many, TOKENS), SPACE.p0) > UNLIKELY


@pytest.mark.parametrize("options", [*REMASKS, {"remask": "confidence"}], ids=str)
def test_calls_of_remasking_are_known_before_the_first(options: dict[str, object]) -> None:
    sampler, network = sampler_of(steps=30, **options), Oracle(SPACE, ABSORBING)
    returned = 0
    for state in start_states(sampler, ALL_MASK, ALL_MASK == MASK, 20):
        expected, calls = sampler.calls_left(state), 0
        while left := sampler.calls_left(state):
            ((after, change),) = sampler.advance([state], network)
            written = (state.ids == MASK) & (after.ids != MASK)
            assert set(written.nonzero().flatten().tolist()) <= set(change.positions.tolist())
            returned += int(((after.ids == MASK) & (state.ids != MASK)).sum())
            assert sampler.calls_left(after) < left
            state, calls = after, calls + 1
        assert calls == expected if sampler.exact_calls else calls <= expected
        assert bool((state.ids != MASK).all())
    assert returned > 4 and sampler.exact_calls == (options["remask"] != "confidence")


def test_the_corrected_law_stays_and_a_wrong_one_comes_nearer() -> None:
    ids = drawn(sampler_of(name="first-hitting", correct=3))
    assert chi_square_p(counts_of(ids, TOKENS), SPACE.p0) > UNLIKELY
    distances = [distance(drawn(sampler_of(steps=1, correct=n))) for n in (0, 4, 8)]
    assert distances[0] > 1.3 * distances[1] > 1.3 * distances[2]
    given = torch.tensor([MASK, 1, MASK, 2])
    ids = drawn(sampler_of(given, steps=1, correct=6), given, rows=300)
    assert torch.equal(ids[:, [1, 3]], given[[1, 3]].expand(300, -1))
    assert chi_square_p(counts_of(ids, TOKENS), SPACE.given(given)) > UNLIKELY


NUCLEUS = LogitsProcessor(top_p=0.6)


def outside(ids: Tensor, position: int) -> Tensor:
    """Whether the token there is outside the nucleus given all others: (B,) bool."""
    c = SPACE.conditional(ids.index_fill(1, torch.tensor([position]), MASK))[:, position]
    own = c.gather(1, ids[:, position, None])
    return (c * (c > own)).sum(1) >= 0.6


def test_a_round_masks_what_the_nucleus_excludes_given_the_rest() -> None:
    """Four positions are read one by one, as each group has one; what is masked stays so for the next."""
    sampler = sampler_of(revise=1, logits_processor=NUCLEUS)
    states = start_states(sampler, ALL_MASK, ALL_MASK == MASK, 60)
    written = run_states(sampler_of(logits_processor=NUCLEUS), Oracle(SPACE, ABSORBING), states)
    expected, ids = 0, ids_of(written)
    for position in range(L):
        masked = outside(ids, position)
        ids[masked, position] = MASK
        expected += int(masked.sum())
    network, read = Oracle(SPACE, ABSORBING), written
    for _ in range(L):
        read = [after for after, change in sampler.advance(read, network) if not len(change.positions)]
    assert torch.equal(ids_of(read), ids) and 5 < expected < 60
    ends = ids_of(run_states(sampler, network, read))
    stayed = ids != MASK
    assert torch.equal(ends[stayed], ids[stayed]) and bool((ends != MASK).all())


def test_rounds_leave_only_what_the_nucleus_holds_given_the_rest() -> None:
    shares = []
    for rounds in (0, 1, 5):
        ids = drawn(sampler_of(revise=rounds, logits_processor=NUCLEUS), rows=150)
        shares.append(float(torch.stack([outside(ids, i) for i in range(L)]).any(0).double().mean()))
    assert shares[0] > 3 * shares[1] > 3 * shares[2]
    given = torch.tensor([MASK, 1, MASK, 2])
    ids = drawn(sampler_of(given, revise=2, logits_processor=NUCLEUS), given, rows=50)
    assert torch.equal(ids[:, [1, 3]], given[[1, 3]].expand(50, -1))
    wide = LogitsProcessor(top_p=1 - 1e-12)
    revised, plain = (drawn(sampler_of(revise=n, logits_processor=wide), rows=20) for n in (2, 0))
    assert torch.equal(revised, plain)


def test_blocks_are_read_by_themselves() -> None:
    """MASKs of later blocks do not send a block back, steps count on behind each other, and readings behind those."""
    sampler, network = (
        sampler_of(name="first-hitting", block=2, revise=1, logits_processor=NUCLEUS),
        Oracle(SPACE, ABSORBING),
    )
    assert isinstance(sampler, Blocks) and sampler.num_updates == L and sampler.num_readings == 8
    for state in start_states(sampler, ALL_MASK, ALL_MASK == MASK, 30):
        readings = []
        while not sampler.done(state):
            before, ((state, change),) = state, sampler.advance([state], network)
            if not len(change.positions):
                readings.append(change.step - L)
                masked = int((state.ids[:2] == MASK).sum())
                assert before.block or not masked or state.reached == pytest.approx(masked / 2)
        # Positions 0 and 1 are read by the first and second reading of block 0, 2 and 3 by the last two of block 1.
        assert readings == [0, 1, 6, 7]


def test_a_reading_masks_no_more_than_a_quarter_of_what_it_reads() -> None:
    """Where hardly anything fits, as in the texts of a network that was not trained, a run still ends."""
    size = 64
    free = torch.ones(size, dtype=torch.bool)
    sampler = make_sampler(ABSORBING, NOISE, steps=1, free=free, logits_processor=GREEDY, unmasking=Unmasking(revise=1))

    class Contrary(Oracle):
        """At each call another token is the only likely one, everywhere."""

        calls = 0

        def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
            row, position = where.nonzero().unbind(1)
            self.calls += 1
            yield Scored(row, position, F.one_hot(torch.full_like(row, self.calls % TOKENS), TOKENS).double().log())

    network = Contrary(SPACE, ABSORBING)
    state = sampler.start(torch.full((size,), MASK), free, 0, 0)
    ((state, _),) = sampler.advance([state], network)
    for reading in range(1, 5):
        ((state, _),) = sampler.advance([state], network)
        assert int((state.ids == MASK).sum()) <= 4 * reading
    while not sampler.done(state):
        ((state, _),) = sampler.advance([state], network)
    assert bool((state.ids != MASK).all())


EVERY = [
    {"revise": 2, "logits_processor": NUCLEUS},
    {"order": "confidence", "revise": 1, "correct": 2, "logits_processor": NUCLEUS},
    {"block": 2, "revise": 2, "correct": 1, "logits_processor": NUCLEUS},
    {"order": "margin"},
    {"order": "entropy", "threshold": 0.5},
    *REMASKS,
    {"remask": "confidence"},
    {"correct": 3},
    {"order": "confidence", "correct": 2},
    {"name": "first-hitting", "correct": 2},
    {"block": 2},
    {"block": 3, "order": "confidence", "per_call": 1},
    {"block": 2, "remask": "cap", "eta": 0.3, "correct": 1},
]


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_rows_do_not_depend_on_each_other_and_branches_go_on(options: dict[str, object]) -> None:
    sampler = sampler_of(steps=5, **options)
    states = start_states(sampler, ALL_MASK, ALL_MASK == MASK, 12)
    ends = run_states(sampler, Oracle(SPACE, ABSORBING), states)
    for state, end in zip(states, ends, strict=True):
        calls, network = sampler.calls_left(state), Oracle(SPACE, ABSORBING, chunk=2)
        while sampler.calls_left(state):
            ((state, _),) = sampler.advance([state], network)
        assert torch.equal(state.ids, end.ids) and bool((end.ids != MASK).all())
        assert len(network.seen) == calls or (not sampler.exact_calls and len(network.seen) < calls)
        again = remask(sampler, end, torch.tensor([0, 3]))
        assert again.ids[[0, 3]].tolist() == [MASK, MASK] and sampler.calls_left(again) >= 1
        (rewritten,) = run_states(sampler, Oracle(SPACE, ABSORBING), [again])
        assert bool((rewritten.ids != MASK).all()) and sampler.calls_left(rewritten) == 0
    redrawn = [remask(sampler, end, torch.arange(L)) for end in ends]
    assert not torch.equal(ids_of(run_states(sampler, Oracle(SPACE, ABSORBING), redrawn)), ids_of(ends))


def test_blocks_are_written_one_after_the_other_and_keep_the_law() -> None:
    sampler = sampler_of(steps=64, block=2)
    network = Oracle(SPACE, ABSORBING)
    ids = drawn(sampler, network=network)
    assert chi_square_p(counts_of(ids, TOKENS), SPACE.p0) > UNLIKELY
    for seen in network.seen:
        assert not bool(((seen[:, 2:] != MASK).any(1) & (seen[:, :2] == MASK).any(1)).any())


class Prefixes(Oracle):
    """The true conditional of canvases that end early, given nothing of what follows."""

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        self.lengths.add(x.shape[1])
        rest = (0, L - x.shape[1])
        return super().log_scores(F.pad(x, rest, value=MASK), sigma, F.pad(where, rest))

    lengths: set[int]


def test_a_horizon_leaves_out_what_is_beyond_it() -> None:
    for horizon, lengths in ((0, {2, 4}), (1, {3, 4})):
        network = Prefixes(SPACE, ABSORBING)
        network.lengths = set()
        ids = drawn(sampler_of(name="first-hitting", block=2, horizon=horizon), network=network, rows=300)
        assert network.lengths == lengths
        assert chi_square_p(counts_of(ids, TOKENS), SPACE.p0) > UNLIKELY


def test_blocks_count_from_the_end_of_the_prompt() -> None:
    start = torch.tensor([1, MASK, MASK, MASK])
    sampler = sampler_of(start, steps=4, block=2)
    assert isinstance(sampler, Blocks) and sampler.edges == (0, 3, 4)
    assert chi_square_p(counts_of(drawn(sampler, start), TOKENS), SPACE.given(start)) > UNLIKELY
    gaps = torch.tensor([0, MASK, 1, MASK])
    sampler = sampler_of(gaps, steps=4, block=1)
    assert isinstance(sampler, Blocks) and sampler.edges == (0, 3, 4)


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_a_step_has_the_noise_that_the_network_is_fed(options: dict[str, object]) -> None:
    class Fed(Oracle):
        def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
            fed.extend(sigma.tolist())
            return super().log_scores(x, sigma, where)

    fed: list[float] = []
    reported, sampler = [], sampler_of(steps=5, **options)
    state = sampler.start(ALL_MASK, ALL_MASK == MASK, 0, 0)
    while not sampler.done(state):
        ((state, change),) = sampler.advance([state], Fed(SPACE, ABSORBING))
        reported.append(change.sigma)
        assert change.t == pytest.approx(float(NOISE.inverse(torch.tensor(change.sigma, dtype=torch.float64))))
    assert reported == fed


@pytest.mark.parametrize("correct", [1, 3, 4])
def test_blocks_share_the_corrections(correct: int) -> None:
    for block in (1, 2, 3):
        sampler = sampler_of(name="first-hitting", block=block, correct=correct)
        assert sampler.num_updates == len(canvases_after_each_call(sampler)) == L + correct


@pytest.mark.parametrize("correct", [0, 8])
def test_a_remask_leaves_the_blocks_behind_it_as_they_are(correct: int) -> None:
    sampler = sampler_of(name="first-hitting", block=2, correct=correct)
    for end in run_states(sampler, Oracle(SPACE, ABSORBING), start_states(sampler, ALL_MASK, ALL_MASK == MASK, 20)):
        again = remask(sampler, end, torch.tensor([1]))
        assert sampler.calls_left(again) == 1 and not sampler.done(again)
        ((state, _),) = sampler.advance([again], Oracle(SPACE, ABSORBING))
        assert sampler.done(state) and torch.equal(state.ids[[0, 2, 3]], end.ids[[0, 2, 3]])


def test_a_block_that_was_begun_goes_on_after_an_earlier_one_was_changed() -> None:
    sampler, network = sampler_of(name="first-hitting", block=2, correct=8), Oracle(SPACE, ABSORBING)
    for state in start_states(sampler, ALL_MASK, ALL_MASK == MASK, 10):
        while int((state.ids == MASK).sum()) > 1:
            ((state, _),) = sampler.advance([state], network)
        again = remask(sampler, state, torch.tensor([0]))
        assert (again.block, sampler.calls_left(again)) == (0, 2)
        (end,) = run_states(sampler, network, [again])
        changed = (end.ids != state.ids).nonzero().flatten().tolist()
        assert set(changed) <= {0, *(state.ids == MASK).nonzero().flatten().tolist()}


@pytest.mark.parametrize(
    ("process", "name", "score", "options", "message"),
    [
        (Uniform(TOKENS), "tweedie", "normalised", {"order": "confidence"}, "order needs the absorbing process"),
        (ABSORBING, "tweedie", "raw", {"order": "confidence"}, "order reads what the network says as normalised"),
        (ABSORBING, "tweedie", "raw", {"correct": 2}, "correct reads what the network says as normalised"),
        (ABSORBING, "first-hitting", "normalised", {"order": "margin"}, "takes the place of the sampler first-hitting"),
        (ABSORBING, "euler", "normalised", {"remask": "cap"}, "takes the place of the sampler euler"),
        (ABSORBING, "tweedie", "normalised", {"block": 2, "horizon": 1}, "leaves out what stands after a gap"),
        (ABSORBING, "tweedie", "normalised", {"revise": 1}, "and they exclude nothing"),
    ],
)
def test_what_does_not_fit_is_refused(
    process: Process, name: SamplerName, score: ScoreUse, options: dict[str, object], message: str
) -> None:
    free = torch.tensor([True, True, True, False])
    unmasking = Unmasking(**options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        make_sampler(process, NOISE, name=name, score=score, free=free, unmasking=unmasking)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "confident"}, "unknown order"),
        ({"remask": "all"}, "unknown remask"),
        ({"remask": "cap", "order": "confidence"}, "remask cap chooses its own times"),
        ({"per_call": 2}, "per-call needs an order"),
        ({"order": "margin", "per_call": 2, "threshold": 0.5}, "both say how many tokens"),
        ({"order": "left-to-right", "threshold": 0.5}, "threshold needs an order by how sure"),
        ({"eos_confidence": 0.0}, "eos-confidence needs an order by how sure"),
        ({"eta": 0.1}, "eta has no use"),
        ({"remask": "confidence", "eta": 0.1}, "eta has no use"),
        ({"horizon": 3}, "give --block too|after a block"),
        ({"order": "margin", "threshold": 1.5}, "threshold must be"),
        ({"block": 0}, "block must be"),
        ({"correct": -1}, "correct must be"),
        ({"revise": -1}, "revise must be"),
        ({"revise": 1, "remask": "cap"}, "both mask again"),
    ],
    ids=str,
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Unmasking(**options)  # type: ignore[arg-type]
