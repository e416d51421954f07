"""Block by block, from left to right; within a block any absorbing sampler (LLaDA, 2502.09992; BD3-LM, 2503.09573).

A block is written given those before it. Later ones are MASK, as far as the horizon; beyond it they are not shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

import torch
from torch import Tensor

from sedd_cli.diffusion.network import Network, Scored
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked, time_of
from sedd_cli.errors import UsageError

NOWHERE = torch.tensor([], dtype=torch.int64, device="cpu")


@dataclass
class UpTo:
    """A network that is shown the first `end` positions, and the noise `sigma` at which as many of them are masked."""

    network: Network
    noise: Schedule
    mask_id: int
    end: int
    sigma: Tensor = field(init=False)
    """Of the last call, (B,)."""

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        x, where = x[:, : self.end], where[:, : self.end]
        self.sigma = sigma_of_masked(self.noise, torch.eq(x, self.mask_id).double().mean(1))
        return self.network.log_scores(x, self.sigma, where)


@dataclass(frozen=True)
class Blocks(Sampler):
    """`runs`: the sampler of each block; `edges`: where blocks begin, and the last one ends.

    `horizon`: MASKs shown after a block; None: the whole canvas is.
    """

    process: Absorbing
    noise: Schedule
    runs: tuple[Sampler, ...]
    edges: tuple[int, ...]
    horizon: int | None

    @property
    def num_updates(self) -> int:
        return sum(run.num_updates for run in self.runs)

    @property
    def num_readings(self) -> int:
        return sum(run.num_readings for run in self.runs)

    @property
    def exact_calls(self) -> bool:
        return all(run.exact_calls for run in self.runs)

    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        return self.runs[0].start(ids, free, seed, row)

    def calls_left(self, state: State) -> int:
        return sum(self.runs[s.block].calls_left(s) for s in self._pieces(state))

    def done(self, state: State) -> bool:
        # Most blocks are not looked at: runs ask this at every step.
        return all(self.runs[s.block].done(s) for s in self._pieces(state))

    def ready(self, states: Sequence[State]) -> list[State]:
        blocks = [self._current(s).block for s in states]
        first = [s for s, block in zip(states, blocks, strict=True) if block == min(blocks)]
        pieces = [self._current(s) for s in first]
        ready = {id(piece) for piece in self.runs[min(blocks)].ready(pieces)}
        return [s for s, piece in zip(first, pieces, strict=True) if id(piece) in ready]

    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        pieces = [self._current(s) for s in states]
        (block,) = {piece.block for piece in pieces}
        shown = UpTo(network, self.noise, self.process.mask_id, self._end(block, len(states[0].ids)))
        advanced = zip(states, self.runs[block].advance(pieces, shown), shown.sigma, strict=True)
        return [
            (
                replace(after, free=state.free),
                change._replace(step=self._step(block, change), t=time_of(self.noise, sigma), sigma=float(sigma)),
            )
            for state, (after, change), sigma in advanced
        ]

    def remask(self, state: State, positions: Tensor) -> State:
        """The run goes back to the first of the blocks, if that was written already."""
        block_of = torch.bucketize(positions, torch.tensor(self.edges[1:-1], device="cpu"), right=True)
        current, free = self._current(state), state.free.index_fill(0, positions, True)
        over = self.runs[current.block].done(current)
        for block in sorted(set(block_of.tolist()), reverse=True):
            place = current if block == current.block else self._ended(block, state)
            state = self._remask_inside(_run_like(state, place), positions[block_of == block])
        return replace(state if over or state.block <= current.block else _run_like(state, current), free=free)

    def _remask_inside(self, state: State, positions: Tensor) -> State:
        """Remask positions (k,) of the state's block, by its run."""
        inside = replace(state, free=state.free & self._inside(state.block, state))
        return replace(self.runs[state.block].remask(inside, positions), free=state.free)

    def _pieces(self, state: State) -> Iterator[State]:
        """The state as the run of its block has it, and then the blocks after it that hold MASK.

        One that is written in part, before the run went back to an earlier one, goes on where as much is masked.
        """
        yield replace(state, free=state.free & self._inside(state.block, state))
        for block in range(state.block + 1, len(self.runs)):
            begin, end = self.edges[block : block + 2]
            free = state.free[begin:end]
            masked = int((free & (state.ids[begin:end] == self.process.mask_id)).sum())
            if masked:
                begun = masked < int(free.sum())
                piece = self._remask_inside(self._ended(block, state), NOWHERE) if begun else self._fresh(block, state)
                # What is written there was not read, or not as it will be.
                piece = replace(piece, readings=0)
                yield replace(piece, free=state.free & self._inside(block, state))

    def _step(self, block: int, change: Change) -> int:
        """The number among all of a step of a block's run, or of a reading, whose numbers follow those of steps."""
        before, reading = self.runs[:block], change.step - self.runs[block].num_updates
        if reading < 0 or len(change.positions):
            return sum(run.num_updates for run in before) + change.step
        return self.num_updates + sum(run.num_readings for run in before) + reading

    def _fresh(self, block: int, state: State) -> State:
        return replace(state, block=block, step=0, reached=1.0, corrections=0, readings=0)

    def _ended(self, block: int, state: State) -> State:
        """The state at the end of a block's run."""
        run = self.runs[block]
        step = run.num_updates - run.num_corrections
        corrections, readings = run.num_corrections, run.num_readings
        return replace(state, block=block, step=step, reached=0.0, corrections=corrections, readings=readings)

    def _current(self, state: State) -> State:
        """The first block that has a call left, as its run has it; the last begun if none has."""
        pieces = self._pieces(state)
        first = next(pieces)
        return next((s for s in chain([first], pieces) if not self.runs[s.block].done(s)), first)

    def _inside(self, block: int, state: State) -> Tensor:
        inside = torch.zeros_like(state.free)
        inside[self.edges[block] : self.edges[block + 1]] = True
        return inside

    def _end(self, block: int, length: int) -> int:
        return length if self.horizon is None else min(length, self.edges[block + 1] + self.horizon)


