"""The tables of the speed report."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measure import Medians, aligned, fitted_exponent

FORWARD_LIMIT = 1.1
"""The cost of a baseline's forward relative to a bare one, above which the comparison would be unfair."""
ROUNDS_TO_JUDGE = 3
"""With fewer rounds the ratio is shown without a conclusion."""
PRODUCTS_AIM = 0.8
BASELINES = ("original", "RADD", "MDLM")


@dataclass(frozen=True)
class Group:
    network: str
    length: int
    batch: int

    def __str__(self) -> str:
        return f"{self.network}/{self.length}/{self.batch}"


@dataclass(frozen=True)
class Cell:
    """Seconds and network calls on a row of whole runs, by side; `whole`: seconds of runs that were timed whole."""

    group: Group
    steps: int
    seconds: dict[str, float]
    calls: dict[str, int]
    whole: dict[str, float]
    parts: Medians

    @property
    def name(self) -> str:
        return f"{self.group.network}/{self.group.length}/{self.steps}/{self.group.batch}"

    @property
    def ahead_of_us(self) -> list[str]:
        return [side for side in BASELINES if self.seconds.get(side, float("inf")) <= self.seconds["ours"]]


def sides_of(cells: Iterable[Cell]) -> list[str]:
    """Ours first, every side that some cell has."""
    return list(dict.fromkeys(side for cell in cells for side in cell.seconds))


def figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def show_cells(cells: Sequence[Cell]) -> None:
    sides = sides_of(cells)
    print(f"\nWhole runs of {cells[0].group.network}: network calls on a row, seconds, and seconds over ours")
    others = [side for side in sides if side != "ours"]
    head = ["network/L/steps/batch", *(f"NFE {s}" for s in sides if s != "int8"), *(f"s {s}" for s in sides)]
    head += [*(f"{side}/ours" for side in others), "ahead of all?"]
    rows = []
    for cell in cells:
        ratios = [cell.seconds[s] / cell.seconds["ours"] if s in cell.seconds else None for s in others]
        rows.append(
            [
                cell.name,
                *(figure(cell.calls.get(side), "d") for side in sides if side != "int8"),
                *(figure(cell.seconds.get(side), ".2f") for side in sides),
                *(figure(ratio, ".2f") for ratio in ratios),
                "NO: " + ", ".join(cell.ahead_of_us) if cell.ahead_of_us else "yes",
            ]
        )
    print(aligned(head, rows), flush=True)


def show_exponents(cells: Sequence[Cell]) -> None:
    """How each side's seconds grow with L at each number of steps, and with steps at each L."""
    table = {(cell.group.network, cell.group.batch, cell.group.length, cell.steps): cell.seconds for cell in cells}
    kinds = list(dict.fromkeys((network, batch) for network, batch, _, _ in table))
    lengths, steps = sorted({key[2] for key in table}), sorted({key[3] for key in table})
    if min(len(lengths), len(steps)) < 3:
        return
    rows = []
    for network, batch in kinds:
        complete = all((network, batch, length, n) in table for length in lengths for n in steps)
        for side in table[network, batch, lengths[0], steps[0]] if complete else ():
            cost = {(length, n): table[network, batch, length, n][side] for length in lengths for n in steps}
            of_length = [fitted_exponent(lengths, [cost[length, n] for length in lengths]) for n in steps]
            of_steps = [fitted_exponent(steps, [cost[length, n] for n in steps]) for length in lengths]
            rows.append([f"{network}/{batch}/{side}", *(f"{e:.2f}" for e in (*of_length, *of_steps))])
    if not rows:
        return
    print("\nSeconds grow as L^a and as steps^b: least squares in logarithms over the three cells of each")
    head = ["network/batch/side", *(f"a, {n} steps" for n in steps), *(f"b, L={length}" for length in lengths)]
    print(aligned(head, rows))


def show_products(cells: Sequence[Cell]) -> None:
    """The share of the matrix products in our time."""
    rows = []
    for cell in cells:
        products, call = cell.parts["products"], cell.parts[f"ours/{cell.steps}"]
        rows.append([cell.name, f"{products * 1e3:.1f}", f"{call * 1e3:.1f}", f"{products / call:.2f}"])
    print("\nMatrix products alone (linear layers, attention's two, head at 16 positions) against our call; ms a row")
    print(aligned(("network/L/steps/batch", "products", "our call", "share"), rows))
    largest = max(cells, key=lambda cell: (cell.seconds["ours"], cell.steps))
    share = largest.parts["products"] / largest.parts[f"ours/{largest.steps}"]
    print(f"largest cell, {largest.name}: {share:.2f} of our time is matrix products (the aim: {PRODUCTS_AIM})")


def show_checks(cells: Sequence[Cell]) -> bool:
    """Whole runs against the computed ones; the baselines' forward against a bare one. Returns whether in bounds."""
    groups = {cell.group: cell.parts for cell in cells}
    rows = [
        (
            str(group),
            f"{parts.rounds}",
            f"{parts['original/forward'] * 1e3:.1f}",
            f"{parts['original/bare'] * 1e3:.1f}",
            f"{parts['original/excess']:.3f}",
            "yes" if parts["original/excess"] <= FORWARD_LIMIT else "NO",
        )
        for group, parts in groups.items()
    ]
    print("\nThe baselines' forward (one for all of them) against a bare one right before or after it")
    head = ("network/L/batch", "rounds", "forward ms", "bare ms", "forward / bare", f"<= {FORWARD_LIMIT}")
    print(aligned(head, rows))
    checked = [
        [cell.name, *(f"{cell.whole[s]:.2f} ({cell.whole[s] / cell.seconds[s]:.2f})" for s in cell.whole)]
        for cell in cells
        if set(cell.whole) == set(sides_of(cells))
    ]
    if checked:
        print("\nWhole runs that were timed: seconds (over what was computed from the parts)")
        print(aligned(("network/L/steps/batch", *sides_of(cells)), checked))
    behind = [f"{cell.name} ({', '.join(cell.ahead_of_us)})" for cell in cells if cell.ahead_of_us]
    print(f"\nahead of every baseline in {len(cells) - len(behind)} of {len(cells)} cells")
    if behind:
        print("not in " + ", ".join(behind))
    judged = [parts for parts in groups.values() if parts.rounds >= ROUNDS_TO_JUDGE]
    return all(parts["original/excess"] <= FORWARD_LIMIT for parts in judged)


def show_memory(
    groups: Sequence[Group], dtypes: Sequence[str], ask: Callable[[str, str], dict[str, int] | None]
) -> None:
    """Peaks of fresh processes: MiB in all, and over what was loaded before the first call."""
    sides = ["ours", *(dtype for dtype in dtypes if dtype != "float32"), *BASELINES]
    rows = []
    for group in groups:
        timed = group.network == "sedd-small"
        answers = {s: None if timed and s in BASELINES[1:] else ask(s, str(group)) for s in sides}
        peaks = [figure(a["peak"] / 2**20 if a else None, ".0f") for a in answers.values()]
        added = [figure((a["peak"] - a["loaded"]) / 2**20 if a else None, ".0f") for a in answers.values()]
        rows.append([str(group), *peaks, *added])
    print("\nPeak memory, a fresh process a side, two calls each (ru_maxrss, MiB); random weights are made in place")
    print(aligned(("network/L/batch", *sides, *(f"+ {side}" for side in sides)), rows), flush=True)
