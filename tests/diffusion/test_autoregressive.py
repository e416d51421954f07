"""The autoregressive baseline against an enumerated truth: its likelihood is exact, and so are its samples."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.likelihood import Estimator, default_estimator, estimate
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing, Causal, Process, Uniform
from sedd_cli.diffusion.samplers import default_sampler, make_sampler
from sedd_cli.diffusion.schedules import LogLinear
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import UNLIKELY, Space, chi_square_p, counts_of, ids_of, run_states, start_states

TOKENS, L = 3, 3
PROCESS = Causal(TOKENS)
SPACE = Space(TOKENS, L, seed=80)
EMPTY = torch.full((L,), TOKENS)


class Next:
    """`p(x_i | x_<i)` of the space; `asked` holds how many positions each call asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        row, position = where.nonzero().unbind(1)
        self.asked.append(len(row))
        before = torch.where(torch.arange(L) < position[:, None], x[row], TOKENS)
        yield Scored(row, position, SPACE.conditional(before)[torch.arange(len(row)), position].log())


def test_the_likelihood_is_the_product_of_the_conditionals() -> None:
    x0, network = SPACE.canvases(), Next()
    assert default_estimator(PROCESS, LogLinear()) == "autoregressive"
    result = estimate(network, PROCESS, LogLinear(), x0, estimator="autoregressive", replicates=3, batch_size=10)
    torch.testing.assert_close(result.nats, -SPACE.p0.log(), rtol=1e-12, atol=0)
    torch.testing.assert_close(result.per_token.sum(1), result.nats)
    assert result.standard_error == 0 and result.replicates.shape == (3, len(x0))
    assert network.asked == [30, 30, 21], "one call for each canvas, whatever the replicates"


def test_given_tokens_do_not_count() -> None:
    x0 = SPACE.canvases()
    where = torch.tensor([False, True, True]).expand(len(x0), -1)
    result = estimate(Next(), PROCESS, LogLinear(), x0, estimator="autoregressive", where=where)
    first = torch.where(torch.arange(L) < 1, x0, TOKENS)
    torch.testing.assert_close(result.nats, (SPACE.probability(first) / SPACE.p0).log(), rtol=1e-9, atol=1e-12)
    assert bool((result.per_token[:, 0] == 0).all())


@pytest.mark.parametrize("prompt", [[], [2], [0, 1]], ids=str)
def test_samples_follow_the_law_from_left_to_right(prompt: list[int]) -> None:
    start = EMPTY.clone()
    start[: len(prompt)] = torch.tensor(prompt, dtype=torch.int64)
    network = Next()
    assert default_sampler(PROCESS) == "left-to-right"
    sampler = make_sampler(PROCESS, LogLinear(), name="left-to-right", free=torch.arange(L) >= len(prompt))
    states = start_states(sampler, start, start == TOKENS, 2400)
    assert all(sampler.calls_left(s) == L - len(prompt) == sampler.num_updates for s in states)
    done = run_states(sampler, network, states)
    assert network.asked == [2400] * (L - len(prompt)), "one position a call"
    assert chi_square_p(counts_of(ids_of(done), TOKENS), SPACE.given(start)) > UNLIKELY
    alone = run_states(sampler, network, [sampler.start(start, start == TOKENS, 0, 7)])[0]
    assert torch.equal(alone.ids, done[7].ids)


def test_a_step_tells_what_it_wrote() -> None:
    sampler = make_sampler(PROCESS, LogLinear(), name="left-to-right", free=torch.full((L,), True))
    state = sampler.start(EMPTY, EMPTY == TOKENS, 0, 0)
    for i in range(L):
        ((after, change),) = sampler.advance([state], Next())
        law = SPACE.conditional(state.ids[None])[0, i]
        assert change.step == i and change.positions.tolist() == [i] and change.sigma == 0
        assert change.t == pytest.approx((L - i) / L)
        assert float(change.probability) == pytest.approx(float(law[after.ids[i]]))
        state = after


def test_the_logits_processor_applies() -> None:
    greedy = make_sampler(
        PROCESS,
        LogLinear(),
        name="left-to-right",
        free=torch.full((L,), True),
        logits_processor=LogitsProcessor(top_k=1),
    )
    ids = ids_of(run_states(greedy, Next(), start_states(greedy, EMPTY, EMPTY == TOKENS, 20)))
    assert len(ids.unique(dim=0)) == 1


def test_what_stands_after_a_gap_cannot_be_taken_into_account() -> None:
    sampler = make_sampler(PROCESS, LogLinear(), name="left-to-right", free=torch.arange(L) >= L - 2)
    with pytest.raises(UsageError, match="left to right"):
        sampler.start(EMPTY, torch.tensor([True, True, False]), 0, 0)
    done = run_states(sampler, Next(), [sampler.start(EMPTY, EMPTY == TOKENS, 0, 0)])[0]
    with pytest.raises(UsageError, match="anew"):
        sampler.remask(done, torch.tensor([1]))


@pytest.mark.parametrize("process", [Absorbing(TOKENS), Uniform(TOKENS)], ids=lambda p: type(p).__name__)
def test_the_two_kinds_are_not_mixed_up(process: Absorbing | Uniform) -> None:
    with pytest.raises(UsageError, match="tweedie"):
        make_sampler(process, LogLinear(), name="left-to-right", free=torch.full((L,), True))
    for name in ("tweedie", "euler", "first-hitting", "ancestral"):
        with pytest.raises(UsageError, match="left-to-right"):
            make_sampler(PROCESS, LogLinear(), name=name, free=torch.full((L,), True))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="autoregressive"):
        estimate(Next(), process, LogLinear(), SPACE.canvases(), estimator="autoregressive")
    estimators: tuple[Estimator, ...] = ("lambda", "ao", "elbo", "d3pm", "dwdse")
    for estimator in estimators:
        with pytest.raises(UsageError, match="autoregressive"):
            estimate(Next(), PROCESS, LogLinear(), SPACE.canvases(), estimator=estimator)
    assert not isinstance(PROCESS, Process), "it has no noise"
