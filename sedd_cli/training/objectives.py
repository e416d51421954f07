"""Training objectives: from clean tokens to a loss in nats per token. Their names are in `objective_table.py`.

Each noises its batch with the given times and uniforms, and asks the network for scores only where they count. The
losses are those of SEDD (2310.16834, theorem 3.6 and equation 10), RADD (2406.03736, equations 2.16, 3.5 and 3.6), D3PM
(2107.03006) and concrete score matching (2211.00802).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.diffusion.concrete_score import denoising_concrete_score
from sedd_cli.diffusion.d3pm import make_chain
from sedd_cli.diffusion.neighbours import rescaled_uniforms, sampled_neighbour, sum_over_neighbours
from sedd_cli.diffusion.processes import Absorbing, Causal, Process, StateSpace
from sedd_cli.diffusion.schedules import Discrete, Schedule, sigma_of_masked
from sedd_cli.models.network import Loss, ScoreNetwork
from sedd_cli.training.objective_table import OBJECTIVES

T_MIN = 1e-3
"""Objectives in t draw it from [T_MIN, 1], as the original code does."""


@dataclass(frozen=True)
class NoiseDraws:
    """The random numbers of a batch: times (B,) in (0, 1], stratified; uniforms (B, L); both float64.

    A uniform of 1 or more: the position is never noised, and does not count.
    """

    times: Tensor
    uniforms: Tensor


Objective = Callable[[ScoreNetwork, Schedule, Tensor, NoiseDraws], Tensor]
"""(network, noise, x0 (B, L), draws) -> the loss of each canvas, (B,), in nats a token."""


def _cross_entropy(network: ScoreNetwork, sigma: Tensor, x0: Tensor, masked: Tensor) -> Tensor:
    """`-log c` of the true token at masked positions, 0 elsewhere: (B, L)."""
    process = _absorbing(network)
    x = torch.where(masked, process.mask_id, x0)
    return _placed(network.losses_at(x, sigma, masked, _cross_entropy_to(process, x0[masked])), masked)


def _absorbing(network: ScoreNetwork) -> Absorbing:
    assert isinstance(network.process, Absorbing)
    return network.process


def _noised(network: ScoreNetwork) -> Process:
    assert isinstance(network.process, Process)
    return network.process


def _cross_entropy_to(space: StateSpace, targets: Tensor) -> Loss:
    columns = space.column_of(targets)
    return lambda logits, chunk: F.cross_entropy(logits, columns[chunk], reduction="none")


def _placed(losses: Tensor, where: Tensor) -> Tensor:
    """Losses (N,) at their positions `where` (B, L), 0 elsewhere: (B, L)."""
    return torch.zeros(where.shape, device=where.device, dtype=losses.dtype).masked_scatter(where, losses)


def lambda_dce(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Mask with probability lambda, weigh by 1 / lambda (RADD, equation 3.6): a bound without further terms."""
    lam = draws.times
    masked = draws.uniforms < lam[:, None]
    nll = _cross_entropy(network, sigma_of_masked(noise, lam), x0, masked)
    return (nll.sum(1) / lam).float() / x0.shape[1]


