"""Sampling on this machine: `sedd`'s engine against the original code's way, measured side by side in one run.

    python benchmarks/sampling.py [--quick | --whole] [--cells 'sedd-small/1024/*' ...]

A cell is NETWORK/LENGTH/STEPS. The two sides' calls alternate, so that drift of the machine's speed hits both alike.
Where a whole run is dear, some of its calls are timed, spread evenly from its beginning to its end, and the median
is multiplied by the exact number of calls; the table says which figures came about that way. Needs Linux (/proc).
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from original import Original
from ours import SEED, make_run, network_named, state_at
from torch import Tensor

from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.engine import Run
from sedd_cli.models.checkpoint import Checkpoint

FORWARD_LIMIT = 1.1
"""The baseline's forward may cost this much more than a bare one; beyond that it would be a straw man."""
MEMORY_LENGTH, MEMORY_STEPS = 1024, 256


@dataclass(frozen=True)
class Cell:
    network: str
    length: int
    steps: int

    def __str__(self) -> str:
        return f"{self.network}/{self.length}/{self.steps}"


@dataclass(frozen=True)
class Effort:
    """How much to measure of a side: its whole run if that takes no more than `whole_below` seconds.

    Otherwise calls for `seconds`, but at least `calls` of them.
    """

    calls: int
    seconds: float
    whole_below: float

    def picks(self, calls: int, call_seconds: float) -> int:
        return calls if self.whole(calls, call_seconds) else max(self.calls, int(self.seconds / call_seconds))

    def whole(self, calls: int, call_seconds: float) -> bool:
        return calls * call_seconds <= self.whole_below


@dataclass
class Side:
    """What was timed of one side's run of `nfe` calls."""

    nfe: int
    whole: bool
    times: list[float] = field(default_factory=list)

    @property
    def run_seconds(self) -> float:
        return sum(self.times) if self.whole else median(self.times) * self.nfe

    @property
    def call_seconds(self) -> float:
        return self.run_seconds / self.nfe

    @property
    def how(self) -> str:
        return f"whole, {self.nfe}" if self.whole else f"median of {len(self.times)}"


@dataclass
class Result:
    """A cell's times: the parts of the original's calls; beside some of them, a bare forward right after its own."""

    cell: Cell
    ours: Side
    original: Side
    forward: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    draw: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    excess: list[float] = field(default_factory=list)
    """The original's forward over the bare one beside it."""

    @property
    def ratio(self) -> float:
        return self.original.run_seconds / self.ours.run_seconds


CELLS = [
    Cell(network, length, steps)
    for network, length, steps in product(("sedd-small", "built-in"), (128, 1024), (64, 256))
]


def spread(count: int, picks: int) -> list[int]:
    """At most `picks` of 0 ... count - 1, evenly spread, no end preferred."""
    picks = min(count, picks)
    return [int((i + 0.5) * count / picks) for i in range(picks)]


