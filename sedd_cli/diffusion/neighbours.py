"""Neighbours of a canvas (canvases that differ at one position), for losses that evaluate the network at them.

The implicit losses (SEDD, 2310.16834, proposition 3.3; concrete score matching, 2211.00802) have two terms,
`sum_y Q(x, y) f(s(x)_y) - sum_y Q(y, x) g(s(y)_x)`: the scores at x of all its neighbours, and the score of x at each
neighbour. `Q(y, x)` is the rate of the move from x to y. The second term needs L (V - 1) network calls; one sampled
neighbour per position, weighted by one over its probability, has the same mean.
"""

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.schedules import mask_probability


def sum_over_neighbours(process: Process, values: Tensor, x: Tensor) -> Tensor:
    """`sum_y Q(x, y) values_y` over the neighbours y of x at each position: (B, L, tokens), (B, L) -> (B, L)."""
    if isinstance(process, Absorbing):
        return torch.where(x == process.mask_id, process.columns(values).sum(-1), 0.0)
    assert isinstance(process, Uniform)
    return (values.sum(-1) - values.gather(-1, x.unsqueeze(-1)).squeeze(-1)) / process.tokens


def sampled_neighbour(process: Process, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Sample a neighbour's token y at each position with u in [0, 1); the weight is `Q(y, x)` over its probability.

    (B, L), (B, L) -> (B, L), (B, L). The weight is 0 at positions without a neighbour.
    """
    if isinstance(process, Absorbing):
        return torch.full_like(x, process.mask_id), (x != process.mask_id).to(u.dtype)
    assert isinstance(process, Uniform)
    V = process.tokens
    step = 1 + (u * (V - 1)).long().clamp(max=V - 2)
    return (x + step) % V, torch.full_like(u, (V - 1) / V)


def rescaled_uniforms(process: Process, sigma: Tensor, u: Tensor) -> Tensor:
    """The uniforms that noised a canvas, rescaled given the outcome: uniform and independent of it. (B,), (B, L)."""
    chance = mask_probability(sigma)[:, None]
    inside = u / chance
    if isinstance(process, Uniform):
        inside = (inside * process.tokens).frac()
    return torch.where(u < chance, inside, (u - chance) / (1 - chance))
