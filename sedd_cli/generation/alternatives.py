"""The law of the token at one position, from one network call."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Uniform
from sedd_cli.diffusion.samplers import State
from sedd_cli.diffusion.schedules import sigma_of_masked
from sedd_cli.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Alternatives:
    """The likeliest tokens of a position, best first, with their probabilities; `entropy` of the whole law, in nats.

    `current`: the probability of the token at the position, None for MASK. `law` (V,) float32: the probability of
    every token by its id, 0 for MASK.
    """

    tokens: list[int]
    probability: list[float]
    entropy: float
    current: float | None
    law: Tensor = field(compare=False, repr=False)


def alternatives(checkpoint: Checkpoint, state: State, position: int, count: int = 20) -> Alternatives:
    """Compute the law of the token at a position given all others; one network call.

    Absorbing: the position is read as MASK, other MASKs are summed out (SEDD, 2310.16834, section 5.2).
    Uniform: the law of the denoising step at the state's noise (tweedie with sigma_next = 0).
    """
    process, noise = checkpoint.process, checkpoint.noise
    x = state.ids[None].clone()
    where = torch.zeros_like(x, dtype=torch.bool)
    where[0, position] = True
    current = x[0, position].clone()
    if process.mask_id is not None and not checkpoint.autoregressive:
        x[0, position] = process.mask_id
        sigma = sigma_of_masked(noise, (x == process.mask_id).double().mean(1))
    else:
        sigma = noise.total(torch.tensor([max(state.reached, 1e-5)], dtype=torch.float64, device="cpu"))
    (scored,) = checkpoint.model.log_scores(x, sigma, where)
    log_score = scored.log_score.cpu().double()
    if isinstance(process, Uniform):
        weights = process.tweedie_weights(log_score[:, None], x[:, [position]], sigma, torch.zeros_like(sigma))
        p = weights[0, 0].clamp(min=0)
        p = p / p.sum()
    else:
        p = log_score[0].softmax(-1)
    best = p.topk(min(count, len(p)))
    ids = process.state_of(torch.arange(len(p), device="cpu"))
    law = torch.zeros(int(ids.max()) + 1, dtype=torch.float32, device="cpu").index_copy(0, ids, p.float())
    return Alternatives(
        process.state_of(best.indices).tolist(),
        best.values.tolist(),
        float(torch.special.entr(p).sum()),
        None if int(current) == process.mask_id else float(p[process.column_of(current)]),
        law,
    )