def seconds(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def our_calls(run: Run, side: Side, states: Sequence[State]) -> Iterator[None]:
    """One network call through the engine each time: those of the run itself, or the next one of each state."""
    if side.whole:
        yield from (None for _ in run.steps())
        return
    for state in states:
        next(run.resume([state]))
        yield


def original_calls(sampler: Original, length: int, calls: Sequence[int]) -> Iterator[tuple[float, ...]]:
    """Seconds of forward, score and draw of these calls. Progress does not change their cost, so they may leap."""
    canvases = sampler.start(SEED, 1, length)
    for call in calls:
        marks = [perf_counter()]
        logits = sampler.forward(canvases.x, call)
        marks.append(perf_counter())
        canvases.known = sampler.score(logits, canvases.x, call)
        marks.append(perf_counter())
        sampler.draw(canvases, call)
        marks.append(perf_counter())
        del logits
        yield tuple(end - begin for begin, end in pairwise(marks))


def alternation(ours: int, original: int) -> list[bool]:
    """Whose turn it is, True for ours: both sides reach each fraction of their work at the same time."""
    turns = [((i + 0.5) / ours, True) for i in range(ours)] + [((i + 0.5) / original, False) for i in range(original)]
    return [mine for _, mine in sorted(turns)]


def warm_up(run: Run, sampler: Original, length: int) -> tuple[float, float]:
    """One call of each side unmeasured, then the seconds that one takes: ours, the original's."""
    state = state_at(run, 0)
    for _ in range(2):
        ours = seconds(lambda: next(run.resume([state])))
        original = sum(next(original_calls(sampler, length, [0])))
    return ours, original


@torch.no_grad()
def bare_forward(checkpoint: Checkpoint, x: Tensor, sigma: Tensor) -> Tensor:
    """The transformer by itself: what the baseline's forward is checked against."""
    out: Tensor = checkpoint.model.transformer(x, sigma)
    return out


def measure(checkpoint: Checkpoint, cell: Cell, effort: Effort) -> Result:
    torch.manual_seed(SEED)
    run, sampler = make_run(checkpoint, cell.length, cell.steps), Original(checkpoint, cell.steps)
    our_call, original_call = warm_up(run, sampler, cell.length)
    nfe = run.calls_needed()
    ours = Side(nfe, effort.whole(nfe, our_call))
    original = Side(sampler.calls, effort.whole(sampler.calls, original_call))
    result = Result(cell, ours, original)
    our_picks = spread(nfe, effort.picks(nfe, our_call))
    picks = spread(sampler.calls, effort.picks(sampler.calls, original_call))
    bare_after = {picks[i] for i in spread(len(picks), 16)}

    mine = our_calls(run, ours, [] if ours.whole else [state_at(run, call) for call in our_picks])
    theirs, calls = original_calls(sampler, cell.length, picks), iter(picks)
    x = sampler.start(SEED, 1, cell.length).x
    for our_turn in alternation(len(our_picks), len(picks)):
        if our_turn:
            ours.times.append(seconds(lambda: next(mine)))
            continue
        forward, score, draw = next(theirs)
        original.times.append(forward + score + draw)
        result.forward.append(forward)
        result.score.append(score)
        result.draw.append(draw)
        if (call := next(calls)) in bare_after:
            result.bare.append(seconds(partial(bare_forward, checkpoint, x, sampler.sigma(call))))
            result.excess.append(forward / result.bare[-1])
    return result


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_of(side: str) -> None:
    """In a process of its own: what two calls of one side need on top of the weights. Prints JSON."""
    checkpoint = network_named("sedd-small")
    loaded, peak_before = resident_bytes(), peak_bytes()
    if side == "ours":
        run = make_run(checkpoint, MEMORY_LENGTH, MEMORY_STEPS)
        for call in spread(run.calls_needed(), 2):
            next(run.resume([state_at(run, call)]))
    else:
        sampler = Original(checkpoint, MEMORY_STEPS)
        for _ in original_calls(sampler, MEMORY_LENGTH, spread(sampler.calls, 2)):
            pass
    print(json.dumps({"loaded": loaded, "peak_before": peak_before, "peak": peak_bytes()}))


def ask_memory(side: str) -> dict[str, int]:
    """`memory_of` a side. A child's ru_maxrss starts at its parent's size: ask before any network is loaded here."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", side], stdout=subprocess.PIPE, check=True, text=True
    )
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def machine() -> str:
    """Where this ran. Two threads that share their cores with other work wait for each other: the load tells."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = cpu[0].partition(":")[2].strip() if cpu else platform.processor()
    load = os.getloadavg()[0]
    busy = " (BUSY: times and ratios below are not to be trusted)" if load > 0.5 else ""
    return (
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {name}, float32\n"
        f"load average before the start: {load:.2f}{busy}"
    )


def show_memory(answers: dict[str, dict[str, int]]) -> None:
    def mebibytes(count: int) -> str:
        return f"{count / 2**20:.0f} MiB"

    rows = [
        (
            side,
            mebibytes(a["loaded"]),
            mebibytes(a["peak_before"]),
            mebibytes(a["peak"]),
            mebibytes(a["peak"] - a["loaded"]),
        )
        for side, a in answers.items()
    ]
    ours, original = answers["ours"], answers["original"]
    total = ours["peak"] / original["peak"]
    added = (ours["peak"] - ours["loaded"]) / (original["peak"] - original["loaded"])
    print(f"\nPeak memory, sedd-small at L = {MEMORY_LENGTH}, a fresh process a side, two calls each (ru_maxrss);")
    print("random weights made in place: what reading a checkpoint needs is not in it")
    print(aligned(("side", "weights loaded", "peak until then", "peak", "peak over weights"), rows))
    print(f"ours / original: {total:.2f} of the whole process, {added:.2f} of what comes on top of the weights")


def show_results(results: Sequence[Result]) -> None:
    print(f"\nWhole runs: ours (tweedie, score normalised) against the original's way; batch 1, seed {SEED}")
    head = ("network/L/steps", "NFE", "orig", "s/call", "orig", "s/run", "orig", "ratio", "timed: ours", "orig")
    rows = [
        (
            str(r.cell),
            f"{r.ours.nfe}",
            f"{r.original.nfe}",
            f"{r.ours.call_seconds:.4f}",
            f"{r.original.call_seconds:.4f}",
            f"{r.ours.run_seconds:.1f}",
            f"{r.original.run_seconds:.1f}",
            f"{r.ratio:.2f}x",
            r.ours.how,
            r.original.how,
        )
        for r in results
    ]
    print(aligned(head, rows))
    print("timed 'whole': every call of the run, added up; 'median of K': K calls spread over the run, median x NFE.")
    print("\nThe baseline's calls: medians; its forward beside a bare forward right after it")
    parts = (
        "network/L/steps",
        "forward ms",
        "score ms",
        "draw ms",
        "bare ms",
        "forward / bare",
        f"<= {FORWARD_LIMIT}",
    )
    checks = [
        (
            str(r.cell),
            f"{median(r.forward) * 1e3:.1f}",
            f"{median(r.score) * 1e3:.1f}",
            f"{median(r.draw) * 1e3:.1f}",
            f"{median(r.bare) * 1e3:.1f}",
            f"{median(r.excess):.3f}",
            "yes" if median(r.excess) <= FORWARD_LIMIT else "NO",
        )
        for r in results
    ]
    print(aligned(parts, checks))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="fewer calls a cell: the order of magnitude")
    effort.add_argument("--whole", action="store_true", help="time whole runs of both sides everywhere (hours)")
    parser.add_argument("--cells", nargs="+", default=["*"], metavar="PATTERN", help="of " + ", ".join(map(str, CELLS)))
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory figures")
    parser.add_argument("--memory-of", choices=("ours", "original"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if args.memory_of:
        memory_of(args.memory_of)
        return 0
    cells = [cell for cell in CELLS if any(fnmatch(str(cell), pattern) for pattern in args.cells)]
    if not cells:
        print(f"no such cell; there are {', '.join(map(str, CELLS))}", file=sys.stderr)
        return 2
    quick, thorough = Effort(3, 2.0, whole_below=3.0), Effort(9, 10.0, whole_below=30.0)
    effort = quick if args.quick else replace(thorough, whole_below=math.inf) if args.whole else thorough
    print(machine(), flush=True)
    if not args.no_memory:
        show_memory({side: ask_memory(side) for side in ("ours", "original")})
    results = []
    for network in dict.fromkeys(cell.network for cell in cells):
        checkpoint = network_named(network)
        for cell in (cell for cell in cells if cell.network == network):
            print(f"measuring {cell} ...", file=sys.stderr, flush=True)
            results.append(measure(checkpoint, cell, effort))
    show_results(results)
    return 0 if all(median(r.excess) <= FORWARD_LIMIT for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
