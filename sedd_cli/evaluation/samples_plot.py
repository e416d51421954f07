"""Plot of quality against network calls. Needs the extra `plot`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sedd_cli.evaluation.plots import picture_of
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.evaluation.sample_metrics import SampleMetrics, SampleSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MetricOf = Callable[[SampleMetrics], Statistic | None]
SAMPLES_COLOR, REAL_COLOR = "#2a6f97", "#7f7f7f"


def plot_samples(results: Sequence[tuple[SampleSet, SampleMetrics]], judge: str | None, format: str) -> bytes:
    """A picture of perplexity and entropy against the mean NFE; `judge` names who judged, if anyone did."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, MetricOf, bool]] = [("unigram entropy, nats", lambda f: f.entropy, False)]
    if judge is not None:
        panels.insert(0, (f"generative perplexity\n{judge}", lambda f: f.perplexity, True))
    figure = Figure(figsize=(4.4 * len(panels), 3.8), layout="constrained")
    for axes, (name, of, log_scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, results, of, log_scale)
        # A name may hold a dollar sign, which is no formula here.
        axes.set_title(name, loc="left", fontsize=10, parse_math=False)
        axes.set_xlabel("network calls a text (NFE)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return picture_of(figure, format)


def _panel(axes: "Axes", results: Sequence[tuple[SampleSet, SampleMetrics]], of: MetricOf, log_scale: bool) -> None:
    drawn = [(f.nfe, estimate) for _, f in results if f.nfe is not None and (estimate := of(f)) is not None]
    drawn.sort(key=lambda point: point[0])
    real = next((of(f) for _, f in results if f.nfe is None), None)
    axes.errorbar(
        [nfe for nfe, _ in drawn],
        [estimate.value for _, estimate in drawn],
        yerr=[2 * (estimate.error or 0.0) for _, estimate in drawn],
        fmt="o-",
        color=SAMPLES_COLOR,
        capsize=3,
        label="samples (± 2 standard errors)",
    )
    if real is not None:
        axes.axhline(real.value, color=REAL_COLOR, linestyle="--", label="real text")
        if real.error is not None:
            axes.axhspan(
                real.value - 2 * real.error, real.value + 2 * real.error, color=REAL_COLOR, alpha=0.15, linewidth=0
            )
    # An empty axis cannot have a logarithmic scale.
    if drawn:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
    if log_scale and (drawn or real):
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
