"""Pictures of what was measured, as PNG or SVG. They need the extra `plot`."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.atomic import write_file
from sedd_cli.errors import SeddError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sedd_cli.evaluation.likelihoods import Band

KINDS = (".png", ".svg")


def check_plot(path: Path) -> None:
    """Raises `UsageError` for a file that is neither PNG nor SVG, `SeddError` if matplotlib is not installed."""
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path.name} names no kind of picture", f"End it in {' or '.join(KINDS)}.")
    try:
        import matplotlib
    except ImportError as error:
        raise SeddError("plots need matplotlib", "Install sedd-cli[plot].") from error
    # Draws without a screen; the kind is chosen where the picture is saved.
    matplotlib.use("agg")


def save_plot(path: Path, draw: Callable[["Axes"], None]) -> None:
    """Draw on a pair of axes and write the picture, all or nothing. Raises what `check_plot` and `write_file` do."""
    check_plot(path)
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    try:
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        picture = BytesIO()
        # SVG would hold the date and random names: the same figures give the same file.
        kind = path.suffix.lower()[1:]
        with pyplot.rc_context({"svg.hashsalt": "sedd", "svg.fonttype": "none"}):
            figure.savefig(picture, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    finally:
        pyplot.close(figure)
    write_file(path, picture.getvalue())


def draw_bands(axes: "Axes", curves: Mapping[str, Sequence["Band"]], noise: str) -> None:
    """Where the nats are: for each name a density over the noise, whose area is the bound a token."""
    for name, bands in curves.items():
        seen = [band for band in bands if band.density is not None]
        middles = [(band.low + band.high) / 2 for band in seen]
        density = [band.density or 0.0 for band in seen]
        errors = [2 * (band.standard_error or 0.0) for band in seen]
        axes.errorbar(middles, density, yerr=errors, marker="o", markersize=3, capsize=2, linewidth=1.2, label=name)
    axes.set(xlabel=noise, ylabel="nats a token at this noise", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.set_title("Where the nats are (area: the bound a token; bars: two standard errors)", fontsize=10)
    axes.legend(frameon=False)
