"""Draw the plots of theory.md, by the functions that it explains. `python docs/theory.py [FOLDER]`"""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sedd_cli.diffusion.concrete_score import concrete_score
from sedd_cli.diffusion.schedules import Cosine, Geometric, LogLinear, Schedule, mask_probability
from sedd_cli.diffusion.score_entropy import score_entropy
from sedd_cli.evaluation.plots import picture_of, require_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATIOS = (0.5, 1.0, 2.0)
SCHEDULES: dict[str, Schedule] = {
    "loglinear": LogLinear(),
    "cosine": Cosine(),
    "geometric, 0.001 to 1": Geometric(),
    "geometric, 0.0001 to 20": Geometric(1e-4, 20.0),
}


def panels(left: str, right: str) -> tuple["Figure", "Axes", "Axes"]:
    """A figure of two plots side by side, and their titles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    both = figure.subplots(1, 2)
    for axes, title in zip(both, (left, right), strict=True):
        axes.set_title(title, loc="left", fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, both[0], both[1]


def entropy() -> "Figure":
    """The loss of a score s where the ratio is r: score entropy, and the squared error that it replaced."""
    figure, *both = panels("score entropy: s − r log s + K(r)", "concrete score matching: (s − r)² / 2")
    log_score = torch.linspace(-8, 1.6, 200, dtype=torch.float64)
    for axes, loss in zip(both, (score_entropy, concrete_score), strict=True):
        for r in RATIOS:
            (line,) = axes.plot(log_score.exp(), loss(log_score, torch.tensor(r).double()), label=f"r = {r:g}")
            axes.plot(r, 0, "o", color=line.get_color(), markersize=4, clip_on=False)
        axes.set(xlabel="score s", ylabel="loss", xlim=(0, 4.5), ylim=(0, 3))
    both[0].legend(frameon=False)
    return figure


def schedules() -> "Figure":
    """Total noise and the share masked, over time."""
    figure, left, right = panels("total noise", "share masked, m(t)")
    # Closest at both ends, where the curves are steepest.
    t = torch.sin(torch.linspace(0, math.pi / 2, 301, dtype=torch.float64)) ** 2
    for name, noise in SCHEDULES.items():
        sigma = noise.total(t)
        left.plot(t, sigma, label=name)
        right.plot(t, mask_probability(sigma), label=name)
    left.set(xlabel="t", xlim=(0, 1), yscale="log", ylim=(5e-5, 40))
    right.set(xlabel="t", xlim=(0, 1), ylim=(0, 1))
    left.legend(frameon=False, fontsize=9)
    return figure


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, draw in (("theory-entropy.svg", entropy), ("theory-schedules.svg", schedules)):
        path = folder / name
        format = require_plot(path)
        path.write_bytes(picture_of(draw(), format))


if __name__ == "__main__":
    main()
