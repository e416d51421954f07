"""The speed report: `sedd`'s engine against the original code's, RADD's and MDLM's samplers, in one run.

    python benchmarks/sampling.py [--quick] [--only 'radd-small/1024/*' ...]

Same weights, same law, float32. A group is NETWORK/LENGTH/BATCH; its parts are timed in turn, round after round, and
the medians multiplied by how often a run of each number of steps needs them, which follows from the reveal times.
Short whole runs are timed too, for comparison. Needs Linux (/proc).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from itertools import product

from measure import Medians, in_a_fresh_process, machine, peak_bytes, resident_bytes, rounds
from ours import OurRun, network_named
from products import Products
from report import Cell, Group, show_cells, show_checks, show_exponents, show_memory, show_products
from sides import Reveals, Side, baselines, our_visit

from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint

LENGTHS = STEPS = (64, 256, 1024)
GROUPS = [
    Group(network, length, batch)
    for network, batches in (("built-in", (1, 8)), ("radd-small", (1, 8)), ("sedd-small", (1,)))
    for length, batch in product(LENGTHS, batches)
]


@dataclass(frozen=True)
class Effort:
    """Seconds for a group's rounds, their minimum number, and the seconds up to which whole runs are timed too."""

    seconds: float
    rounds: int
    whole_below: float


def our_name(dtype: str) -> str:
    return "ours" if dtype == "float32" else dtype


def measure(checkpoints: dict[str, Checkpoint], group: Group, effort: Effort) -> list[Cell]:
    """The cells of a group, one a number of steps; checkpoints by dtype."""
    checkpoint = checkpoints["float32"]
    sides = baselines(checkpoint, group.batch, group.length)
    runs = {
        steps: {our_name(d): OurRun(each, group.batch, group.length, steps) for d, each in checkpoints.items()}
        for steps in STEPS
    }
    visits = [our_visit(run, f"{name}/{steps}") for steps in STEPS for name, run in runs[steps].items()]
    products = Products(checkpoint, group.batch, group.length)
    visits.append(products.visit)
    products.run()
    for run in runs[STEPS[0]].values():
        # Unmeasured: our first call of a size finds out whether canvases may run together.
        next(run.run.resume(run.states(0)))
    parts = Medians(rounds([*visits, *(side.visit for side in sides)], effort.seconds, effort.rounds))
    return [cell_of(group, steps, runs[steps], sides, parts, effort) for steps in STEPS]


def cell_of(
    group: Group,
    steps: int,
    runs: dict[str, OurRun],
    sides: Sequence[Side],
    parts: Medians,
    effort: Effort,
) -> Cell:
    reveals = Reveals.of(runs["ours"].reveal, steps + 1)
    taken = {name: run.nfe * parts[f"{name}/{steps}"] for name, run in runs.items()}
    taken |= {side.name: side.run_seconds(parts, steps, reveals) for side in sides}
    calls = {name: run.nfe for name, run in runs.items()} | {side.name: side.nfe(steps, reveals) for side in sides}
    whole = {}
    if sum(taken.values()) < effort.whole_below:
        whole = {name: run.whole() for name, run in runs.items()} | {side.name: side.whole(steps) for side in sides}
    return Cell(group, steps, taken, calls, whole, parts)


def memory_of(side: str, group: Group) -> None:
    """Memory of two calls of one side over the weights, in a process of its own. Prints JSON."""
    dtype = side if side == "int8" else "float32"
    checkpoint = network_named(group.network, dtype)
    loaded = resident_bytes()
    if side in ("ours", dtype):
        run = OurRun(checkpoint, group.batch, group.length, 256)
        for advance in (0, len(run.advances) // 2):
            next(run.run.resume(run.states(advance)))
    else:
        (baseline,) = (s.baseline for s in baselines(checkpoint, group.batch, group.length) if s.name == side)
        canvases = baseline.start(0, group.batch, group.length)
        for call in (0, 1):
            baseline.advance(canvases, call)
            canvases.changed.fill_(True)
    print(json.dumps({"loaded": loaded, "peak": peak_bytes()}))


def checkpoints_of(network: str, dtypes: Sequence[str]) -> dict[str, Checkpoint]:
    return {dtype: network_named(network, dtype) for dtype in dtypes}


def available_dtypes() -> list[str]:
    try:
        network_named("built-in", "int8")
    except UsageError as error:
        print(f"int8 is left out: {error}")
        return ["float32"]
    return ["float32", "int8"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round a group, no memory: the order of magnitude")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="of " + ", ".join(map(str, GROUPS)))
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory figures")
    parser.add_argument("--memory-of", nargs=2, metavar=("SIDE", "GROUP"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if args.memory_of:
        side, name = args.memory_of
        memory_of(side, next(group for group in GROUPS if str(group) == name))
        return 0
    groups = [group for group in GROUPS if any(fnmatch(str(group), pattern) for pattern in args.only)]
    if not groups:
        print(f"no such group; there are {', '.join(map(str, GROUPS))}", file=sys.stderr)
        return 2
    effort = Effort(0.0, 1, whole_below=2.0) if args.quick else Effort(25.0, 3, whole_below=10.0)
    print(machine(), flush=True)
    dtypes = available_dtypes()
    if not (args.no_memory or args.quick):
        show_memory(groups, dtypes, partial(in_a_fresh_process, "--memory-of"))
    cells: list[Cell] = []
    for network in dict.fromkeys(group.network for group in groups):
        checkpoints = checkpoints_of(network, dtypes)
        for group in (group for group in groups if group.network == network):
            print(f"measuring {group} ...", file=sys.stderr, flush=True)
            cells += measure(checkpoints, group, effort)
        show_cells([cell for cell in cells if cell.group.network == network])
    show_exponents(cells)
    show_products(cells)
    return 0 if show_checks(cells) else 1


if __name__ == "__main__":
    sys.exit(main())
