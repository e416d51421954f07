"""The original code's training loss, the baseline of `training.py`.

It does what louaaron/Score-Entropy-Discrete-Diffusion does (`losses.py`, `model/utils.py`, `graph_lib.py`), written
anew: the vocabulary head at every position, scores scaled and scattered over (B, L, V), and from them the score
entropy. The transformer is this package's, so that what makes it faster makes the baseline faster too.
"""

import math

import torch
from torch import Tensor

from sedd_cli.diffusion.schedules import Schedule
from sedd_cli.models.network import ScoreNetwork


def original_loss(network: ScoreNetwork, noise: Schedule, x0: Tensor, t: Tensor, u: Tensor) -> Tensor:
    """Diffusion-weighted score entropy of the absorbing process: x0 (B, L), t (B,), u (B, L) -> (B,)."""
    sigma, rate = noise.total(t), noise.rate(t)
    mask = network.process.states - 1
    x = torch.where(u < 1 - (-sigma).exp()[:, None], mask, x0)
    return (rate[:, None] * _score_entropy(_log_score(network, x, sigma), sigma, x, x0)).sum(1)


def _log_score(network: ScoreNetwork, x: Tensor, sigma: Tensor) -> Tensor:
    """(B, L, V), 0 at the current token."""
    out: Tensor = network.backbone(x, sigma)
    scale = torch.expm1(sigma).log()[:, None, None]
    out = out - scale - math.log(network.process.states - 1)
    return torch.scatter(out, -1, x[..., None], torch.zeros_like(out[..., :1]))


def _score_entropy(score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
    masked = x == score.shape[-1] - 1
    ratio = (1 / torch.expm1(sigma))[:, None].expand_as(x)[masked]
    negative = ratio * score[masked].gather(-1, x0[masked][:, None]).squeeze(-1)
    positive = score[masked][:, :-1].exp().sum(-1)
    constant = ratio * (ratio.log() - 1)
    entropy = torch.zeros(x.shape)
    entropy[masked] += positive - negative + constant
    return entropy
