"""MASK's id is a name: with MASK in the middle of the vocabulary every law and every draw is the same, renamed."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.concrete_score import denoising_concrete_score
from sedd_cli.diffusion.d3pm import make_chain
from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.likelihood import Estimator, estimate, ordered_nats, pseudo
from sedd_cli.diffusion.names import SAMPLERS, SamplerName, ScoreUse
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers import make_sampler
from sedd_cli.diffusion.schedules import Discrete, LogLinear
from tests.diffusion.oracle import (
    UNLIKELY,
    Oracle,
    Space,
    all_states,
    chi_square_p,
    counts_of,
    ids_of,
    randn,
    run_states,
    start_states,
)

TOKENS, L = 3, 3
LAST, MIDDLE = Absorbing(TOKENS), Absorbing(TOKENS, mask_id=1)
SPACE = Space(TOKENS, L, seed=70)
NOISE = LogLinear()


def renamed(x: Tensor) -> Tensor:
    """Ids with MASK last as ids with MASK in the middle."""
    return torch.where(x == LAST.mask_id, MIDDLE.mask_id, MIDDLE.state_of(x))


class Renamed:
    """The oracle for ids with MASK in the middle; its columns are the same."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        ids = torch.where(x == MIDDLE.mask_id, LAST.mask_id, MIDDLE.column_of(x))
        yield from self.oracle.log_scores(ids, sigma, where)


def oracles() -> tuple[Oracle, Renamed]:
    # Tilted, so that scores are not normalised.
    return Oracle(SPACE, LAST, tilt=0.3 * randn(L, TOKENS, seed=71)), Renamed(
        Oracle(SPACE, LAST, tilt=0.3 * randn(L, TOKENS, seed=71))
    )


def test_columns_and_states_are_inverse() -> None:
    assert MIDDLE.states == 4 and Absorbing(TOKENS, mask_id=TOKENS) == LAST
    assert MIDDLE.state_of(torch.arange(TOKENS)).tolist() == [0, 2, 3]
    assert MIDDLE.column_of(torch.tensor([0, 2, 3])).tolist() == [0, 1, 2]
    values = torch.arange(4.0)[None]
    assert MIDDLE.columns(values).tolist() == [[0, 2, 3]]
    assert torch.equal(MIDDLE.with_mask(MIDDLE.columns(values), values[:, 1:2]), values)
    ids = torch.arange(TOKENS)
    assert LAST.column_of(ids) is ids and LAST.state_of(ids) is ids, "nothing is copied where MASK is last"


@pytest.mark.parametrize(
    ("name", "score"),
    [
        *((entry.name, "normalised") for entry in SAMPLERS if "absorbing" in entry.factories),
        *((entry.name, "raw") for entry in SAMPLERS if "absorbing" in entry.raw_factories),
    ],
)
@pytest.mark.parametrize("prompt", [False, True])
def test_samplers_draw_the_same_tokens(name: SamplerName, score: ScoreUse, prompt: bool) -> None:
    noise = Discrete(NOISE, 6) if name == "ancestral" else NOISE
    start = torch.tensor([2 if prompt else TOKENS, TOKENS, TOKENS])
    free = start == TOKENS
    drawn = []
    for process, ids, network in zip((LAST, MIDDLE), (start, renamed(start)), oracles(), strict=True):
        sampler = make_sampler(
            process,
            noise,
            name=name,
            score=score,
            steps=4,
            free=free,
            logits_processor=LogitsProcessor(),
        )
        drawn.append(ids_of(run_states(sampler, network, start_states(sampler, ids, free, 60))))
    assert torch.equal(renamed(drawn[0]), drawn[1])
    assert not bool((drawn[1] == MIDDLE.mask_id).any())


def test_first_hitting_follows_the_law_of_the_data() -> None:
    sampler = make_sampler(MIDDLE, NOISE, name="first-hitting", free=torch.full((L,), True))
    empty = torch.full((L,), MIDDLE.mask_id)
    network = Renamed(Oracle(SPACE, LAST))
    ids = ids_of(run_states(sampler, network, start_states(sampler, empty, empty == MIDDLE.mask_id, 2400)))
    assert chi_square_p(counts_of(MIDDLE.column_of(ids), TOKENS), SPACE.p0) > UNLIKELY


