"""The four samplers as measured: parts that are timed, and how often a run needs each.

How often follows from the law: the reveal times of our run (the same for every way) say which rows change in which
call, and how many positions are still masked.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from baselines import Baseline, Canvases
from cached import BatchCached, RowCached
from measure import Medians, Visit, seconds
from original import Original
from ours import SEED, OurRun
from torch import Tensor

from sedd_cli.models.checkpoint import Checkpoint

MASKED_SHARES = (1, 1 / 2, 1 / 8, 1 / 64)


@dataclass(frozen=True)
class Reveals:
    """The calls of a run: `changed` (calls, B) bool, `masked` (calls,) positions of all rows before each."""

    changed: Tensor
    masked: Tensor

    @classmethod
    def of(cls, reveal: Tensor, calls: int) -> "Reveals":
        """reveal (B, L): the call that reveals each position."""
        call = torch.arange(calls)[:, None, None]
        return cls((reveal == call).any(-1), (reveal >= call).sum((1, 2)))

    def stale(self, baseline: Baseline) -> Tensor:
        """Rows that the network runs on in each call: (calls,)."""
        before = torch.cat([torch.ones_like(self.changed[:1]), self.changed[:-1]])
        return torch.stack([baseline.stale(changed).sum() for changed in before])


class Side(ABC):
    """A baseline on `rows` canvases of `length`. What its parts cost does not depend on the number of steps."""

    name: str

    def __init__(self, checkpoint: Checkpoint, rows: int, length: int) -> None:
        self.checkpoint, self.rows, self.length = checkpoint, rows, length
        self.baseline = self.of_steps(64)

    @abstractmethod
    def of_steps(self, steps: int) -> Baseline: ...

    @abstractmethod
    def visit(self, number: int) -> dict[str, float]:
        """Time every part once (`measure.Visit`)."""

    @abstractmethod
    def run_seconds(self, parts: Medians, steps: int, reveals: Reveals) -> float: ...

    def nfe(self, steps: int, reveals: Reveals) -> int:
        """How often the network runs on a row."""
        return int(reveals.stale(self.of_steps(steps)).sum())

    def whole(self, steps: int) -> float:
        return seconds(lambda: self.of_steps(steps).sample(SEED, self.rows, self.length))

    def canvases(self, masked_share: float, changed: int) -> Canvases:
        """Some way into a run: random tokens but for a share of the positions, the first `changed` rows changed."""
        generator = torch.Generator().manual_seed(SEED)
        shape = (self.rows, self.length)
        x = torch.randint(self.baseline.mask_id, shape, generator=generator)
        masked = torch.rand(shape, generator=generator).argsort(-1) < max(1, round(masked_share * self.length))
        canvases = Canvases.of(torch.where(masked, self.baseline.mask_id, x), SEED)
        canvases.changed = torch.arange(self.rows) < changed
        return canvases


class OriginalSide(Side):
    """Every call costs the same. A bare forward is timed with its own, to check the baselines' forward."""

    name = "original"

    def of_steps(self, steps: int) -> Original:
        return Original(self.checkpoint, steps)

    @torch.no_grad()
    def bare(self, x: Tensor, sigma: Tensor) -> None:
        self.checkpoint.model.backbone(x, sigma)

    def visit(self, number: int) -> dict[str, float]:
        canvases, call = self.canvases(1 / 2, self.rows), 32
        bare = partial(self.bare, canvases.x, self.baseline.sigma(call))
        # One before the other by turns: the first finds the weights out of the cache.
        bare_first = seconds(bare) if number % 2 else None
        original = self.of_steps(64)
        marks = [perf_counter()]
        logits = original.forward(canvases.x, call)
        marks.append(perf_counter())
        canvases.known = original.score(logits, canvases.x, call)
        del logits
        original.draw(canvases, call)
        marks.append(perf_counter())
        forward, taken = marks[1] - marks[0], bare_first or seconds(bare)
        times = {"call": marks[2] - marks[0], "forward": forward, "bare": taken, "excess": forward / taken}
        return {f"original/{part}": time for part, time in times.items()}

    def run_seconds(self, parts: Medians, steps: int, reveals: Reveals) -> float:
        return (steps + 1) * parts["original/call"]


class RowCachedSide(Side):
    """The network's part grows with the rows that are stale, gathering and drawing with the positions masked."""

    name = "RADD"

    def of_steps(self, steps: int) -> RowCached:
        return RowCached(self.checkpoint, steps)

    def visit(self, number: int) -> dict[str, float]:
        baseline, times = self.of_steps(64), {}
        canvases = self.canvases(1 / 2, self.rows)
        for stale in sorted({self.rows, (self.rows + 1) // 2, 1}, reverse=True):
            canvases.changed = torch.arange(self.rows) < stale
            times[f"RADD/ask/{stale}"] = seconds(partial(baseline.ask, canvases, 32))
        for share in MASKED_SHARES:
            later = self.canvases(share, 0)
            later.known = canvases.known
            masked = int((later.x == baseline.mask_id).sum())
            times[f"RADD/gather/{masked}"] = seconds(partial(baseline.gather, later))
            times[f"RADD/draw/{masked}"] = seconds(partial(baseline.draw, later, 32))
        return times

    def run_seconds(self, parts: Medians, steps: int, reveals: Reveals) -> float:
        stale = reveals.stale(self.baseline)
        asks = parts.summed("RADD/ask", stale[stale > 0]) + parts.summed("RADD/gather", reveals.masked[stale > 0])
        return asks + parts.summed("RADD/draw", reveals.masked)


class BatchCachedSide(Side):
    """Two kinds of calls: with the network on all rows, or without. Timed with half of the positions written."""

    name = "MDLM"

    def of_steps(self, steps: int) -> BatchCached:
        return BatchCached(self.checkpoint, steps)

    def visit(self, number: int) -> dict[str, float]:
        canvases = self.canvases(1 / 2, self.rows)
        return {
            "MDLM/consult": seconds(partial(self.baseline.consult, canvases, 32)),
            "MDLM/draw": seconds(partial(self.baseline.draw, canvases, 32)),
        }

    def run_seconds(self, parts: Medians, steps: int, reveals: Reveals) -> float:
        consulted = int((reveals.stale(self.baseline) > 0).sum())
        return consulted * parts["MDLM/consult"] + (steps + 1) * parts["MDLM/draw"]


def baselines(checkpoint: Checkpoint, rows: int, length: int) -> list[Side]:
    """The sides that this network allows: with time conditioning there is no caching."""
    ways: list[type[Side]] = [OriginalSide, RowCachedSide, BatchCachedSide]
    return [way(checkpoint, rows, length) for way in (ways[:1] if checkpoint.model.time_conditioned else ways)]


def our_visit(run: OurRun, part: str) -> Visit:
    """One advance of the engine a round, spread over the run; seconds a row."""

    def visit(number: int) -> dict[str, float]:
        # Multiples of the golden ratio fill an interval evenly, however many there are.
        states = run.states(int(len(run.advances) * ((number + 0.5) * 0.618034 % 1)))
        return {part: seconds(lambda: next(run.run.resume(states))) / len(states)}

    return visit
