"""Likelihood of token ids under a network: bounds on `-log p(x0)` by Monte Carlo, and exact fixed-order values.

Estimators, all in nats:
- `lambda`: lambda-DCE over all of [0, 1] (RADD, 2406.03736, equation 3.6), a bound for the absorbing process;
- `ao`: any-order autoregressive (RADD, equation 2.16), the same bound with the number of masks drawn;
- `elbo`: `DWDSE + KL(p_1|0 || prior) + E[-log p(x0 | x_{t=0})]` (SEDD, 2310.16834, theorem 3.6), for the uniform
  process (for the absorbing one its KL is infinite: use the two above);
- `d3pm`: `L_T + sum L_{t-1} + L_0` of a D3PM (2107.03006, equation 1), a bound of its chain of T steps;
- `autoregressive`: exact, for a left-to-right network, in one call;
- `dwdse`: the diffusion-weighted score entropy alone, the papers' figure, which is not a bound by itself.

Of a network by blocks each is the sum over blocks of the estimate of a block given the clean ones before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.diffusion.d3pm import Chain, UniformChain, make_chain
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.network import Network, Scored, TrainedBlocks
from sedd_cli.diffusion.processes import Absorbing, Causal, Process, StateSpace, Uniform
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.diffusion.schedules import Discrete, Schedule, sigma_of_masked
from sedd_cli.errors import UsageError


def default_estimator(process: StateSpace, noise: Schedule) -> Estimator:
    if isinstance(process, Causal):
        return "autoregressive"
    if isinstance(noise, Discrete):
        return "d3pm"
    return "ao" if isinstance(process, Absorbing) else "elbo"


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate of N canvases of L tokens."""

    estimator: Estimator
    replicates: Tensor
    """(R, N) float64: nats of each canvas in each independent replicate."""
    per_token: Tensor
    """(N, L) float64: contribution of each token, averaged over replicates; sums to `nats`."""
    levels: Tensor
    """(R, D, N) float64: noise level of each canvas in each draw: t, or the share of its tokens masked."""
    nats_at: Tensor
    """(R, D, N) float64: contribution of each draw; `replicates` is its mean over D (plus the elbo's two ends)."""

    @property
    def nats(self) -> Tensor:
        """(N,) nats of each canvas."""
        return self.replicates.mean(0)

    @property
    def standard_error(self) -> float:
        """Monte Carlo error of the total over canvases, from the spread of the replicates' totals."""
        totals = self.replicates.sum(1)
        return float(totals.std() / len(totals) ** 0.5)

    @property
    def data_error(self) -> float:
        """Error of the total as an estimate for new canvases of this kind; it does not shrink with replicates."""
        return float(self.nats.std() * len(self.nats) ** 0.5)


class _NoisedBatch(NamedTuple):
    """N noised canvases: network input `x` and `sigma`, positions that count, factor of each contribution, level."""

    x: Tensor
    sigma: Tensor
    where: Tensor
    weight: Tensor
    level: Tensor


