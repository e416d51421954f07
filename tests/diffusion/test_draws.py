"""Draws are exact: rare tokens come as often as they should, and nothing comes that cannot."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sedd_cli.diffusion.draws import NUCLEUS, LogitsProcessor, draw, invert
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.errors import UsageError
from tests.diffusion.oracle import UNLIKELY, chi_square_p, randn

fixed = settings(derandomize=True, database=None, deadline=None)
PLAIN = LogitsProcessor()

RARE, RARER = 1e-6, 1e-7
CONDITIONAL = torch.tensor([0.55, RARE, 0.25, RARER, 0.2 - RARE - RARER], dtype=torch.float64)
DRAWS = 15_000_000


def poisson_tails(count: int, mean: float) -> tuple[float, float]:
    """The chances of at most, and of at least, this many."""
    mean_ = torch.tensor(mean, dtype=torch.float64)
    at_most = torch.special.gammaincc(torch.tensor(count + 1.0, dtype=torch.float64), mean_)
    at_least = torch.special.gammainc(torch.tensor(float(count), dtype=torch.float64), mean_) if count else 1.0
    return float(at_most), float(at_least)


def as_often_as_it_should(count: int, mean: float) -> bool:
    return min(poisson_tails(count, mean)) > UNLIKELY


def test_rare_tokens_come_as_often_as_they_should() -> None:
    batch = 50_000
    logits = CONDITIONAL.log().expand(batch, -1)
    counts = torch.zeros(len(CONDITIONAL), dtype=torch.int64)
    for k in range(DRAWS // batch):
        token = draw(logits, uniforms(0, k, 9, size=batch), PLAIN).token
        counts += torch.bincount(token, minlength=len(CONDITIONAL))
    assert as_often_as_it_should(int(counts[1]), DRAWS * RARE)
    assert as_often_as_it_should(int(counts[3]), DRAWS * RARER)
    assert chi_square_p(counts, CONDITIONAL) > UNLIKELY


@pytest.mark.parametrize("token", [1, 3])
def test_a_rare_token_owns_its_own_share_of_u(token: int) -> None:
    """Not by luck: of an even lattice of u around its place, exactly its probability is its own."""
    start, p = float(CONDITIONAL[:token].sum()), float(CONDITIONAL[token])
    N = 30_000
    u = start - p + 3 * p * (torch.arange(N, dtype=torch.float64) + 0.5) / N
    tokens = draw(CONDITIONAL.log().expand(N, -1), u, PLAIN).token
    assert tokens.tolist() == sorted(tokens.tolist())
    counts = torch.bincount(tokens, minlength=len(CONDITIONAL))
    assert counts[token - 1 : token + 2].tolist() == pytest.approx([N / 3] * 3, abs=1)


def gumbel(weights: Tensor, rand: Tensor) -> Tensor:
    """How the original SEDD code draws: float32, `argmax(probs / (1e-10 - log(rand + 1e-10)))`."""
    return (weights.float() / (1e-10 - (rand + 1e-10).log())).argmax(-1)


def test_float32_gumbel_draws_all_but_lose_rare_tokens() -> None:
    """The same bound on the same number of tokens, drawn as a 1,024-step sampler of the original code draws them.

    At a step a masked position stays MASK with weight 1 - 1/1024. Of the 1,024 draws that a token takes, only those
    are made in which the rare token's uniform is among the highest `top` of its 2^24 values: in all others it cannot
    win, which is checked first.
    """
    steps, values, top = 1024, 2**24, 128
    weights = torch.cat([CONDITIONAL / steps, torch.tensor([1 - 1 / steps], dtype=torch.float64)])
    g = torch.Generator().manual_seed(0)
    lattice = torch.rand(100_000, generator=g) * values
    assert torch.equal(lattice, lattice.round())  # torch's float32 uniforms are multiples of 2^-24

    hardest = torch.tensor([0.0, 1 - top / values, 0.0, 0.0, 0.0, 0.0])
    assert int(gumbel(weights, hardest)) != 1

    draws = round(DRAWS * steps * top / values)
    count = 0
    for n in torch.arange(draws).split(50_000):
        rand = torch.rand(len(n), len(weights), generator=g)
        rand[:, 1] = 1 - torch.randint(1, top + 1, (len(n),), generator=g) / values
        count += int((gumbel(weights, rand) == 1).sum())
    assert not as_often_as_it_should(count, DRAWS * RARE)
    assert count == 0

    # In exact arithmetic the same race is fair: the rare token's exponential, given that it is this short.
    short = -torch.log1p(-torch.rand(draws, generator=g, dtype=torch.float64) * (top / values))
    others = torch.empty(draws, dtype=torch.float64).exponential_(generator=g) / (1 - weights[1])
    assert as_often_as_it_should(int((short / weights[1] < others).sum()), DRAWS * RARE)


def test_uniforms_carry_53_bits_and_are_decided_by_the_whole_key() -> None:
    u = uniforms(3, 4, MONTE_CARLO, 5, size=1000)
    assert u.dtype == torch.float64 and bool(((u >= 0) & (u < 1)).all())
    fine = u * 2**53
    assert torch.equal(fine, fine.round()) and bool((fine % 2 == 1).any())
    assert torch.equal(u, uniforms(3, 4, MONTE_CARLO, 5, size=1000))
    for other in ((2, 4, MONTE_CARLO, 5), (3, 5, MONTE_CARLO, 5), (3, 4, 0, 5), (3, 4, MONTE_CARLO, 6)):
        assert not bool((u == uniforms(*other, size=1000)).any())
    assert not torch.equal(uniforms(2**40, 0, size=9), uniforms(0, 0, size=9))


weights_with_zeros = st.lists(st.one_of(st.just(0.0), st.floats(0, 1e300), st.floats(0, 1)), min_size=1, max_size=20)
in_unit = st.one_of(st.sampled_from([0.0, 2.0**-53, 1 - 2.0**-53, 0.5]), st.floats(0, 1, exclude_max=True))


@fixed
@example(weights=[5e-324], zeros=1, u=1 - 2.0**-53)
@given(weights=weights_with_zeros.filter(any), zeros=st.integers(0, 5), u=in_unit)
def test_invert_never_returns_what_weighs_nothing(weights: list[float], zeros: int, u: float) -> None:
    w = torch.tensor([[*weights, *[0.0] * zeros]], dtype=torch.float64)
    index = int(invert(w, torch.tensor([u], dtype=torch.float64)))
    assert w[0, index] > 0


@fixed
@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any), cell=st.integers(0, 10**6))
def test_invert_finds_where_the_cumulative_weight_exceeds_u(weights: list[int], cell: int) -> None:
    total = sum(weights)
    cell %= total
    expected = [i for i, w in enumerate(weights) for _ in range(w)][cell]
    u = torch.tensor([(cell + 0.5) / total], dtype=torch.float64)
    assert int(invert(torch.tensor([weights], dtype=torch.float64), u)) == expected


def test_invert_takes_each_row_with_its_own_u() -> None:
    w = torch.tensor([[1.0, 1, 2], [0, 3, 0], [4, 0, 4]], dtype=torch.float64)
    assert invert(w, torch.tensor([0.25, 0.99, 0.5], dtype=torch.float64)).tolist() == [1, 1, 2]


def test_draws_follow_the_conditional_of_a_large_vocabulary() -> None:
    V, N = 50_257, 40
    logits = 3 * randn(V, seed=50)
    u = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    drawn = draw(logits.float().expand(N, -1), u, PLAIN)
    cumulative = logits.float().double().softmax(0).cumsum(0)
    assert bool((cumulative[drawn.token] > u).all())
    assert bool((cumulative[drawn.token - 1] <= u).all())


LOGITS = torch.tensor([0.05, 0.4, 0.1, 0.25, 0.2], dtype=torch.float64).log() + 3.0


def shares(logits_processor: LogitsProcessor, logits: Tensor = LOGITS, N: int = 10_000) -> list[float]:
    """How much of u each token gets."""
    u = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    tokens = draw(logits.expand(N, -1), u, logits_processor).token
    return (torch.bincount(tokens, minlength=len(logits)) / N).tolist()


@pytest.mark.parametrize(
    ("logits_processor", "expected"),
    [
        (LogitsProcessor(), [0.05, 0.4, 0.1, 0.25, 0.2]),
        (LogitsProcessor(top_k=1), [0, 1, 0, 0, 0]),
        (LogitsProcessor(top_k=2), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        (LogitsProcessor(top_k=5), [0.05, 0.4, 0.1, 0.25, 0.2]),
        (LogitsProcessor(top_k=99), [0.05, 0.4, 0.1, 0.25, 0.2]),
        (LogitsProcessor(top_p=1e-9), [0, 1, 0, 0, 0]),
        (LogitsProcessor(top_p=0.39), [0, 1, 0, 0, 0]),
        (LogitsProcessor(top_p=0.41), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0]),
        (LogitsProcessor(top_p=0.86), [0, 0.4 / 0.95, 0.1 / 0.95, 0.25 / 0.95, 0.2 / 0.95]),
        (LogitsProcessor(top_p=1.0), [0.05, 0.4, 0.1, 0.25, 0.2]),
        (LogitsProcessor(forbidden=(1,)), [0.05 / 0.6, 0, 0.1 / 0.6, 0.25 / 0.6, 0.2 / 0.6]),
        (LogitsProcessor(forbidden=(1, 3), top_k=2), [0, 0, 0.1 / 0.3, 0, 0.2 / 0.3]),
        (LogitsProcessor(forbidden=(1,), top_p=0.4), [0, 0, 0, 1, 0]),
        (LogitsProcessor(top_k=2, top_p=0.5), [0, 1, 0, 0, 0]),
        (LogitsProcessor(temperature=1e-3), [0, 1, 0, 0, 0]),
        # Tempered first, to 0.16 / 0.275 = 0.58 for the likeliest: it alone holds half.
        (LogitsProcessor(temperature=0.5, top_p=0.5), [0, 1, 0, 0, 0]),
    ],
    ids=repr,
)
def test_shaping_bends_the_law_as_documented(logits_processor: LogitsProcessor, expected: list[float]) -> None:
    assert shares(logits_processor) == pytest.approx(expected, abs=2e-4)


def test_top_p_keeps_the_smallest_set_of_any_number_of_tokens() -> None:
    """A peaked row beside a flat one, whose set is larger than what is looked at first."""
    flat = torch.linspace(0.0, 1.0, 4 * NUCLEUS, dtype=torch.float64)
    logits = torch.stack([flat, 20 * flat])
    for rows, top_p in ((logits, 0.9), (logits[1:], 0.9), (logits, 1e-9)):
        p = rows.softmax(-1)
        kept = LogitsProcessor(top_p=top_p).apply(rows).isfinite()
        likelier = (p[:, None, :] * (p[:, None, :] > p[:, :, None])).sum(-1)
        assert torch.equal(kept, likelier < top_p)
    assert int(LogitsProcessor(top_p=0.9).apply(logits)[0].isfinite().sum()) > 2 * NUCLEUS


def test_what_top_p_keeps_of_equally_likely_tokens_does_not_depend_on_the_rows_beside_it() -> None:
    ties = (3 * torch.randn(8, 4 * NUCLEUS, generator=torch.Generator().manual_seed(0))).bfloat16().double()
    flat = torch.zeros(1, 4 * NUCLEUS, dtype=torch.float64)
    processor = LogitsProcessor(top_p=0.85)
    beside = processor.apply(torch.cat([ties, flat]))
    assert torch.equal(beside[:-1], torch.cat([processor.apply(row[None]) for row in ties]))


@pytest.mark.parametrize("temperature", [0.3, 0.7, 2.0, 50.0])
def test_temperature_raises_probabilities_to_its_inverse(temperature: float) -> None:
    expected = (LOGITS / temperature).softmax(0).tolist()
    assert shares(LogitsProcessor(temperature=temperature)) == pytest.approx(expected, abs=2e-4)


@fixed
@given(
    logits=st.lists(st.floats(-30, 5), min_size=2, max_size=12),
    top_k=st.one_of(st.none(), st.integers(1, 14)),
    top_p=st.one_of(st.none(), st.floats(1e-12, 1)),
    temperature=st.floats(1e-3, 1e3),
    u=in_unit,
)
def test_whatever_the_shaping_some_allowed_token_is_drawn(
    logits: list[float], top_k: int | None, top_p: float | None, temperature: float, u: float
) -> None:
    logits_processor = LogitsProcessor(temperature=temperature, top_k=top_k, top_p=top_p, forbidden=(0,))
    given_logits = torch.tensor([logits], dtype=torch.float64)
    before = given_logits.clone()
    token = int(draw(given_logits, torch.tensor([u], dtype=torch.float64), logits_processor).token)
    assert 1 <= token < len(logits)
    assert torch.equal(given_logits, before)
    if top_k is not None:
        assert sorted(logits[1:], reverse=True).index(logits[token]) < top_k


def test_a_tiny_temperature_draws_the_likeliest_token_even_where_every_logit_is_far_below_zero() -> None:
    """Log scores late in a run are of any size: only their differences count."""
    logits = torch.tensor([[-900.0, -800.0, -850.0]], dtype=torch.float64)
    for temperature in (1e-3, 1e-100, 1e-306):
        drawn = draw(logits, torch.tensor([0.5], dtype=torch.float64), LogitsProcessor(temperature=temperature))
        assert drawn.token.tolist() == [1]


def test_probability_and_entropy_are_those_before_shaping() -> None:
    p = LOGITS.softmax(0)
    logits_processor = LogitsProcessor(temperature=0.2, top_k=2, forbidden=(1,))
    drawn = draw(LOGITS.expand(2, -1), torch.tensor([0.1, 0.999], dtype=torch.float64), logits_processor)
    torch.testing.assert_close(drawn.probability, p[drawn.token])
    torch.testing.assert_close(drawn.entropy, -(p * p.log()).sum().expand(2))
    assert 1 not in drawn.token.tolist()
    certain = draw(torch.tensor([[0.0, -torch.inf]], dtype=torch.float64), torch.zeros(1, dtype=torch.float64), PLAIN)
    assert certain.entropy.tolist() == [0.0] and certain.probability.tolist() == [1.0]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1.0},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.01},
        {"top_p": math.nan},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LogitsProcessor(**settings)  # type: ignore[arg-type]


def test_changes_law_is_true_only_where_the_law_changes() -> None:
    assert not any(
        s.changes_law for s in (LogitsProcessor(), LogitsProcessor(top_p=1.0), LogitsProcessor(forbidden=(0,)))
    )
    assert all(
        s.changes_law for s in (LogitsProcessor(temperature=0.9), LogitsProcessor(top_k=9), LogitsProcessor(top_p=0.9))
    )


def test_what_is_unfit_is_not_drawn_where_it_leads() -> None:
    logits_processor = LogitsProcessor(forbidden=(4,), space_positions=(7,), forbidden_at_space=(1, 3))
    u = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    position = torch.arange(10_000) % 2 + 6
    drawn = draw(LOGITS.expand(10_000, -1), u, logits_processor, position)
    there = torch.bincount(drawn.token[position == 7], minlength=5) / 5_000
    elsewhere = torch.bincount(drawn.token[position == 6], minlength=5) / 5_000
    assert there.tolist() == pytest.approx([0.05 / 0.15, 0, 0.1 / 0.15, 0, 0], abs=1e-3)
    assert elsewhere.tolist() == pytest.approx([0.05 / 0.8, 0.4 / 0.8, 0.1 / 0.8, 0.25 / 0.8, 0], abs=1e-3)


def test_limits_of_positions_add_up() -> None:
    logits_processor = LogitsProcessor(
        space_positions=(7,), forbidden_at_space=(1, 3), exclusions=(((6, 7), (0,)), ((5,), (4,)))
    )
    logits = torch.zeros(3, 5, dtype=torch.float64)
    allowed = logits_processor.apply(logits, torch.tensor([7, 6, 5])) == 0
    assert [row.nonzero().squeeze(-1).tolist() for row in allowed] == [[2, 4], [1, 2, 3, 4], [0, 1, 2, 3]]
