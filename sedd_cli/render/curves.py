"""The curves of a training run, drawn from its `metrics.jsonl`. Needs the extra `plot`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedd_cli.errors import NotLoadableError
from sedd_cli.evaluation.plots import picture_of
from sedd_cli.text.encodings import without_bom

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]
LOSS_COLOR, BOUND_COLOR = "#2a6f97", "#c8553d"


def plot_run(run: Path, format: str) -> bytes:
    """A picture of a run against its steps: a panel for the loss of each objective, and one for the validation bound.

    They are different quantities, even where both are nats. Raises `NotLoadableError` if the run has no metrics.
    """
    records = _read(run)
    losses = [record for record in records if record["kind"] == "train"]
    bounds = [record for record in records if record["kind"] == "validation"]
    by_objective = {name: [r for r in losses if r["objective"] == name] for name in _names(losses)}
    from matplotlib.figure import Figure

    panels = len(by_objective) + bool(bounds)
    figure = Figure(figsize=(8, 0.8 + 2.4 * panels), layout="constrained")
    axes: list[Axes] = list(figure.subplots(panels, sharex=True, squeeze=False)[:, 0])
    # A name may hold a dollar sign, which is no formula here.
    figure.suptitle(run.resolve().name, x=0.01, ha="left", parse_math=False)
    for panel, (name, of_it) in zip(axes, by_objective.items(), strict=False):
        _draw_loss(panel, name, of_it)
    if bounds:
        _draw_bound(axes[-1], bounds)
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("step")
    return picture_of(figure, format)


def _read(run: Path) -> list[Record]:
    hint = "Give the folder of a run, as -o named it."
    try:
        lines = without_bom((run / "metrics.jsonl").read_bytes()).splitlines()
        records: list[Record] = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise NotLoadableError(f"there are no metrics in {run}", hint) from error
    if not records:
        raise NotLoadableError(f"the metrics of {run} are empty: it has made no step yet", hint)
    return records


def _names(losses: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record["objective"] for record in losses))


def _draw_loss(axes: "Axes", objective: str, records: Sequence[Record]) -> None:
    axes.plot([r["step"] for r in records], [r["smoothed"] for r in records], color=LOSS_COLOR)
    axes.set_title(f"Training loss, objective {objective} (smoothed)", loc="left", fontsize=10)
    axes.set_ylabel("training loss")


def _draw_bound(axes: "Axes", records: Sequence[Record]) -> None:
    axes.errorbar(
        [r["step"] for r in records],
        [r["nats_per_token"] for r in records],
        yerr=[2 * r["standard_error"] for r in records],
        fmt="o-",
        markersize=4,
        capsize=3,
        color=BOUND_COLOR,
    )
    axes.set_title("Validation bound of the averaged weights (± 2 standard errors)", loc="left", fontsize=10)
    axes.set_ylabel("bound, nats a token")