def estimate(
    network: Network,
    process: StateSpace,
    noise: Schedule,
    x0: Tensor,
    *,
    estimator: Estimator,
    where: Tensor | None = None,
    replicates: int = 8,
    draws: int = 1,
    seed: int = 0,
    batch_size: int = 8,
    blocks: TrainedBlocks | None = None,
) -> Estimate:
    """Estimate the bound (or DWDSE) of `x0` (N, L). The estimator `d3pm` needs a `Discrete` schedule.

    Only tokens at `where` (N, L) bool count (default: all); the others condition the bound and are never noised. A
    MASK among these is an unknown token: the bound is then that of the marginal law. Each of `replicates` independent
    replicates noises every canvas `draws` times, with times stratified over draws and canvases. The result does not
    depend on `batch_size`. `blocks`: how the network denoises, if by blocks. Raises `UsageError` if the estimator does
    not fit the process.
    """
    if replicates < 2:
        raise UsageError(f"replicates must be at least 2 (their spread is the error), not {replicates}")
    counted = torch.ones_like(x0, dtype=torch.bool) if where is None else where
    if (estimator == "autoregressive") != isinstance(process, Causal):
        raise UsageError(
            f"the estimator {estimator!r} does not fit this checkpoint",
            f"Use {default_estimator(process, noise)!r}, its default.",
        )
    if not isinstance(process, Process):
        return _autoregressive(network, process, x0, counted, replicates, draws, batch_size)
    if blocks is not None:
        of_block = partial(estimate, network, process, noise, estimator=estimator, replicates=replicates, draws=draws)
        return _by_blocks(partial(of_block, batch_size=batch_size), x0, counted, blocks, seed)
    noised, contribution = _estimator_parts(estimator, process, noise)
    N = len(x0)
    per_replicate = torch.zeros(replicates, *x0.shape, dtype=torch.float64, device="cpu")
    levels, nats_at = torch.zeros(2, replicates, draws, N, dtype=torch.float64, device="cpu")
    for index, times, positions in _random_draws(seed, replicates, draws, x0.shape, batch_size):
        for rows in torch.arange(len(times), device="cpu").split(batch_size):
            r, d, n = index[:, rows]
            batch = noised(x0[n], counted[n], times[rows], positions[rows])
            levels[r, d, n] = batch.level
            for scored in network.log_scores(batch.x, batch.sigma, batch.where):
                row, at = scored.row, (n[scored.row], scored.position)
                value = batch.weight[row] * contribution(scored, batch, x0[at])
                nats_at.index_put_((r[row], d[row], n[row]), value, accumulate=True)
                per_replicate.index_put_((r[row], *at), value / draws, accumulate=True)
    if estimator == "elbo":
        assert isinstance(process, Uniform)
        per_replicate += _boundary_terms(network, process, noise, x0, counted, replicates, seed, batch_size)
    if estimator == "d3pm":
        per_replicate += _require_chain(process, noise).prior_nats * counted
    return Estimate(estimator, per_replicate.sum(-1), per_replicate.mean(0), levels, nats_at)


def _autoregressive(
    network: Network, process: StateSpace, x0: Tensor, counted: Tensor, replicates: int, draws: int, batch_size: int
) -> Estimate:
    """Nats of every token given those before it, in one call per canvas. Without noise, levels are 0."""
    N = len(x0)
    nats = torch.zeros(x0.shape, dtype=torch.float64, device="cpu")
    for rows in torch.arange(N, device="cpu").split(batch_size):
        sigma = torch.zeros(len(rows), dtype=torch.float64, device="cpu")
        for scored in network.log_scores(x0[rows], sigma, counted[rows]):
            at = (rows[scored.row], scored.position)
            nats[at] = cross_entropy(process, scored, x0[at])
    each = nats.sum(1).expand(replicates, draws, N)
    return Estimate("autoregressive", each[:, 0].clone(), nats, torch.zeros_like(each), each.clone())


def _by_blocks(
    of_block: Callable[..., Estimate], x0: Tensor, counted: Tensor, blocks: TrainedBlocks, seed: int
) -> Estimate:
    """The sum over blocks with tokens that count; `of_block` is `estimate` on canvases up to a block's end."""
    opened = blocks.opening is not None and bool(counted[:, 0].any())
    if opened:
        x0, counted = F.pad(x0, (1, 0), value=blocks.opening), F.pad(counted, (1, 0))
    per_token = torch.zeros(x0.shape, dtype=torch.float64, device="cpu")
    parts: list[Estimate] = []
    for number, begin in enumerate(range(0, x0.shape[1], blocks.size)):
        end = begin + blocks.size
        here = counted[:, :end].clone()
        here[:, :begin] = False
        if bool(here.any()):
            own_seed = int(uniforms(seed, number, MONTE_CARLO, size=1) * 2**53)
            parts.append(of_block(x0[:, :end], where=here, seed=own_seed))
            per_token[:, :end] += parts[-1].per_token
    return Estimate(
        parts[0].estimator,
        torch.stack([part.replicates for part in parts]).sum(0),
        per_token[:, int(opened) :],
        torch.cat([part.levels for part in parts], 1),
        # A draw is that of one block, in the place of all: `replicates` stays their mean.
        torch.cat([part.nats_at for part in parts], 1) * len(parts),
    )


