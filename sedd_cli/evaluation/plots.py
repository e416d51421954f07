"""Plots of measurements as PNG or SVG. They need the extra `plot`."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.atomic import descriptor_of
from sedd_cli.errors import SeddError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sedd_cli.evaluation.likelihoods import Band

FORMATS = {".png": "png", ".svg": "svg"}


def require_plot(path: Path) -> str:
    """The format of a plot's file; SVG for a descriptor such as /dev/stdout.

    Raises `UsageError` for another format, `SeddError` if matplotlib is not installed.
    """
    suffix = ".svg" if not path.suffix and descriptor_of(path) is not None else path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"a plot is no {path.suffix or 'file without a suffix'}", "Name it FILE.png or FILE.svg.")
    if find_spec("matplotlib") is None:
        raise SeddError("plots need matplotlib", "Install sedd-cli[plot].")
    return FORMATS[suffix]


def picture_of(figure: "Figure", format: str) -> bytes:
    """Encode a figure. Equal figures give equal files: the date and random ids of SVG are suppressed."""
    import matplotlib

    picture = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "sedd", "svg.fonttype": "none"}):
        figure.savefig(picture, format=format, dpi=150, metadata={"Date": None} if format == "svg" else None)
    return picture.getvalue()


def plot_bands(curves: Mapping[str, Sequence["Band"]], noise: str, format: str) -> bytes:
    """Plot nats per token against the noise level, one curve per name; the mean over the level is the bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, bands in curves.items():
        seen = [band for band in bands if band.density is not None]
        middles = [(band.low + band.high) / 2 for band in seen]
        density = [band.density or 0.0 for band in seen]
        errors = [2 * (band.standard_error or 0.0) for band in seen]
        axes.errorbar(middles, density, yerr=errors, marker="o", markersize=3, capsize=2, linewidth=1.2, label=name)
    axes.set(xlabel=noise, ylabel="nats a token", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.set_title("Where the nats are (± 2 standard errors)", loc="left", fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    # A name may hold a dollar sign, which is no formula here.
    for text in axes.legend(frameon=False).get_texts():
        text.set_parse_math(False)
    return picture_of(figure, format)
