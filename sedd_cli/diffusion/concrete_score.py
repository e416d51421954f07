"""Concrete score matching (Meng et al., 2211.00802): the squared error that score entropy replaced.

The ratios `p(y) / p(x)` are learnt by least squares, so a score of zero or below costs no more than one as far above,
and the gradient is score entropy's times the score: `grad SE = grad CSM / s` (SEDD, 2310.16834, section 3.1).
"""

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing, Process, Uniform


def concrete_score(log_score: Tensor, ratio: Tensor) -> Tensor:
    """`(s - r)^2 / 2`: zero where `s = r`. Shapes: any, broadcast together.

    With r the true ratio `p(y) / p(x)` it is the explicit loss (CSM); with r the conditional ratio
    `p(y | x0) / p(x | x0)`, averaged over x0, the denoising one, which has the same minimum.
    """
    return (log_score.exp() - ratio).square() / 2


def implicit_concrete_score(log_score: Tensor, log_score_back: Tensor) -> Tensor:
    """`s(x)_y^2 / 2 - s(y)_x`: averaged over `x ~ p` it equals the explicit loss up to a constant. Shapes: any."""
    return (2 * log_score).exp() / 2 - log_score_back.exp()


def denoising_concrete_score(process: Process, log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
    """The denoising loss at every position, weighted by the process's own rates as its score entropy is; O(V).

    (B, L, V), (B,), (B, L), (B, L) -> (B, L).
    """
    log_score = process.columns(log_score)
    at_x0 = log_score.gather(-1, process.column_of(x0).unsqueeze(-1)).squeeze(-1)
    squares = (2 * log_score).exp() / 2
    if isinstance(process, Absorbing):
        ratio = (1 / torch.expm1(sigma))[:, None]
        # Among the real tokens, only x0 has a nonzero ratio.
        loss = squares.sum(-1) - (2 * at_x0).exp() / 2 + concrete_score(at_x0, ratio)
        return torch.where(x == process.mask_id, loss, 0.0)
    assert isinstance(process, Uniform)
    moved = x != x0
    other, back = process.conditional_ratios(sigma, moved)
    at_x = log_score.gather(-1, x.unsqueeze(-1)).squeeze(-1)
    loss = concrete_score(log_score, other.unsqueeze(-1)).sum(-1) - concrete_score(at_x, other)
    swap = concrete_score(at_x0, back) - concrete_score(at_x0, other)
    return (loss + torch.where(moved, swap, 0.0)) / process.tokens
