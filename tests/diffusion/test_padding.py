"""The law of a length from the probabilities of PAD, which a network need not give in order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli.diffusion.padding import isotonic, length_law

SHARES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9)


@given(SHARES)
def test_the_nearest_sequence_that_never_falls(values: list[float]) -> None:
    """As by pooling those that fall (Barlow et al., 1972)."""
    pools = list[tuple[float, int]]()
    for value in values:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [(a + b, m + n)]
    pooled = [total / count for total, count in pools for _ in range(count)]
    assert isotonic(torch.tensor(values, dtype=torch.float64)).tolist() == pytest.approx(pooled, abs=1e-9)


@given(SHARES)
def test_a_law_whatever_the_network_says(values: list[float]) -> None:
    law, error = length_law(torch.tensor(values, dtype=torch.float64))
    assert len(law) == len(values) + 1 and float(law.min()) >= 0 and float(law.sum()) == pytest.approx(1)
    assert error == pytest.approx(0, abs=1e-12) if values == sorted(values) else error > 0


def test_pad_at_a_slot_tells_of_shorter_lengths() -> None:
    truth = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    law, error = length_law(truth.cumsum(0)[:-1])
    assert torch.allclose(law, truth) and error < 1e-12
    law, error = length_law(torch.tensor([0.5, 0.25, 0.75], dtype=torch.float64))
    assert law.tolist() == [0.375, 0, 0.375, 0.25] and error == 0.125