def _run_like(state: State, other: State) -> State:
    """The canvas of a state at the place in the run of another."""
    return replace(
        state,
        block=other.block,
        step=other.step,
        reached=other.reached,
        corrections=other.corrections,
        readings=other.readings,
    )


def make_blocks(setup: Setup, make_run: Callable[[Setup], Sampler]) -> Blocks:
    """Cut a canvas into blocks, each with a share of the steps and of the corrections.

    Blocks begin at the first position to be written; of a network trained by blocks, at the first of the canvas. One
    with nothing to write goes with that before it. Raises `UsageError` for text after a gap that would be left out.
    """
    assert isinstance(setup.process, Absorbing) and setup.block is not None
    first, end = int(setup.free.int().argmax()), setup.length
    horizon = setup.unmasking.horizon if setup.trained_block is None else 0
    if horizon is not None and not bool(setup.free[first:].all()):
        if setup.trained_block:
            raise UsageError(
                "this checkpoint writes block by block: it cannot know what stands after a gap",
                "Leave out what follows, or take a checkpoint that sees the whole canvas.",
            )
        raise UsageError("a horizon leaves out what stands after a gap", "Leave out --horizon.")
    begins = range(0 if setup.trained_block else first, end, setup.block)
    edges = [0, *(b for b in begins if b > 0 and bool(setup.free[b : b + setup.block].any())), end]
    if not bool(setup.free[: edges[1]].any()):
        del edges[1]
    total, correct, runs, written = setup.free_count, setup.unmasking.correct, [], 0
    for begin, stop in pairwise(edges):
        inside = torch.zeros_like(setup.free)
        inside[begin:stop] = setup.free[begin:stop]
        count = int(inside.sum())
        steps = max(1, round(setup.steps * count / total))
        share = round(correct * (written + count) / total) - round(correct * written / total)
        runs.append(
            make_run(replace(setup, free=inside, steps=steps, unmasking=replace(setup.unmasking, correct=share)))
        )
        written += count
    return Blocks(setup.process, setup.noise, tuple(runs), tuple(edges), horizon)
