"""Plot of judged perplexity and repetition against entropy, ways of sampling beside each other. Needs `plot`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sedd_cli.evaluation.plots import picture_of
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.evaluation.sample_metrics import SampleMetrics, SampleSet
from sedd_cli.evaluation.sweep import described, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REAL_COLOR = "#7f7f7f"


@dataclass(frozen=True)
class Curve:
    """A way of sampling: what stands beside each of its points, and their metrics."""

    name: str
    points: Sequence[tuple[str, SampleMetrics]]


def curves_of(results: Sequence[tuple[SampleSet, SampleMetrics]]) -> dict[str, list[Curve]]:
    """The rows of a sweep by a title, their number of steps. Points that differ only in one swept number are one curve.

    That is the option with most values, of those that are numbers.
    """
    drawn = [(sample_set, metrics) for sample_set, metrics in results if metrics.nfe is not None]
    along = _longest_number([sample_set for sample_set, _ in drawn])
    panels: dict[str, dict[str, list[tuple[str, SampleMetrics]]]] = {}
    for sample_set, metrics in drawn:
        others = {name: value for name, value in sample_set.setting.items() if name != along}
        name = described(others) or along.replace("_", "-")
        beside = shown(sample_set.setting[along]) if along else ""
        steps = f"{sample_set.steps} steps" if sample_set.steps else "token by token"
        panels.setdefault(steps, {}).setdefault(name, []).append((beside, metrics))
    return {
        f"{steps}, {_range([metrics.nfe or 0 for points in curves.values() for _, metrics in points])} network calls": [
            Curve(name, points) for name, points in curves.items()
        ]
        for steps, curves in panels.items()
    }


def _longest_number(sample_sets: Sequence[SampleSet]) -> str:
    values: dict[str, set[object]] = {}
    for sample_set in sample_sets:
        for name, value in sample_set.setting.items():
            values.setdefault(name, set()).add(value)
    numbers = [name for name, of in values.items() if any(isinstance(value, int | float) for value in of)]
    return max(numbers, key=lambda name: len(values[name]), default="")


def plot_frontier(
    panels: Mapping[str, Sequence[Curve]], real: SampleMetrics | None, judge: str | None, format: str
) -> bytes:
    """A picture with a column for each of `panels`, by its title; `judge` names who judged, if anyone did."""
    from matplotlib.figure import Figure

    rows = (["perplexity"] if judge is not None else []) + ["repetition"]
    names = list(dict.fromkeys(curve.name for curves in panels.values() for curve in curves))
    width, height = max(1, len(panels)), len(rows)
    figure = Figure(figsize=(1.5 + 3.6 * width, 0.8 + 0.22 * len(names) / 2 + 3.0 * height), layout="constrained")
    grid = figure.subplots(height, width, squeeze=False, sharex=True, sharey="row")
    for column, (title, curves) in enumerate(panels.items()):
        for row, metric in enumerate(rows):
            axes = grid[row][column]
            for curve in curves:
                _draw(axes, curve, metric, names.index(curve.name))
            if real is not None:
                _draw(axes, Curve("real text", [("", real)]), metric, None)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        grid[0][column].set_title(title, loc="left", fontsize=10)
        grid[-1][column].set_xlabel("unigram entropy, nats")
    if judge is not None:
        grid[0][0].set_ylabel(f"perplexity, {judge}", parse_math=False)
        grid[0][0].set_yscale("log", base=2)
        grid[0][0].yaxis.set_major_formatter("{x:g}")
    grid[-1][0].set_ylabel("share of 4-grams repeated")
    labelled = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend = figure.legend(labelled.values(), labelled, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return picture_of(figure, format)


def _draw(axes: "Axes", curve: Curve, metric: str, number: int | None) -> None:
    """Points with two standard errors each way; the `number` of a curve is its colour, None for real text."""
    drawn = [(beside, m.entropy, y) for beside, m in curve.points if (y := _value(m, metric)) is not None]
    if not drawn:
        return
    axes.errorbar(
        [x.value for _, x, _ in drawn],
        [y.value for _, _, y in drawn],
        xerr=[2 * (x.error or 0.0) for _, x, _ in drawn],
        yerr=[2 * (y.error or 0.0) for _, _, y in drawn],
        fmt="*" if number is None else f"{'osv^D'[number // 10 % 5]}-",
        color=REAL_COLOR if number is None else f"C{number % 10}",
        markersize=9 if number is None else 4,
        linewidth=1,
        elinewidth=0.6,
        label=curve.name,
    )
    for beside, x, y in drawn:
        axes.annotate(beside, (x.value, y.value), textcoords="offset points", xytext=(4, 4), fontsize=7)


def _value(metrics: SampleMetrics, metric: str) -> Statistic | None:
    if metric == "perplexity":
        return metrics.perplexity
    return None if metrics.repetition is None else Statistic(metrics.repetition, None)


def _range(calls: Sequence[float]) -> str:
    low, high = f"{min(calls):.0f}", f"{max(calls):.0f}"
    return low if low == high else f"{low} to {high}"