def any_order(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Mask k positions, k uniform in 1 ... L, weigh by L / k (RADD, equation 2.16)."""
    nll, k, _ = _of_any_count(network, noise, x0, draws)
    return (nll / k).float()


def simple(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """As `any_order` unweighted, so that every masked token counts alike: `L_simple` of a D3PM in continuous time.

    Not a bound, but with the same minimum, and less noisy: in the bound, canvases with few masks weigh as much.
    """
    nll, _, count = _of_any_count(network, noise, x0, draws)
    return (nll / count).float()


def _of_any_count(
    network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws
) -> tuple[Tensor, Tensor, Tensor]:
    """k positions masked at random, k uniform in 1 ... n, of the n that may be: their cross entropy, k, n; all (B,)."""
    L, count = x0.shape[1], (draws.uniforms < 1).sum(1)
    k = (draws.times * count).ceil().clamp(min=1).minimum(count)
    masked = draws.uniforms.argsort(1).argsort(1) < k[:, None]
    return _cross_entropy(network, sigma_of_masked(noise, k / L), x0, masked).sum(1), k, count


def t_dce(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Denoising cross entropy in t (RADD, equation 3.5), with the additive term of the original code."""
    t = T_MIN + (1 - T_MIN) * draws.times
    sigma = noise.total(t)
    process = _absorbing(network)
    masked = process.perturb(x0, sigma, draws.uniforms) == process.mask_id
    nll = _cross_entropy(network, sigma, x0, masked)
    gap = torch.expm1(sigma)
    shifted = nll.sum(1) + masked.sum(1) * gap.log()
    return (noise.rate(t) / gap * shifted).float() / x0.shape[1]


Entropy = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A denoising loss of log scores (B, L, V), sigma (B,), x and x0 (B, L): (B, L)."""


def dwdse(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Diffusion-weighted denoising score entropy (SEDD, equation 10), for either process."""
    return _denoising(network, noise, x0, draws, _noised(network).score_entropy)


def dcsm(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Denoising concrete score matching (2211.00802), weighted in time as `dwdse` is."""
    return _denoising(network, noise, x0, draws, partial(denoising_concrete_score, _noised(network)))


def _denoising(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws, entropy: Entropy) -> Tensor:
    t = T_MIN + (1 - T_MIN) * draws.times
    sigma = noise.total(t)
    x = _noised(network).perturb(x0, sigma, draws.uniforms)
    where = _scored(network, x)
    current, target, level = x[where], x0[where], sigma[where.nonzero()[:, 0]].float()

    def loss(logits: Tensor, chunk: Tensor) -> Tensor:
        log_score = network.read(logits, level[chunk], current[chunk])
        return entropy(log_score[:, None], level[chunk], current[chunk, None], target[chunk, None]).squeeze(1)

    total = _placed(network.losses_at(x, sigma, where, loss), where).sum(1)
    return (noise.rate(t) * total).float() / x0.shape[1]


def _scored(network: ScoreNetwork, x: Tensor) -> Tensor:
    """Where a network's scores count: (B, L) bool."""
    mask_id = network.process.mask_id
    return torch.ones_like(x, dtype=torch.bool) if mask_id is None else x == mask_id


def ise(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Implicit score entropy (SEDD, proposition 3.3) with one neighbour drawn for each position, for small problems.

    It is known up to a constant, and can be negative; each canvas costs as many network calls as it has positions.
    """
    return _implicit(network, noise, x0, draws, torch.exp, lambda log_score: log_score)


def csm(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Implicit concrete score matching (2211.00802), as `ise`."""
    return _implicit(network, noise, x0, draws, lambda log_score: (2 * log_score).exp() / 2, torch.exp)


Half = Callable[[Tensor], Tensor]


def _implicit(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws, f: Half, g: Half) -> Tensor:
    """`sum_y Q(x, y) f(log s(x)_y) - Q(y, x) g(log s(y)_x)` over the neighbours y of x (`diffusion.neighbours`)."""
    process = _noised(network)
    t = T_MIN + (1 - T_MIN) * draws.times
    sigma = noise.total(t)
    x = process.perturb(x0, sigma, draws.uniforms)
    where = _scored(network, x)
    current, level = x[where], sigma[where.nonzero()[:, 0]].float()

    def at_x(logits: Tensor, chunk: Tensor) -> Tensor:
        log_score = network.read(logits, level[chunk], current[chunk])
        return sum_over_neighbours(process, f(log_score)[:, None], current[chunk, None]).squeeze(1)

    total = _placed(network.losses_at(x, sigma, where, at_x), where).sum(1)
    y, weight = sampled_neighbour(process, x, rescaled_uniforms(process, sigma, draws.uniforms))
    if bool((weight > 0).any()):
        total = total - (weight * _at_neighbours(network, sigma, x, y, weight > 0, g)).sum(1)
    return (noise.rate(t) * total).float() / x0.shape[1]


def _at_neighbours(network: ScoreNetwork, sigma: Tensor, x: Tensor, y: Tensor, where: Tensor, g: Half) -> Tensor:
    """`g(log s(x with y there)_x)` at each position of `where`, 0 elsewhere: (B, L)."""
    row, position = where.nonzero().unbind(1)
    is_position = F.one_hot(position, x.shape[1]).bool()
    level, column, neighbour = sigma[row].float(), network.process.column_of(x[where]), y[where]

    def back(logits: Tensor, chunk: Tensor) -> Tensor:
        log_score = network.read(logits, level[chunk], neighbour[chunk])
        return g(log_score.gather(1, column[chunk, None]).squeeze(1))

    neighbours = torch.where(is_position, neighbour[:, None], x[row])
    return _placed(network.losses_at(neighbours, sigma[row], is_position, back), where)


def d3pm_vb(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """`L_vb` of a D3PM but for `L_T`, which no network changes (2107.03006, equation 1): a bound."""
    return _d3pm(network, noise, x0, draws, bound=1.0, simple=0.0)


def d3pm_simple(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """`L_simple` of a D3PM: the cross entropy of x0 given x_t, averaged over the steps."""
    return _d3pm(network, noise, x0, draws, bound=0.0, simple=1.0)


def d3pm_hybrid(
    network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws, *, simple_weight: float
) -> Tensor:
    """`L_vb + lambda L_simple` (equation 5). Lambda, `simple_weight`, counts for each of the T steps, as in the paper's
    code."""
    assert isinstance(noise, Discrete)
    return _d3pm(network, noise, x0, draws, bound=1.0, simple=simple_weight * noise.steps)


def _d3pm(
    network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws, *, bound: float, simple: float
) -> Tensor:
    """One step t of the chain a canvas, uniform in 1 ... T: `bound T L_{t-1} + simple (-log p(x0 | x_t))`."""
    assert isinstance(noise, Discrete)
    chain, T = make_chain(_noised(network), noise), noise.steps
    t = (draws.times * T).ceil().clamp(1, T).long()
    x = chain.perturb(x0, t, draws.uniforms)
    where = _scored(network, x)
    current, target, step = x[where], x0[where], t[where.nonzero()[:, 0]]
    column = network.process.column_of(target)

    def loss(logits: Tensor, chunk: Tensor) -> Tensor:
        log_c = logits.log_softmax(-1)
        total = simple * -log_c.gather(1, column[chunk, None]).squeeze(1)
        return total + bound * T * chain.nats(log_c, current[chunk], target[chunk], step[chunk]) if bound else total

    sigma = chain.sigma(t.cpu()).float().to(x.device)
    total = _placed(network.losses_at(x, sigma, where, loss), where).sum(1)
    return total / x0.shape[1]


def next_token(network: ScoreNetwork, noise: Schedule, x0: Tensor, draws: NoiseDraws) -> Tensor:
    """Causal next-token cross entropy, at sigma = 0 where the network has time.

    For a causal process every token counts, and the sum is `-log p(x0)`; for the others, where it is an autoregressive
    start, the first token is given.
    """
    where, x, targets = torch.ones_like(x0, dtype=torch.bool), x0, x0[:, 1:]
    if isinstance(network.process, Causal):
        x, targets = network.process.before(x0), x0
    else:
        where[:, -1] = False  # nothing follows the last
    sigma = torch.zeros(len(x0), device=x0.device)
    losses = network.losses_at(x, sigma, where, _cross_entropy_to(network.process, targets.flatten()), "causal")
    return losses.view(len(x0), -1).mean(1)


def make_objective(name: str, simple_weight: float) -> Objective:
    """Returns an objective by its name in a recipe. `simple_weight` is the lambda of `d3pm-hybrid`."""
    info = OBJECTIVES[name]
    function: Callable[..., Tensor] = getattr(import_module(info.module), info.function)
    return partial(function, simple_weight=simple_weight) if info.has_simple_weight else function
