"""Training objectives: from clean tokens to a loss in nats a token. A new objective is one entry of `OBJECTIVES`.

Each noises its batch with the given times and uniforms, and asks the network for scores only where they count. The
losses are those of SEDD (2310.16834, theorem 3.6 and equation 10) and RADD (2406.03736, equations 3.7 to 3.13).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked
from sedd_cli.models.network import Loss, ScoreNetwork

T_MIN = 1e-3
"""Objectives in t draw it from [T_MIN, 1], as the original code does."""


@dataclass(frozen=True)
class Noising:
    """The random numbers of a batch: times (B,) in (0, 1), stratified; uniforms (B, L); both float64."""

    times: Tensor
    uniforms: Tensor


Objective = Callable[[ScoreNetwork, Schedule, Tensor, Noising], Tensor]
"""(network, noise, x0 (B, L), noising) -> the loss of each canvas, (B,), in nats a token."""


def _cross_entropy(network: ScoreNetwork, sigma: Tensor, x0: Tensor, masked: Tensor) -> Tensor:
    """`-log c` of the true token at masked positions, 0 elsewhere: (B, L)."""
    x = torch.where(masked, network.process.tokens, x0)
    return _placed(network.losses_at(x, sigma, masked, _cross_entropy_to(x0[masked])), masked)


def _cross_entropy_to(targets: Tensor) -> Loss:
    return lambda logits, chunk: F.cross_entropy(logits, targets[chunk], reduction="none")


def _placed(losses: Tensor, where: Tensor) -> Tensor:
    """Losses (N,) at their positions `where` (B, L), 0 elsewhere: (B, L)."""
    return torch.zeros(where.shape, device=where.device, dtype=losses.dtype).masked_scatter(where, losses)


def lambda_dce(network: ScoreNetwork, noise: Schedule, x0: Tensor, noising: Noising) -> Tensor:
    """Mask with probability lambda, weigh by 1 / lambda (RADD, equation 3.10): a bound without further terms."""
    lam = noising.times
    masked = noising.uniforms < lam[:, None]
    nll = _cross_entropy(network, sigma_of_masked(noise, lam), x0, masked)
    return (nll.sum(1) / lam).float() / x0.shape[1]


def any_order(network: ScoreNetwork, noise: Schedule, x0: Tensor, noising: Noising) -> Tensor:
    """Mask k positions, k uniform in 1 ... L, weigh by L / k (RADD, equation 3.13)."""
    L = x0.shape[1]
    k = (noising.times * L).ceil().clamp(1, L)
    masked = noising.uniforms.argsort(1).argsort(1) < k[:, None]
    nll = _cross_entropy(network, sigma_of_masked(noise, k / L), x0, masked)
    return (nll.sum(1) / k).float()


def t_dce(network: ScoreNetwork, noise: Schedule, x0: Tensor, noising: Noising) -> Tensor:
    """Denoising cross entropy in t (RADD, equation 3.8), with the additive term of the original code."""
    t = T_MIN + (1 - T_MIN) * noising.times
    sigma = noise.total(t)
    masked = network.process.perturb(x0, sigma, noising.uniforms) == network.process.tokens
    nll = _cross_entropy(network, sigma, x0, masked)
    gap = torch.expm1(sigma)
    shifted = nll.sum(1) + masked.sum(1) * gap.log()
    return (noise.rate(t) / gap * shifted).float() / x0.shape[1]


def dwdse(network: ScoreNetwork, noise: Schedule, x0: Tensor, noising: Noising) -> Tensor:
    """Diffusion-weighted denoising score entropy (SEDD, equation 10), for either process."""
    process = network.process
    t = T_MIN + (1 - T_MIN) * noising.times
    sigma = noise.total(t)
    x = process.perturb(x0, sigma, noising.uniforms)
    where = x == process.tokens if isinstance(process, Absorbing) else torch.ones_like(x, dtype=torch.bool)
    here, target, level = x[where], x0[where], sigma[where.nonzero()[:, 0]].float()

    def entropy(logits: Tensor, chunk: Tensor) -> Tensor:
        log_score = network.read(logits, level[chunk], here[chunk])
        of = process.score_entropy(log_score[:, None], level[chunk], here[chunk, None], target[chunk, None])
        return of.squeeze(1)

    total = _placed(network.losses_at(x, sigma, where, entropy), where).sum(1)
    return (noise.rate(t) * total).float() / x0.shape[1]


def next_token(network: ScoreNetwork, noise: Schedule, x0: Tensor, noising: Noising) -> Tensor:
    """Causal next-token cross entropy: the autoregressive start of the same network, at sigma = 0 where it has time."""
    where = torch.ones_like(x0, dtype=torch.bool)
    where[:, -1] = False  # nothing follows the last
    loss = _cross_entropy_to(x0[:, 1:].flatten())
    losses = network.losses_at(x0, torch.zeros(len(x0), device=x0.device), where, loss, causal=True)
    return losses.view(len(x0), -1).mean(1)


OBJECTIVES: dict[str, Objective] = {
    "lambda-dce": lambda_dce,
    "ao": any_order,
    "t-dce": t_dce,
    "dwdse": dwdse,
    "autoregressive": next_token,
}
ABSORBING_ONLY = {"lambda-dce", "ao", "t-dce"}
