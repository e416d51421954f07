"""MAUVE of features: alike is near 1, different is less, and nothing is said past us."""

from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from sedd_cli.evaluation.mauve import compute_mauve

# Not imported when tests are collected: mauve takes seconds, and in each worker.
pytestmark = pytest.mark.skipif(find_spec("mauve") is None, reason="needs mauve")


def features(n: int, shift: float = 0.0, seed: int = 0) -> list[Tensor]:
    return list(torch.randn(n, 24, generator=torch.Generator().manual_seed(seed)) + shift)


def value(ours: list[Tensor], real: list[Tensor], seed: int = 0) -> float:
    result = compute_mauve(ours, real, seed)
    assert result is not None
    return result.value


def test_alike_is_one_and_further_is_less(capfd: pytest.CaptureFixture[str]) -> None:
    real = features(60)
    same, near, far = value(real, real), value(features(60, seed=1), real), value(features(60, 2.0, seed=1), real)
    assert same == pytest.approx(1)
    assert 0.5 < near <= 1 and far < 0.1
    assert capfd.readouterr() == ("", "")


def test_seed_and_clusters() -> None:
    ours, real = features(50, 0.4, seed=1), features(45)
    assert value(ours, real, 5) == value(ours, real, 5)
    result = compute_mauve(ours, real, seed=2**31)
    assert result is not None and (result.clusters, result.texts) == (4, (50, 45))


def test_few_texts() -> None:
    assert compute_mauve(features(1), features(5)) is None and compute_mauve(features(5), []) is None
    result = compute_mauve(features(3), features(2, seed=1))
    assert result is not None and result.clusters == 2
    assert value([torch.ones(4)] * 5, [torch.ones(4)] * 5) > 0.5
