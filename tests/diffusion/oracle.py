"""A space small enough to enumerate, with its true concrete score, and exact laws to hold samples against."""

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import Grid, Method
from sedd_cli.diffusion.names import SAMPLERS
from sedd_cli.diffusion.network import Network, Scored
from sedd_cli.diffusion.processes import Absorbing, Process
from sedd_cli.diffusion.samplers import Sampler, State
from sedd_cli.diffusion.schedules import Cosine, Geometric, LogLinear

ABSORBING_SAMPLERS = tuple(e.name for e in SAMPLERS if "absorbing" in e.factories and e.grid != "chain")
"""Names of the samplers that an absorbing process has on any schedule."""
SCHEDULES = [LogLinear(), Geometric(), Cosine()]


def randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rand(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_states(states: int, length: int) -> Tensor:
    """Every canvas, last position fastest: (states^L, L)."""
    return torch.tensor(list(product(range(states), repeat=length)))


def index_of(x: Tensor, states: int) -> Tensor:
    """Where canvases (..., L) stand in `all_states`."""
    L = x.shape[-1]
    return (x * states ** torch.arange(L - 1, -1, -1)).sum(-1)


class Space:
    """Canvases of `length` tokens under a known p_0 (all positive, unequal, no product of its marginals)."""

    def __init__(self, tokens: int, length: int, seed: int = 0) -> None:
        self.tokens, self.length = tokens, length
        self.p0 = randn(tokens**length, seed=seed).softmax(0)
        joint = self.p0.view((tokens,) * length)
        for axis in range(length):
            joint = torch.cat([joint, joint.sum(axis, keepdim=True)], axis)
        self._marginal = joint.flatten()

    def canvases(self) -> Tensor:
        return all_states(self.tokens, self.length)

    def probability(self, x: Tensor) -> Tensor:
        """p_0 of the tokens of x (..., L), those at MASK (the id `tokens`) summed out."""
        return self._marginal[index_of(x, self.tokens + 1)]

    def conditional(self, x: Tensor) -> Tensor:
        """p_0(x_i = y | the other unmasked tokens of x): (B, L) -> (B, L, tokens)."""
        joint = self.probability(_replaced(x, self.tokens))
        return joint / joint.sum(-1, keepdim=True)

    def given(self, x: Tensor) -> Tensor:
        """p_0 of every whole canvas given the unmasked tokens of x (L,): (tokens^L,)."""
        fits = ((self.canvases() == x) | (x == self.tokens)).all(1)
        return self.p0 * fits / self.probability(x)

    def noised(self, process: Process, sigma: Tensor) -> Tensor:
        """p_t of every canvas of the process's states: (B,) -> (B, states^L)."""
        shape = (-1,) + (1,) * self.length
        keep, move = torch.exp(-sigma).view(shape), -torch.expm1(-sigma).view(shape)
        p = self.p0.view((1,) + (self.tokens,) * self.length)
        for axis in range(1, self.length + 1):
            summed = p.sum(axis, keepdim=True)
            if isinstance(process, Absorbing):
                p = torch.cat([keep * p, move * summed], axis)
            else:
                p = keep * p + move / self.tokens * summed
        return p.flatten(1)


def _replaced(x: Tensor, states: int) -> Tensor:
    """x with each of the states at each position in turn: (B, L) -> (B, L, states, L)."""
    B, L = x.shape
    out = x[:, None, None, :].repeat(1, L, states, 1)
    i = torch.arange(L)
    out[:, i, :, i] = torch.arange(states).expand(L, B, states)
    return out


class Oracle:
    """The true concrete score, as a network: float64, in chunks that heed no row.

    `tilt` (L, tokens) is added to the log score to spoil it; `normalised` (absorbing) then makes it a conditional
    again. `seen` holds the canvases of every call.
    """

    def __init__(
        self,
        space: Space,
        process: Process,
        *,
        chunk: int = 1009,
        tilt: Tensor | None = None,
        normalised: bool = False,
    ) -> None:
        self.space, self.process, self.chunk = space, process, chunk
        self.tilt, self.normalised = tilt, normalised
        self.seen: list[Tensor] = []
        if isinstance(process, Absorbing):
            self._log_c = space.conditional(all_states(process.states, space.length)).log()

    def real(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(B, L), (B,) -> (B, L, tokens)."""
        if isinstance(self.process, Absorbing):
            log_c = self._log_c[index_of(x, self.process.states)]
            if self.tilt is not None:
                log_c = log_c + self.tilt
            if self.normalised:
                log_c = log_c.log_softmax(-1)
            return log_c - torch.expm1(sigma).log()[:, None, None]
        p = self.space.noised(self.process, sigma)
        neighbours = index_of(_replaced(x, self.space.tokens), self.space.tokens)
        log_p = p.gather(1, neighbours.flatten(1)).view(neighbours.shape).log()
        log_score = log_p - log_p.gather(-1, x[..., None])
        if self.tilt is not None:
            log_score = (log_score + self.tilt).scatter(-1, x[..., None], 0.0)
        return log_score

    def full(self, x: Tensor, sigma: Tensor) -> Tensor:
        """As a process takes them: (B, L, states), the MASK column 0."""
        real = self.real(x, sigma)
        if isinstance(self.process, Absorbing):
            return torch.cat([real, torch.zeros_like(real[..., :1])], -1)
        return real

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        assert x.dtype == torch.int64 and x.shape == where.shape and sigma.shape == x.shape[:1]
        if isinstance(self.process, Absorbing):
            assert bool((x[where] == self.process.mask_id).all())
        self.seen.append(x.clone())
        log_score = self.real(x, sigma)
        for at in where.nonzero().split(self.chunk):
            row, position = at.unbind(1)
            if len(at):
                yield Scored(row, position, log_score[row, position])


def rate_matrix(process: Process) -> Tensor:
    """Q, columns summing to 0: `Q[y, x]` is the rate of x -> y."""
    if isinstance(process, Absorbing):
        Q = -torch.eye(process.states, dtype=torch.float64)
        Q[process.mask_id] += 1
        return Q
    V = process.states
    return torch.full((V, V), 1 / V, dtype=torch.float64) - torch.eye(V, dtype=torch.float64)


def transition(process: Process, sigma: float) -> Tensor:
    """e^{sigma Q}: `[y, x]` is q_{t|0}(y | x) at total noise sigma."""
    return torch.linalg.matrix_exp(sigma * rate_matrix(process))


def dense_score_entropy(process: Process, log_score: Tensor, sigma: float, x: int, x0: int) -> float:
    """`sum_{y != x} Q(x, y) (s_y - r_y log s_y + K(r_y))`, r_y = q(y | x0) / q(x | x0), term by term; (states,)."""
    Q, q = rate_matrix(process), transition(process, sigma)[:, x0]
    total = 0.0
    for y in range(process.states):
        if y != x and Q[x, y] > 0:
            r = q[y] / q[x]
            K = r * (r.log() - 1) if r > 0 else 0.0
            total += float(Q[x, y] * (log_score[y].exp() - r * log_score[y] + K))
    return total


def kernel(weights: Tensor) -> Tensor:
    """Independent draws at every position: weights (S, L, states) >= 0 -> (S, states^L), rows summing to 1."""
    p = weights / weights.sum(-1, keepdim=True)
    out = torch.ones(len(p), 1, dtype=torch.float64)
    for i in range(p.shape[1]):
        out = (out[:, :, None] * p[:, i, None, :]).flatten(1)
    return out


def chain_law(process: Process, network: Oracle, grid: Grid, method: Method, start: Tensor, first: int = 0) -> Tensor:
    """The law of the step-by-step chain from step `first` on, denoising included: (states^L,) -> (tokens^L,)."""
    L, V, n = network.space.length, process.states, grid.steps
    x = all_states(V, L)
    law = start
    for k in range(first, n + 1):
        sigma = grid.sigma[k].expand(len(x))
        log_score = network.full(x, sigma)
        if k == n:
            weights = process.tweedie_weights(log_score, x, sigma, torch.zeros_like(sigma))[..., : process.tokens]
        elif method == "euler":
            weights = process.euler_weights(log_score, x, grid.rate_dt[k].expand(len(x)))
        else:
            weights = process.tweedie_weights(log_score, x, sigma, grid.sigma[k + 1].expand(len(x)))
        law = law @ kernel(weights.clamp(min=0))
    return law


def one_hot(x: Tensor, states: int) -> Tensor:
    """All mass on one canvas (L,): (states^L,)."""
    law = torch.zeros(states ** len(x), dtype=torch.float64)
    law[index_of(x, states)] = 1
    return law


def run_states(sampler: Sampler, network: Network, states: Sequence[State]) -> list[State]:
    """Every state to its end, in one call all that are ready together."""
    out = {id(s): s for s in states}
    owner = {id(s): id(s) for s in states}
    while pending := [s for s in out.values() if sampler.calls_left(s)]:
        ready = sampler.ready(pending)
        for before, (state, _) in zip(ready, sampler.advance(ready, network), strict=True):
            key = owner.pop(id(before))
            out[key], owner[id(state)] = state, key
    return list(out.values())


def start_states(sampler: Sampler, ids: Tensor, free: Tensor, rows: int, seed: int = 0) -> list[State]:
    return [sampler.start(ids, free, seed, row) for row in range(rows)]


def ids_of(states: Sequence[State]) -> Tensor:
    return torch.stack([s.ids for s in states])


def counts_of(ids: Tensor, tokens: int) -> Tensor:
    """How often each canvas came: (N, L) -> (tokens^L,)."""
    return torch.bincount(index_of(ids, tokens), minlength=tokens ** ids.shape[1])


def chi_square_p(counts: Tensor, law: Tensor) -> float:
    """The chance of counts at least this far from the law; cells that expect less than 5 are pooled."""
    if bool((counts[law == 0] > 0).any()):
        return 0.0
    expected, order = (law * counts.sum()).sort()
    observed = counts[order].double()
    cells = [[0.0, 0.0]]
    for e, o in zip(expected.tolist(), observed.tolist(), strict=True):
        if cells[-1][0] >= 5:
            cells.append([0.0, 0.0])
        cells[-1][0] += e
        cells[-1][1] += o
    e, o = torch.tensor(cells, dtype=torch.float64).T
    statistic = ((o - e) ** 2 / e).sum()
    return float(torch.special.gammaincc(torch.tensor((len(e) - 1) / 2, dtype=torch.float64), statistic / 2))


UNLIKELY = 1e-6
"""A p-value below this is a failure; seeds are fixed, so a pass stays one."""
