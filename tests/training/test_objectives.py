"""Objectives: what they agree on, and that each can be learnt to its minimum."""

import pytest
import torch
from torch import Tensor

from sedd_cli import load_checkpoint
from sedd_cli.diffusion.likelihood import default_estimator, estimate
from sedd_cli.diffusion.randomness import uniforms
from sedd_cli.diffusion.schedules import LogLinear, mask_probability
from sedd_cli.models.network import LOGITS_KEPT, ScoreNetwork
from sedd_cli.training.loop import make_network
from sedd_cli.training.objectives import T_MIN, NoiseDraws, dwdse, lambda_dce, make_objective
from sedd_cli.training.optimisers import SYMMETRIC_BLOCK, make_optimisers, orthogonalise
from sedd_cli.training.recipe import Recipe, make_recipe
from tests.conftest import PARITY


def noising(B: int, L: int, seed: int) -> NoiseDraws:
    u = uniforms(seed, 0, size=B + B * L)
    return NoiseDraws((torch.arange(B) + 1 - u[:B]) / B, u[B:].view(B, L))


def small(form: str = "radd", process: str = "absorb", objective: str = "dwdse") -> Recipe:
    return make_recipe(
        {
            "model": {"form": form, "process": process, "hidden_size": 64, "n_blocks": 2, "n_heads": 2, "length": 32},
            "optimiser": {"matrix_rate": 0.01, "matrix_decay": 0.0},
            "d3pm": {"steps": 64},
            "phases": [{"objective": objective, "steps": 1}],
        },
        [],
        "test",
    )


def test_dwdse_in_radd_form_is_lambda_dce_in_value_and_gradient() -> None:
    """At the same masks, `DWDSE(t) = lambda-DCE(m(t)) dm/dt` (RADD, theorem 2)."""
    network = load_checkpoint(PARITY / "radd").model.requires_grad_(True)
    noise, x0 = LogLinear(), torch.randint(60, (4, 24), generator=torch.Generator().manual_seed(1))
    numbers = noising(4, 24, seed=3)
    t = T_MIN + (1 - T_MIN) * numbers.times
    sigma = noise.total(t)
    entropy = dwdse(network, noise, x0, numbers)
    bound = lambda_dce(network, noise, x0, NoiseDraws(mask_probability(sigma), numbers.uniforms))
    speed = (noise.rate(t) * (-sigma).exp()).float()
    torch.testing.assert_close(entropy, bound * speed, rtol=1e-4, atol=1e-5)
    weights = list(network.parameters())[:-1]
    (ours,) = [torch.autograd.grad(entropy.sum(), weights, retain_graph=True, allow_unused=True)]
    (theirs,) = [torch.autograd.grad((bound * speed).sum(), weights, allow_unused=True)]
    for a, b in zip(ours, theirs, strict=True):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def learn(network: ScoreNetwork, recipe: Recipe, objective: str, x0: Tensor, steps: int) -> list[float]:
    """The loss of each step, the rate falling to 0 over the second half."""
    optimisers = make_optimisers(network, recipe.optimiser)
    noise, losses = recipe.config(network.process.tokens).schedule(), []
    for step in range(steps):
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = group["base_lr"] * min(1, 2 * (1 - step / steps))
        loss = make_objective(objective, recipe.d3pm.simple_weight)(
            network, noise, x0, noising(*x0.shape, seed=step)
        ).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize(
    ("objective", "parameters", "process"),
    [
        pytest.param("lambda-dce", "radd", "absorb", marks=pytest.mark.slow),
        pytest.param("ao", "radd", "absorb", marks=pytest.mark.slow),
        pytest.param("t-dce", "radd", "absorb", marks=pytest.mark.slow),
        pytest.param("dwdse", "radd", "absorb", marks=pytest.mark.slow),
        ("dwdse", "sedd", "absorb"),
        pytest.param("ao", "sedd", "absorb", marks=pytest.mark.slow),
        pytest.param("dwdse", "sedd", "uniform", marks=pytest.mark.slow),
        pytest.param("d3pm-vb", "radd", "absorb", marks=pytest.mark.slow),
        pytest.param("d3pm-simple", "sedd", "absorb", marks=pytest.mark.slow),
        pytest.param("d3pm-hybrid", "sedd", "absorb", marks=pytest.mark.slow),
        pytest.param("d3pm-vb", "sedd", "uniform", marks=pytest.mark.slow),
        pytest.param("d3pm-simple", "sedd", "uniform", marks=pytest.mark.slow),
        pytest.param("d3pm-hybrid", "sedd", "uniform", marks=pytest.mark.slow),
        pytest.param("autoregressive", "radd", "absorb", marks=pytest.mark.slow),
    ],
)
def test_one_text_is_learnt_by_heart(objective: str, parameters: str, process: str) -> None:
    """To near `log(4) / 32 = 0.04`: on an all-MASK canvas rotary positions, which are relative, tell no place from
    another, so the first of four different tokens cannot be known. The uniform process learns far slower, and is on
    its way."""
    recipe = small(parameters, process, objective)
    network = make_network(recipe, 8, torch.device("cpu"))
    x0 = torch.tensor([3, 1, 4, 2]).repeat(8).expand(16, 32)
    losses = learn(network, recipe, objective, x0, 300 if process == "uniform" else 160)
    if objective == "autoregressive":
        assert losses[-1] < 0.1
        return
    noise = recipe.config(8).schedule()
    estimator = default_estimator(network.process, noise)
    bound = estimate(network.eval(), network.process, noise, x0[:1], estimator=estimator, replicates=32, draws=8)
    # Of `L_simple`, an average over the steps, half the positions count at the start.
    assert losses[0] > (1.0 if objective == "d3pm-simple" else 1.5)
    assert float(bound.nats.sum()) / 32 < (1.0 if process == "uniform" else 0.15)


