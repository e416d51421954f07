"""The figures that the original SEDD and RADD code computes for three tiny checkpoints (float32, CPU)."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.diffusion.grid import make_grid
from sedd_cli.diffusion.network import Scored
from tests.conftest import PARITY


def case(name: str) -> tuple[Checkpoint, dict[str, Tensor]]:
    return load_checkpoint(PARITY / name), load_file(PARITY / name / "cases.safetensors")


def check_agree(ours: Tensor, theirs: Tensor) -> None:
    error = (ours.double() - theirs.double()).abs() / theirs.double().abs().clamp(min=1)
    assert float(error.max()) <= 1e-4


@pytest.mark.parametrize("name", ["absorb", "uniform"])
def test_sedd_code(name: str) -> None:
    ckpt, its = case(name)
    x, x0, sigma, t = its["x"], its["x0"], its["sigma"], its["t"]
    check_agree(ckpt.noise.total(t), sigma)
    check_agree(ckpt.noise.rate(t), its["dsigma"])
    log_score = ckpt.model.log_score(x, sigma)
    check_agree(log_score, its["log_score"])
    entropy = ckpt.process.score_entropy(log_score, sigma, x, x0)
    check_agree(entropy, its["score_entropy"])
    check_agree((its["dsigma"][:, None] * entropy).sum(1), its["loss"])
    after = ckpt.noise.total(t - its["dt"])
    check_agree(ckpt.process.tweedie_weights(log_score, x, sigma, after), its["tweedie_probs"])
    check_agree(ckpt.process.euler_weights(log_score, x, its["dsigma"] * its["dt"]), its["euler_probs"])
    last = ckpt.noise.total(torch.full((len(x),), 1e-5))
    denoised = ckpt.process.tweedie_weights(ckpt.model.log_score(x, last), x, last, torch.zeros_like(last))
    check_agree(denoised[..., : ckpt.config.tokens], its["denoise_probs"])


@pytest.mark.parametrize("name", ["absorb", "uniform"])
def test_sampling_grid(name: str) -> None:
    ckpt, its = case(name)
    grid = make_grid(ckpt.noise, steps=16)
    check_agree(grid.t.flip(0), its["grid_t"])
    check_agree(grid.sigma.flip(0), its["grid_sigma"])
    check_agree(ckpt.noise.rate(grid.t).flip(0), its["grid_dsigma"])


def test_radd_code() -> None:
    ckpt, its = case("radd")
    x, x0, sigma, dsigma, t, k = (its[name] for name in ("x", "x0", "sigma", "dsigma", "t", "k"))
    tokens, L = ckpt.config.tokens, x.shape[1]
    logits = ckpt.model.backbone(x, sigma)
    check_agree(logits[..., :tokens].log_softmax(-1), its["log_condition"][..., :tokens])
    check_agree(logits[..., tokens], its["log_condition"][..., tokens])

    log_score = ckpt.model.log_score(x, sigma)
    masked = x == tokens
    check_agree((dsigma[:, None] * ckpt.process.score_entropy(log_score, sigma, x, x0)).sum(1), its["t_dse"])
    target = torch.where(masked, log_score.gather(-1, x0[..., None]).squeeze(-1), 0.0)
    check_agree(dsigma / torch.expm1(sigma) * -target.sum(1), its["t_dce"])
    nll = -torch.where(masked, target + torch.expm1(sigma).log()[:, None], 0.0).sum(1)
    check_agree(nll / t, its["lambda_dce"])
    check_agree(nll * L / k, its["ao"])


@pytest.mark.parametrize("method", ["tweedie", "euler"])
def test_radd_reveal_chances(method: str) -> None:
    ckpt, its = case("radd")
    grid = make_grid(ckpt.noise, steps=8)
    check_agree(grid.t[:-1], its["grid_t"])
    check_agree(grid.reveal_chance(method), its[f"{method}_update_rate_8_steps"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["absorb", "uniform", "radd"])
def test_log_scores_are_log_score_at_the_chosen_positions(name: str) -> None:
    ckpt, its = case(name)
    x, sigma = its["x"], its["sigma"]
    where = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    if name != "uniform":
        where &= x == ckpt.config.tokens
    everywhere = ckpt.model.log_score(x, sigma)[..., : ckpt.config.tokens]
    seen = torch.zeros_like(where)
    for scored in ckpt.model.log_scores(x, sigma, where):
        at = (scored.row, scored.position)
        torch.testing.assert_close(scored.log_score, everywhere[at], rtol=1e-4, atol=1e-4)
        seen[at] = True
    assert torch.equal(seen, where)


def test_radd_form_at_visible_positions_stays_where_it_is() -> None:
    ckpt, its = case("radd")
    x = its["x"]
    log_score = ckpt.model.log_score(x, its["sigma"])
    visible = log_score[x != ckpt.config.tokens]
    assert torch.equal(visible.exp().sum(-1), torch.ones(len(visible)))
    assert torch.equal(visible.argmax(-1), x[x != ckpt.config.tokens])
    assert torch.equal(log_score[x == ckpt.config.tokens][:, -1], torch.zeros(int((x == ckpt.config.tokens).sum())))


def test_a_batch_gives_the_scores_of_its_rows() -> None:
    """What an accelerator runs: rows together, with as many positions each as the fullest has."""
    for name in ("absorb", "uniform", "radd"):
        ckpt, its = case(name)
        x, sigma = its["x"], its["sigma"]
        where = torch.zeros_like(x, dtype=torch.bool)
        where[0, :20], where[2, 5] = True, True
        parts = zip(*ckpt.model._log_scores(x, sigma, where, rows=torch.tensor([0, 2])), strict=True)
        together = Scored(*(torch.cat(part) for part in parts))
        alone = torch.cat([scored.log_score for scored in ckpt.model.log_scores(x, sigma, where)])
        torch.testing.assert_close(together.log_score, alone, rtol=1e-4, atol=1e-4)
        assert together.row.tolist() == [0] * 20 + [2] and together.position.tolist() == [*range(20), 5]


@pytest.mark.parametrize("name", ["absorb", "radd"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    ckpt, its = case(name)
    network = ckpt.model.backbone
    network.requires_grad_(True)
    weight = network.blocks[0].attn_qkv.weight

    def loss() -> Tensor:
        return network(its["x"], its["sigma"]).square().mean()

    loss().backward()
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    expected = float((weight.grad * direction).sum())
    with torch.no_grad():
        weight += 1e-3 * direction
        above = float(loss())
        weight -= 2e-3 * direction
        below = float(loss())
    assert (above - below) / 2e-3 == pytest.approx(expected, rel=2e-2)
