"""Likelihood of the blocks of a data set under checkpoints, all on the same noise: bounds with their errors."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import Estimate, default_estimator, estimate
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.errors import UsageError, check_integer
from sedd_cli.evaluation.blocks import Blocks
from sedd_cli.evaluation.replicates import ROUND, check_until_error, next_round, replicates_needed
from sedd_cli.models.checkpoint import Checkpoint

CHUNK = 32
"""Blocks estimated together, after which partial results are available. Results depend on it, as on the seed."""
MIN_CANVASES = 64
"""Minimum number of canvases that a replicate noises: with few blocks, each is noised several times, stratified."""


@dataclass(frozen=True, kw_only=True)
class LikelihoodRequest:
    """Settings of a measurement.

    `estimator`: see `diffusion.likelihood`; None is the checkpoint's default: `ao` for the absorbing process, `elbo`
    for the uniform one, `d3pm` for a D3PM, `autoregressive` for a causal one.
    `until_error`: replicates are added until the standard error, in nats a token, is at most this. `batch_size`:
    canvases in one network call; it changes nothing on a CPU. Raises `UsageError` for a value out of range.
    """

    estimator: Estimator | None = None
    replicates: int = 8
    until_error: float | None = None
    seed: int = 0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.estimator is not None and self.estimator not in get_args(Estimator):
            raise UsageError(
                f"unknown estimator {self.estimator!r}", f"Choose one of {', '.join(get_args(Estimator))}."
            )
        for name, least, why in (
            ("replicates", 2, " (their spread is the error)"),
            ("seed", 0, ""),
            ("batch_size", 1, ""),
        ):
            number = check_integer(name.replace("_", " "), getattr(self, name), least, why)
            object.__setattr__(self, name, number)
        check_until_error(self.until_error)

    def estimator_for(self, checkpoint: Checkpoint) -> Estimator:
        return self.estimator or default_estimator(checkpoint.process, checkpoint.noise)


@dataclass(frozen=True)
class Band:
    """The part of the bound at noise levels from `low` to `high` (share of tokens masked; uniform process: time t).

    `nats_per_token`: contribution to the bound, per token; all bands sum to the bound (without the two boundary terms
    of an elbo). `density`: mean over the canvases noised to these levels, None if there are none; `standard_error`: of
    the density, the spread of the data included, None for fewer than two canvases.
    """

    low: float
    high: float
    nats_per_token: float
    density: float | None
    standard_error: float | None


@dataclass(frozen=True)
class Likelihood:
    """Likelihood of the blocks evaluated so far under one checkpoint.

    `parts`: per chunk of blocks, the nats of each block in each replicate, (R, n) float64; `per_token`: those of each
    token, (n, L), averaged over replicates. `levels`, `nats_at`,
    `tokens_at`: for all draws, the noise level of the canvas, its contribution, and its number of tokens.
    """

    estimator: Estimator
    parts: tuple[Tensor, ...]
    per_token: tuple[Tensor, ...]
    levels: Tensor
    nats_at: Tensor
    tokens_at: Tensor
    num_tokens: int
    num_bytes: int
    num_blocks: int
    complete: bool

    @cached_property
    def nats(self) -> float:
        return float(self.of_blocks.sum())

    @cached_property
    def of_blocks(self) -> Tensor:
        """(N,) nats of each block."""
        return torch.cat([part.mean(0) for part in self.parts])

    @property
    def standard_error(self) -> float:
        """Monte Carlo error of `nats`, from the spread of independent replicates within each chunk."""
        return monte_carlo_error(self.parts)

    @property
    def data_error(self) -> float | None:
        """Error of `nats` as an estimate for new data of this kind, from the spread of blocks; None for one block."""
        return None if self.num_blocks < 2 else float(self.of_blocks.std() * self.num_blocks**0.5)

    @property
    def error_per_token(self) -> float:
        return self.standard_error / self.num_tokens

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.num_tokens

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.num_bytes

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats_per_token)

    @property
    def replicates(self) -> int:
        """Replicates that every block has."""
        return min(len(part) for part in self.parts)

    def curve(self, bands: int = 20) -> list[Band]:
        """The bound in bands of equal width of the noise level; empty for an estimator without noise."""
        if self.estimator == "autoregressive":
            return []
        band_index = (self.levels * bands).ceil().clamp(1, bands) - 1
        return [self._band(band_index == i, i / bands, (i + 1) / bands) for i in range(bands)]

    def _band(self, in_band: Tensor, low: float, high: float) -> Band:
        nats, tokens = self.nats_at[in_band], self.tokens_at[in_band]
        density = float(nats.sum() / tokens.sum()) if len(nats) else None
        error = float((nats / tokens).std() / len(nats) ** 0.5) if len(nats) > 1 else None
        return Band(low, high, float(nats.sum() / self.tokens_at.sum()), density, error)


def monte_carlo_error(parts: Sequence[Tensor]) -> float:
    """Standard error of the sum over `parts` (R, n) of means over replicates; parts and replicates are independent."""
    return math.sqrt(sum(float(part.sum(1).var()) / len(part) for part in parts))


@dataclass
class _Accumulator:
    """Estimates of one checkpoint, concatenated over chunks and rounds."""

    parts: list[Tensor] = field(default_factory=list)
    per_token: list[Tensor] = field(default_factory=list)
    levels: list[Tensor] = field(default_factory=list)
    nats_at: list[Tensor] = field(default_factory=list)
    tokens_at: list[Tensor] = field(default_factory=list)

    def add(self, chunk: int, estimate: Estimate, length: int) -> None:
        if chunk == len(self.parts):
            self.parts.append(estimate.replicates)
            self.per_token.append(estimate.per_token)
        else:
            self.parts[chunk] = torch.cat([self.parts[chunk], estimate.replicates])
            share = len(estimate.replicates) / len(self.parts[chunk])
            self.per_token[chunk] = self.per_token[chunk].lerp(estimate.per_token, share)
        self.levels.append(estimate.levels.flatten())
        self.nats_at.append(estimate.nats_at.flatten())
        self.tokens_at.append(torch.full_like(self.nats_at[-1], length))


class LikelihoodEvaluation:
    """Checkpoints on the same blocks and the same noise. Iterate `calls()`; `results()` has the results so far.

    `goal`: the planned number of replicates; with `until_error` it grows as the error becomes known. Each replicate
    of a chunk of blocks noises them at times stratified over the chunk. Raises `UsageError` if the estimator does not
    fit a checkpoint.
    """

    def __init__(self, checkpoints: Sequence[Checkpoint], blocks: Blocks, request: LikelihoodRequest) -> None:
        self.checkpoints, self.blocks, self.request = checkpoints, blocks, request
        self._exact = [request.estimator_for(checkpoint) == "autoregressive" for checkpoint in checkpoints]
        self.goal = ROUND if all(self._exact) else request.replicates
        self.complete = False
        self._chunks = [chunk for group in blocks.groups for chunk in group.split(CHUNK)]
        self._draws = -(-MIN_CANVASES // len(blocks))
        self._accumulators = [_Accumulator() for _ in checkpoints]

    @property
    def calls_needed(self) -> int:
        """Planned number of network calls, each of one canvas."""
        rounds = self.goal // ROUND
        return len(self.blocks) * sum(rounds if exact else self.goal * self._draws for exact in self._exact)

    def calls(self) -> Iterator[int]:
        """Run the evaluation; after each chunk of blocks, yields the number of network calls (of one canvas) made."""
        made = calls = 0
        while made < self.goal:
            while (left := self.goal - made) > 0:
                size = next_round(left)
                for number, x0 in enumerate(self._chunks):
                    self._add(number, x0, size, made)
                    calls += len(x0) * sum(1 if exact else size * self._draws for exact in self._exact)
                    yield calls
                made += size
            if self.request.until_error is not None:
                self.goal = replicates_needed(made, self.error_per_token, self.request.until_error)
        self.complete = True

    def results(self) -> tuple[Likelihood, ...]:
        """The likelihood of the blocks evaluated so far under each checkpoint; empty before the first of `calls`."""
        if not self._accumulators[-1].parts:
            return ()
        blocks = self.blocks.first(sum(part.shape[1] for part in self._accumulators[-1].parts))
        return tuple(
            Likelihood(
                estimator=self.request.estimator_for(checkpoint),
                parts=tuple(accumulator.parts),
                per_token=tuple(accumulator.per_token),
                levels=torch.cat(accumulator.levels),
                nats_at=torch.cat(accumulator.nats_at),
                tokens_at=torch.cat(accumulator.tokens_at),
                num_tokens=blocks.num_tokens,
                num_bytes=blocks.num_bytes,
                num_blocks=len(blocks),
                complete=self.complete,
            )
            for checkpoint, accumulator in zip(self.checkpoints, self._accumulators, strict=True)
        )

    def _add(self, number: int, x0: Tensor, replicates: int, made: int) -> None:
        estimates = []
        seed = int(uniforms(self.request.seed, made, MONTE_CARLO, number, size=1) * 2**53)
        for checkpoint in self.checkpoints:
            result = estimate(
                *(checkpoint.model, checkpoint.process, checkpoint.noise, x0),
                estimator=self.request.estimator_for(checkpoint),
                replicates=replicates,
                draws=self._draws,
                seed=seed,
                batch_size=self.request.batch_size or 8,
                blocks=checkpoint.blocks,
            )
            estimates.append(result)
        # After all estimates: an interruption must not leave one checkpoint a chunk ahead.
        for accumulator, result in zip(self._accumulators, estimates, strict=True):
            accumulator.add(number, result, x0.shape[1])

    @property
    def error_per_token(self) -> float:
        """The error that `until_error` limits: of the nats of one checkpoint, or of the difference of two."""
        results = self.results()
        error = difference(*results).standard_error if len(results) == 2 else max(r.standard_error for r in results)
        return error / self.blocks.num_tokens


@dataclass(frozen=True)
class Difference:
    """Nats of checkpoint B minus those of A on the same data: positive if the data are likelier under A."""

    nats: float
    standard_error: float
    """Monte Carlo error of `nats`, from paired differences on the same noise."""
    data_error: float | None
    """Error of `nats` as an estimate for new data of this kind, from the spread over blocks."""
    share_of_blocks: float
    """Share of the blocks that are likelier under A."""
    num_tokens: int

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.num_tokens


def difference(a: Likelihood, b: Likelihood) -> Difference:
    """The difference of two results of one `LikelihoodEvaluation`."""
    parts = [nats_b - nats_a for nats_a, nats_b in zip(a.parts, b.parts, strict=True)]
    of_blocks = torch.cat([part.mean(0) for part in parts])
    return Difference(
        nats=float(of_blocks.sum()),
        standard_error=monte_carlo_error(parts),
        data_error=None if len(of_blocks) < 2 else float(of_blocks.std() * len(of_blocks) ** 0.5),
        share_of_blocks=float((of_blocks > 0).double().mean()),
        num_tokens=a.num_tokens,
    )
