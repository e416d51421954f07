"""A RADD network in SEDD form: what `train/to_sedd.py` makes computes the same."""

import sys
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from tests.conftest import PARITY

sys.path.insert(0, str(Path(__file__).parents[2] / "train"))
from to_sedd import fit_normaliser, with_time


@pytest.fixture(scope="module")
def radd() -> Checkpoint:
    return load_checkpoint(PARITY / "radd")


def timed(radd: Checkpoint, normaliser: torch.Tensor) -> ScoreNetwork:
    table = radd.config.model_dump()
    table["model"] |= {"type": "ddit", "cond_dim": 8}
    network = ScoreNetwork(Config(**table))
    network.backbone.load_state_dict(with_time(radd.model, network, normaliser))
    return network.eval()


def canvases(radd: Checkpoint, count: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(1)
    return torch.randint(radd.config.tokens, (count, radd.length), generator=draws)


@torch.no_grad()
def test_it_says_the_same_of_every_token_at_every_noise(radd: Checkpoint) -> None:
    normaliser = torch.randn(radd.config.model.hidden_size + 1, generator=torch.Generator().manual_seed(2))
    network, x, sigma = timed(radd, normaliser), canvases(radd, 3), torch.tensor([0.1, 1.0, 5.0])
    x[:, ::2] = radd.config.tokens
    real = slice(radd.config.tokens)
    theirs = radd.model.log_score(x, sigma)[:, ::2, real].log_softmax(-1)
    ours = network.log_score(x, sigma)[:, ::2, real].log_softmax(-1)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_fit_takes_the_factor_off(radd: Checkpoint) -> None:
    """The score's sum over tokens is 1 / (e^sigma - 1) (RADD, theorem 1): nearer with the fit than without."""
    x0, sigma = canvases(radd, 64), torch.tensor([1.0])
    x = torch.full((1, radd.length), radd.config.tokens)

    def miss(normaliser: torch.Tensor) -> float:
        total = timed(radd, normaliser).log_score(x, sigma)[..., : radd.config.tokens].logsumexp(-1)
        return float((total + torch.expm1(sigma).log()).abs().mean())

    fitted = fit_normaliser(radd, x0)
    assert miss(fitted) < 0.1 < miss(torch.zeros_like(fitted))