class _Uniforms:
    """Random numbers of one replicate, drawn for all canvases at once, so that results do not depend on batches."""

    def __init__(self, seed: int, replicate: int, shape: torch.Size) -> None:
        self.seed, self.replicate, self.shape = seed, replicate, shape

    def positions(self, draw: int) -> Tensor:
        flat = uniforms(self.seed, self.replicate, MONTE_CARLO, draw, 0, size=self.shape.numel())
        return flat.view(self.shape)

    def times(self, draw: int, draws: int) -> Tensor:
        """(N,) in (0, 1): stratum `draw` of `draws`, split into N parts, one per canvas, in random order."""
        N = self.shape[0]
        order, jitter = uniforms(self.seed, self.replicate, MONTE_CARLO, draw, 1, size=2 * N).view(2, N)
        times: Tensor = (draw + (order.argsort() + (1 - jitter)) / N) / draws
        return times


def _random_draws(
    seed: int, replicates: int, draws: int, shape: torch.Size, batch_size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yields, for several draws of N canvases at once, as far as they fit in a batch, M items: their indices (3, M) of
    replicate, draw and canvas, their times (M,) and the uniforms of their positions (M, L).
    """
    every = [(r, d) for r in range(replicates) for d in range(draws)]
    at_once = max(1, batch_size // shape[0])
    for first in range(0, len(every), at_once):
        some = every[first : first + at_once]
        uniforms_of = [(_Uniforms(seed, r, shape), d) for r, d in some]
        index = torch.tensor([(r, d, n) for r, d in some for n in range(shape[0])], device="cpu").T
        yield (
            index,
            torch.cat([u.times(d, draws) for u, d in uniforms_of]),
            torch.cat([u.positions(d) for u, d in uniforms_of]),
        )


Noise = Callable[[Tensor, Tensor, Tensor, Tensor], _NoisedBatch]
Contribution = Callable[[Scored, _NoisedBatch, Tensor], Tensor]


def _estimator_parts(estimator: Estimator, process: Process, noise: Schedule) -> tuple[Noise, Contribution]:
    """Returns the noising (x0, counted, times, uniforms) of an estimator and the contribution of scored positions."""
    if estimator == "d3pm" and isinstance(chain := _require_chain(process, noise), UniformChain):
        return _chain_estimator_parts(chain)
    if estimator in ("lambda", "ao", "d3pm"):
        if not isinstance(process, Absorbing):
            raise UsageError(f"the estimator {estimator!r} needs the absorbing process", "Use 'elbo' or 'dwdse'.")
        return _masking(estimator, process, noise), lambda scored, batch, x0: cross_entropy(process, scored, x0)
    if estimator == "elbo" and not isinstance(process, Uniform):
        raise UsageError("the estimator 'elbo' is infinite for the absorbing process", "Use 'lambda' or 'ao'.")

    def perturb(x0: Tensor, counted: Tensor, times: Tensor, u: Tensor) -> _NoisedBatch:
        sigma = noise.total(times)
        x = torch.where(counted, process.perturb(x0, sigma, u), x0)
        where = counted if process.mask_id is None else counted & (x == process.mask_id)
        return _NoisedBatch(x, sigma, where, noise.rate(times), times)

    def entropy(scored: Scored, batch: _NoisedBatch, x0: Tensor) -> Tensor:
        log_score, x = scored.log_score.cpu().double()[:, None], batch.x[scored[:2]][:, None]
        return process.score_entropy(log_score, batch.sigma[scored.row], x, x0[:, None]).squeeze(1)

    return perturb, entropy


def _require_chain(process: Process, noise: Schedule) -> Chain:
    if not isinstance(noise, Discrete):
        raise UsageError(
            "the estimator 'd3pm' needs a D3PM: a checkpoint with a chain of T steps", "Use its default estimator."
        )
    return make_chain(process, noise)


def _step_at(times: Tensor, steps: int) -> Tensor:
    """The step of the chain, 1 ... T, at times in (0, 1); integral, float64."""
    return (times * steps).ceil().clamp(1, steps)


def _chain_estimator_parts(chain: UniformChain) -> tuple[Noise, Contribution]:
    """Noise each canvas to one step of the chain; the contribution is T times that step's term of the bound."""
    T = chain.noise.steps

    def perturb(x0: Tensor, counted: Tensor, times: Tensor, u: Tensor) -> _NoisedBatch:
        t = _step_at(times, T)
        x = torch.where(counted, chain.perturb(x0, t.long(), u), x0)
        return _NoisedBatch(x, chain.sigma(t), counted, torch.full_like(times, T), t / T)

    def term(scored: Scored, batch: _NoisedBatch, x0: Tensor) -> Tensor:
        x, t = batch.x[scored[:2]], (batch.level[scored.row] * T).round().long()
        return chain.nats(chain.conditional(scored.log_score.cpu().double(), x, t), x, x0, t)

    return perturb, term


def cross_entropy(process: StateSpace, scored: Scored, x0: Tensor) -> Tensor:
    """`-log p` of the tokens `x0` (n,) at scored positions: (n,) float64."""
    log_c = scored.log_score - scored.log_score.logsumexp(-1, keepdim=True)
    return -log_c.gather(-1, process.column_of(x0).to(log_c.device)[:, None]).squeeze(-1).cpu().double()


def _masking(estimator: Estimator, process: Absorbing, noise: Schedule) -> Noise:
    def mask(x0: Tensor, counted: Tensor, times: Tensor, u: Tensor) -> _NoisedBatch:
        count, L = counted.sum(1), x0.shape[1]
        unknown = (x0 == process.mask_id).sum(1)
        if estimator != "ao":
            # Step t of a D3PM's chain has lambda = t / T; T times the weight 1 / t of its term is 1 / lambda.
            chain = noise.steps if estimator == "d3pm" and isinstance(noise, Discrete) else None
            level = times if chain is None else _step_at(times, chain) / chain
            masked = counted & (u < level[:, None])
            weight, fraction = 1 / level, (level * count + unknown) / L
        else:
            k = (times * count).ceil().clamp(min=1)
            rank = torch.where(counted, u, 2.0).argsort(1).argsort(1)
            masked = counted & (rank < k[:, None])
            weight, fraction, level = count / k, (k + unknown) / L, k / count.clamp(min=1)
        x = torch.where(masked, process.mask_id, x0)
        return _NoisedBatch(x, sigma_of_masked(noise, fraction), masked, weight, level)

    return mask


def _boundary_terms(
    network: Network,
    process: Uniform,
    noise: Schedule,
    x0: Tensor,
    counted: Tensor,
    replicates: int,
    seed: int,
    batch_size: int,
) -> Tensor:
    """The boundary terms of the elbo per token: KL(p_1|0 || uniform) and E[-log p(x0 | x_{t=0})]; (R, N, L)."""
    zero, one = torch.zeros(1, dtype=torch.float64, device="cpu"), torch.ones(1, dtype=torch.float64, device="cpu")
    terms = (process.prior_nats(noise.total(one)) * counted).expand(replicates, *x0.shape).clone()
    sigma = noise.total(zero)
    if float(sigma) == 0:
        return terms
    for r in range(replicates):
        u = uniforms(seed, r, MONTE_CARLO, 0, 2, size=x0.numel()).view(x0.shape)
        for rows in torch.arange(len(x0), device="cpu").split(batch_size):
            first = sigma.expand(len(rows))
            x = torch.where(counted[rows], process.perturb(x0[rows], first, u[rows]), x0[rows])
            for scored in network.log_scores(x, first, counted[rows]):
                log_score = scored.log_score.cpu().double()[:, None]
                x_scored = x[scored[:2]][:, None]
                sigma_scored = sigma.expand(len(x_scored))
                weights = process.tweedie_weights(log_score, x_scored, sigma_scored, sigma_scored * 0).clamp(min=0)
                p = (weights / weights.sum(-1, keepdim=True)).squeeze(1)
                at = (rows[scored.row], scored.position)
                terms[r][at] -= p.gather(-1, x0[at][:, None]).squeeze(-1).log()
    return terms


def ordered_nats(
    network: Network,
    process: Absorbing,
    noise: Schedule,
    x0: Tensor,
    order: Tensor,
    *,
    batch_size: int = 8,
    blocks: TrainedBlocks | None = None,
) -> Tensor:
    """Exact `-log p` of each token when they are revealed in `order`: (L,), (K,) -> (L,) float64.

    `order` lists the positions that count, first revealed first. The others are given; a MASK among them is
    marginalised over. Uses K network calls. Of a network by `blocks`, `order` has to be ascending.
    """
    if blocks is not None and blocks.opening is not None and 0 in order:
        opened = F.pad(x0, (1, 0), value=blocks.opening)
        return ordered_nats(network, process, noise, opened, order + 1, batch_size=batch_size)[1:]
    nats = torch.zeros(len(x0), dtype=torch.float64, device="cpu")
    for scored in _in_order(network, process, noise, x0, order, batch_size):
        nats[scored.position] = cross_entropy(process, scored, x0[scored.position])
    return nats


def _in_order(
    network: Network, process: Absorbing, noise: Schedule, x0: Tensor, order: Tensor, batch_size: int
) -> Iterator[Scored]:
    """The scores of each position of `order`, with those before it in `order` written and those after it masked."""
    L, K = len(x0), len(order)
    rank = torch.full((L,), -1, device="cpu").index_copy(0, order, torch.arange(K, device="cpu"))
    for first in torch.arange(K, device="cpu").split(batch_size):
        x = torch.where(rank >= first[:, None], process.mask_id, x0)
        sigma = sigma_of_masked(noise, (x == process.mask_id).sum(1).double() / L)
        yield from network.log_scores(x, sigma, rank == first[:, None])


def is_greedy(
    network: Network,
    process: Absorbing | Causal,
    noise: Schedule,
    x0: Tensor,
    order: Tensor,
    *,
    batch_size: int = 8,
    blocks: TrainedBlocks | None = None,
) -> bool:
    """Whether writing the positions of `order` (K,), each by its likeliest token, gives those of `x0` (L,).

    As for `ordered_nats`; the first position that differs ends it. A causal network needs one call and the order from
    left to right.
    """
    if blocks is not None and blocks.opening is not None and 0 in order:
        opened = F.pad(x0, (1, 0), value=blocks.opening)
        return is_greedy(network, process, noise, opened, order + 1, batch_size=batch_size)
    if isinstance(process, Causal):
        where = torch.zeros(1, len(x0), dtype=torch.bool, device="cpu").index_fill(1, order, True)
        scores = network.log_scores(x0[None], torch.zeros(1, dtype=torch.float64, device="cpu"), where)
    else:
        scores = _in_order(network, process, noise, x0, order, batch_size)
    return all(
        bool((scored.log_score.argmax(-1).cpu() == process.column_of(x0[scored.position])).all()) for scored in scores
    )


def pseudo(
    network: Network, process: Absorbing, noise: Schedule, x0: Tensor, positions: Tensor, *, batch_size: int = 8
) -> Tensor:
    """`-log p(x_i | all other tokens)` for each i of `positions`: (L,), (K,) -> (L,) float64, 0 elsewhere.

    The terms of the pseudo-likelihood (Besag, 1975): their sum is neither `-log p(x0)` nor a bound on it. MASK among
    the others is marginalised over. Uses K network calls.
    """
    nats = torch.zeros(len(x0), dtype=torch.float64, device="cpu")
    for batch in positions.split(batch_size):
        where = torch.arange(len(x0), device="cpu") == batch[:, None]
        x = torch.where(where, process.mask_id, x0)
        sigma = sigma_of_masked(noise, (x == process.mask_id).double().mean(1))
        for scored in network.log_scores(x, sigma, where):
            nats[scored.position] = cross_entropy(process, scored, x0[scored.position])
    return nats