def test_tokens_are_forbidden_by_their_ids() -> None:
    empty = torch.full((L,), MIDDLE.mask_id)
    # MASK itself among them changes nothing.
    logits_processor = LogitsProcessor(forbidden=(2, 1), space_positions=(0,), forbidden_at_space=(3,))
    sampler = make_sampler(MIDDLE, NOISE, steps=4, free=torch.full((L,), True), logits_processor=logits_processor)
    states = start_states(sampler, empty, empty == MIDDLE.mask_id, 100)
    ids = ids_of(run_states(sampler, Renamed(Oracle(SPACE, LAST)), states))
    assert set(ids[:, 0].tolist()) == {0} and set(ids[:, 1:].flatten().tolist()) == {0, 3}


@pytest.mark.parametrize("estimator", ["lambda", "ao", "dwdse", "d3pm"])
def test_bounds_are_the_same(estimator: Estimator) -> None:
    noise = Discrete(NOISE, 6) if estimator == "d3pm" else NOISE
    x0 = SPACE.canvases()
    last, middle = (
        estimate(network, process, noise, ids, estimator=estimator, replicates=4, draws=2)
        for process, ids, network in zip((LAST, MIDDLE), (x0, renamed(x0)), oracles(), strict=True)
    )
    assert torch.equal(last.replicates, middle.replicates) and torch.equal(last.per_token, middle.per_token)


def test_fixed_orders_are_exact() -> None:
    network, order = Renamed(Oracle(SPACE, LAST)), torch.tensor([2, 0, 1])
    for x0, p in zip(SPACE.canvases(), SPACE.p0, strict=True):
        nats = ordered_nats(network, MIDDLE, NOISE, renamed(x0), order)
        assert float(nats.sum()) == pytest.approx(-float(p.log()), rel=1e-9)
        last, middle = (
            pseudo(one, process, NOISE, ids, order)
            for one, process, ids in zip(oracles(), (LAST, MIDDLE), (x0, renamed(x0)), strict=True)
        )
        assert torch.equal(last, middle)


def test_weights_and_losses_are_those_of_renamed_states() -> None:
    x = all_states(LAST.states, L)
    x0 = torch.where(x == LAST.mask_id, 2, x)
    sigma = torch.full((len(x),), 0.8, dtype=torch.float64)
    full = Oracle(SPACE, LAST).full(x, sigma)
    # The value of each state, in the order of the states with MASK in the middle.
    order = torch.tensor([0, 3, 1, 2])
    for of_last, of_middle in (
        (LAST.tweedie_weights(full, x, sigma, sigma / 2), MIDDLE.tweedie_weights),
        (LAST.tweedie_weights(full, x, sigma, sigma * 0), lambda s, y, a, _: MIDDLE.tweedie_weights(s, y, a, a * 0)),
        (LAST.euler_weights(full, x, sigma / 9), lambda s, y, a, _: MIDDLE.euler_weights(s, y, a / 9)),
    ):
        weights = of_middle(full[..., order], renamed(x), sigma, sigma / 2)
        torch.testing.assert_close(weights, of_last[..., order], rtol=1e-12, atol=1e-12)
    entropy = MIDDLE.score_entropy(full[..., order], sigma, renamed(x), renamed(x0))
    torch.testing.assert_close(entropy, LAST.score_entropy(full, sigma, x, x0), rtol=1e-12, atol=1e-12)
    concrete = denoising_concrete_score(MIDDLE, full[..., order], sigma, renamed(x), renamed(x0))
    torch.testing.assert_close(concrete, denoising_concrete_score(LAST, full, sigma, x, x0), rtol=1e-12, atol=1e-12)


def test_a_d3pm_steps_back_to_renamed_states() -> None:
    last, middle = (make_chain(process, Discrete(NOISE, 5)) for process in (LAST, MIDDLE))
    x, t = torch.tensor([0, 1, 2, 3, 3]), torch.tensor([1, 2, 3, 4, 1])
    log_c, x0 = randn(5, TOKENS, seed=72).log_softmax(-1), torch.tensor([0, 1, 2, 2, 1])
    order = torch.tensor([0, 3, 1, 2])
    assert torch.equal(middle.log_reverse(log_c, renamed(x), t), last.log_reverse(log_c, x, t)[:, order])
    assert torch.equal(middle.posterior(renamed(x), renamed(x0), t), last.posterior(x, x0, t)[:, order])
    assert torch.equal(middle.nats(log_c, renamed(x), renamed(x0), t), last.nats(log_c, x, x0, t))
