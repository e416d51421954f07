"""Neighbours of a canvas, for the losses that need the network there: canvases that differ at one position.

The implicit losses (SEDD, 2310.16834, proposition 3.3; concrete score matching, 2211.00802) hold two halves,
`sum_y Q(x, y) f(s(x)_y) - sum_y Q(y, x) g(s(y)_x)`: what the network says at x of all its neighbours, and what it says
at each neighbour of x. `Q(y, x)` is the rate of the move from x to y. The second half would take L (V - 1) network
calls; one neighbour drawn for each position, weighted by one over its chance, has the same mean.
"""

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing, Process, Uniform
from sedd_cli.diffusion.schedules import mask_probability


def towards(process: Process, values: Tensor, x: Tensor) -> Tensor:
    """`sum_y Q(x, y) values_y` over the neighbours y of x at each position: (B, L, tokens), (B, L) -> (B, L)."""
    if isinstance(process, Absorbing):
        return torch.where(x == process.mask_id, values[..., : process.tokens].sum(-1), 0.0)
    assert isinstance(process, Uniform)
    return (values.sum(-1) - values.gather(-1, x.unsqueeze(-1)).squeeze(-1)) / process.tokens


def sampled_neighbour(process: Process, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """A token y that each position could turn to, drawn with u in [0, 1), and its rate `Q(y, x)` over its chance.

    (B, L), (B, L) -> (B, L), (B, L). The weight is 0 where there is nothing to turn to.
    """
    if isinstance(process, Absorbing):
        return torch.full_like(x, process.mask_id), (x != process.mask_id).to(u.dtype)
    assert isinstance(process, Uniform)
    V = process.tokens
    step = 1 + (u * (V - 1)).long().clamp(max=V - 2)
    return (x + step) % V, torch.full_like(u, (V - 1) / V)


def unused(process: Process, sigma: Tensor, u: Tensor) -> Tensor:
    """What is left of the uniforms that noised a canvas: uniform again, whatever they made of it. (B,), (B, L)."""
    chance = mask_probability(sigma)[:, None]
    inside = u / chance
    if isinstance(process, Uniform):
        inside = (inside * process.tokens).frac()
    return torch.where(u < chance, inside, (u - chance) / (1 - chance))
