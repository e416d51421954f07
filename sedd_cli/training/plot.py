"""The curves of a run, drawn from its `metrics.jsonl`. Needs the extra `plot`."""

import json
from io import BytesIO
from pathlib import Path

from sedd_cli.atomic import write_file
from sedd_cli.errors import NotLoadableError, SeddError


def plot_run(run: Path) -> Path:
    """Draw loss and validation bound against step into `run`/curves.svg. Returns that path.

    Raises `NotLoadableError` if the run has no metrics, `SeddError` if matplotlib is not installed.
    """
    try:
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]
    except (OSError, ValueError) as error:
        raise NotLoadableError(f"there are no metrics in {run}", "Give the folder of a run, as -o named it.") from error
    try:
        import matplotlib
    except ImportError as error:
        raise SeddError("plots need matplotlib", "Install sedd-cli[plot].") from error
    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for objective in dict.fromkeys(r["objective"] for r in records if r["kind"] == "train"):
        of_it = [r for r in records if r["kind"] == "train" and r["objective"] == objective]
        axes.plot([r["step"] for r in of_it], [r["smoothed"] for r in of_it], label=f"{objective}, smoothed")
    bounds = [r for r in records if r["kind"] == "validation"]
    if bounds:
        axes.errorbar(
            [r["step"] for r in bounds],
            [r["nats_per_token"] for r in bounds],
            yerr=[2 * r["standard_error"] for r in bounds],
            fmt="o",
            label="validation bound (two standard errors)",
        )
    axes.set(xlabel="step", ylabel="nats a token", title=run.resolve().name)
    axes.legend()
    target = run / "curves.svg"
    picture = BytesIO()
    figure.savefig(picture, format="svg")
    write_file(target, picture.getvalue())
    pyplot.close(figure)
    return target
