"""Times and memory: every side's parts in turn, round after round, so that drift of the machine hits all alike."""

import json
import os
import platform
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

Times = dict[str, list[float]]
Visit = Callable[[int], dict[str, float]]
"""One pass over a side's parts, given the number of the round: seconds of each."""


def seconds(work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def rounds(visits: Sequence[Visit], budget: float, at_least: int) -> Times:
    """Visit everything in turn until `budget` seconds are spent, at least `at_least` times."""
    times, begin, done = defaultdict[str, list[float]](list), perf_counter(), 0
    while done < at_least or perf_counter() - begin < budget:
        for visit in visits:
            for part, taken in visit(done).items():
                times[part].append(taken)
        done += 1
    return dict(times)


class Medians:
    """Measurements by part: `side/part` or `side/part/size`."""

    def __init__(self, times: Times) -> None:
        self.of = {part: median(taken) for part, taken in times.items()}
        self.rounds = max(map(len, times.values()))

    def __getitem__(self, part: str) -> float:
        return self.of[part]

    def summed(self, part: str, sizes: torch.Tensor) -> float:
        """Seconds of one `part` for each of the sizes, read off a line through the sizes that were measured."""
        points = sorted((int(name.rpartition("/")[2]), s) for name, s in self.of.items() if name.startswith(f"{part}/"))
        at, taken = zip(*points, strict=True)
        return float(np.interp(sizes.double().numpy(), np.array(at), np.array(taken)).sum())


def fitted_exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of log cost against log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_fresh_process(*arguments: str) -> dict[str, int] | None:
    """The JSON that this program prints for one measurement; None if it died (out of memory, for example).

    A child's ru_maxrss starts at its parent's size: ask before any network is loaded here.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{' '.join(arguments)}: ended with {done.returncode}", file=sys.stderr)
        return None
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
    """The machine and its load: two threads that share their cores with other work wait for each other."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = cpu[0].partition(":")[2].strip() if cpu else platform.processor()
    load = os.getloadavg()[0]
    busy = " (BUSY: times and ratios below are not to be trusted)" if load > 0.5 else ""
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, {name}\nload average: {load:.2f}{busy}"