@pytest.mark.parametrize(
    ("objective", "process"),
    [
        pytest.param("dcsm", "absorb", marks=pytest.mark.slow),
        pytest.param("ise", "absorb", marks=pytest.mark.slow),
        pytest.param("csm", "absorb", marks=pytest.mark.slow),
        pytest.param("dcsm", "uniform", marks=pytest.mark.slow),
    ],
)
def test_teaching_objectives_learn(objective: str, process: str) -> None:
    """Towards `log(4) / 4 = 0.35`, on short canvases: the implicit ones read one more for every position."""
    recipe = small("sedd", process, objective)
    network = make_network(recipe, 4, torch.device("cpu"))
    x0, noise = torch.tensor([3, 1, 0, 2]).expand(16, 4), recipe.config(4).schedule()
    learn(network, recipe, objective, x0, 100 if objective == "dcsm" and process == "absorb" else 240)
    estimator = default_estimator(network.process, noise)
    bound = estimate(network.eval(), network.process, noise, x0[:1], estimator=estimator, replicates=32, draws=8)
    # An untrained network has log(4) = 1.39. Concrete score matching wanders: 0.9 to 1.2 after 240 to 400 steps.
    assert float(bound.nats.sum()) / 4 < (1.6 if process == "uniform" else 1.3 if objective == "csm" else 1.1)


def test_logits_are_kept_or_computed_again_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: what is kept until the backward pass is a matter of memory alone."""
    x0, gradients = torch.arange(64).view(2, 32) % 16, []
    for kept in (LOGITS_KEPT, 0):
        monkeypatch.setattr("sedd_cli.models.network.LOGITS_KEPT", kept)
        network = make_network(small(), 16, torch.device("cpu"))
        torch.nn.init.normal_(network.backbone.embedding, generator=torch.Generator().manual_seed(0))
        make_objective("simple", 0.0)(network, LogLinear(), x0, noising(2, 32, seed=0)).sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True) if a is not None and b is not None)
    assert sum(bool(g.any()) for g in gradients[0] if g is not None) > 1


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    for shape in ((24, 40), (40, 24)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        values = torch.linalg.svdvals(orthogonalise(matrix))
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        assert float((orthogonalise(matrix) * (u @ vh)).sum()) > 0.9 * min(shape) * float(values.mean())


@pytest.mark.parametrize("rows", [32, SYMMETRIC_BLOCK + 32])
def test_the_orthogonalisation_is_newton_schulz(rows: int) -> None:
    """By the textbook iteration in float64, on a matrix with singular values from 1 to 1e-6."""
    columns = 2 * rows
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    matrix = matrix @ torch.diag(torch.logspace(0, -6, columns))
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    torch.testing.assert_close(orthogonalise(matrix).double(), x, rtol=0, atol=1e-3)


def test_muon_takes_the_blocks_matrices_and_adamw_the_rest() -> None:
    network = make_network(small(), 16, torch.device("cpu"))
    adamw, muon = make_optimisers(network, small().optimiser)
    names = {id(p): name for name, p in network.named_parameters()}
    matrices = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    assert all("blocks." in name and name.endswith(".weight") for name in matrices) and len(matrices) == 8
    rest = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert matrices | rest == set(names.values()) and not matrices & rest
