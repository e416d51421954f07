"""`sedd plot`: the curves of a training run."""

from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.output import file_or_stdout
from sedd_cli.cli.terminal import Terminal


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run of sedd train.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=file_or_stdout,
            help="FILE.png or FILE.svg; - is stdout. Default: RUN/curves.svg.",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Draw the curves of a training run: losses and validation bound.

    Each objective's loss has a panel of its own, and so has the bound: they are different quantities.

    For example: sedd plot runs/mine
    """
    from sedd_cli.atomic import write_file
    from sedd_cli.evaluation.plots import require_plot
    from sedd_cli.render.curves import plot_run

    target = run / "curves.svg" if output is None else output
    format = require_plot(target)
    write_file(target, plot_run(run, format))
    Terminal(quiet=quiet, color=color).info(f"drawn: {target}")
