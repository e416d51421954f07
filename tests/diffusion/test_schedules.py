"""Noise schedules: total noise, its rate and its inverse belong together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedd_cli.diffusion.schedules import Cosine, Geometric, LogLinear, Schedule, mask_probability

SCHEDULES = [LogLinear(), Geometric(), Geometric(1e-4, 20.0), Cosine()]
times = st.floats(0.0, 1.0)
every_schedule = pytest.mark.parametrize("noise", SCHEDULES, ids=str)
fixed = settings(derandomize=True, database=None, deadline=None)


def tensor(t: float) -> torch.Tensor:
    return torch.tensor(t, dtype=torch.float64)


@every_schedule
@fixed
@given(t=times)
def test_inverse_undoes_total(noise: Schedule, t: float) -> None:
    assert float(noise.inverse(noise.total(tensor(t)))) == pytest.approx(t, rel=1e-9, abs=1e-9)


@every_schedule
@fixed
@given(t=times)
def test_rate_is_the_derivative_of_total(noise: Schedule, t: float) -> None:
    at = tensor(t).requires_grad_()
    (derivative,) = torch.autograd.grad(noise.total(at), at)
    assert float(noise.rate(tensor(t))) == pytest.approx(float(derivative), rel=1e-9, abs=1e-12)


@every_schedule
@fixed
@given(pair=st.lists(times, min_size=2, max_size=2, unique=True))
def test_total_never_falls(noise: Schedule, pair: list[float]) -> None:
    early, late = sorted(pair)
    assert noise.total(tensor(early)) <= noise.total(tensor(late))


@every_schedule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_dtype_and_shape_are_kept(noise: Schedule, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    t = torch.full(shape, 0.25, dtype=dtype)
    for value in (noise.total(t), noise.rate(t), noise.inverse(noise.total(t)), mask_probability(t)):
        assert value.dtype == dtype and value.shape == shape


@every_schedule
def test_float32_agrees_with_float64(noise: Schedule) -> None:
    t = torch.linspace(0, 1, 101, dtype=torch.float32)
    torch.testing.assert_close(noise.total(t).double(), noise.total(t.double()), rtol=2e-4, atol=1e-9)
    torch.testing.assert_close(noise.inverse(noise.total(t)), t, rtol=1e-4, atol=1e-5)


def test_ends_are_those_of_the_papers() -> None:
    zero, one = tensor(0.0), tensor(1.0)
    assert float(LogLinear(1e-3).total(zero)) == float(Cosine(1e-3).total(zero)) == 0
    assert float(mask_probability(LogLinear(1e-3).total(one))) == pytest.approx(0.999, rel=1e-12)
    assert float(mask_probability(Cosine(1e-3).total(one))) == pytest.approx(0.999, rel=1e-12)
    assert float(Geometric(1e-3, 1.0).total(zero)) == pytest.approx(1e-3, rel=1e-12)
    assert float(Geometric(1e-3, 1.0).total(one)) == pytest.approx(1.0, rel=1e-12)


def test_loglinear_masks_linearly_and_cosine_as_a_cosine() -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(mask_probability(LogLinear(1e-3).total(t)), 0.999 * t)
    torch.testing.assert_close(mask_probability(Cosine(1e-3).total(t)), 0.999 * (1 - torch.cos(torch.pi / 2 * t)))


@every_schedule
def test_noise_that_is_never_reached_has_its_time_outside(noise: Schedule) -> None:
    end = noise.total(tensor(1.0))
    assert float(noise.inverse(1.01 * end)) > 1
    if float(start := noise.total(tensor(0.0))) > 0:
        assert float(noise.inverse(0.99 * start)) < 0
