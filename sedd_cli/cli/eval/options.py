"""Options shared by the commands of `sedd eval`."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from sedd_cli.cli import options
from sedd_cli.cli.output import file_or_stdout
from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.names import Format, Remainder, Separator, Split

DATA, MEASURING = "Data", "Measuring"

Data = Annotated[
    list[str],
    typer.Option(
        metavar="NAME|FILE",
        help="wikitext2, wikitext103, ptb, lambada or lm1b (from the hub), or a text file. Repeats.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
FormatChoice = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help=f"Format of FILE: {', '.join(get_args(Format))}. Default: text.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
SplitChoice = Annotated[
    Split | None,
    typer.Option(
        "--split",
        metavar="NAME",
        help=f"Split of a named data set: {', '.join(get_args(Split))}. Default: test.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
Detokenise = Annotated[
    bool,
    typer.Option("--detokenise/--no-detokenise", help="Undo the data set's tokenised spacing.", rich_help_panel=DATA),
]
SeparatorChoice = Annotated[
    Separator,
    typer.Option(
        "--separator",
        metavar="NAME",
        help=f"What follows each document: {' or '.join(get_args(Separator))}.",
        rich_help_panel=DATA,
    ),
]
BlockLength = Annotated[
    int | None,
    typer.Option(
        "--length",
        metavar="N",
        help="Tokens of a block; the checkpoint's by default.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
RemainderChoice = Annotated[
    Remainder,
    typer.Option(
        "--remainder",
        metavar="NAME",
        help=f"What to do with the last, incomplete block: {' or '.join(get_args(Remainder))}.",
        rich_help_panel=DATA,
    ),
]
MaxBlocks = Annotated[
    int | None,
    typer.Option(
        "--blocks", metavar="N", help="Use only the first N blocks.", rich_help_panel=DATA, show_default=False
    ),
]
FormChoice = Annotated[
    Estimator | None,
    typer.Option(
        "--form",
        metavar="NAME",
        help="Bounds: ao, lambda (absorbing), elbo (uniform). dwdse: the paper's figure. Default: ao or elbo.",
        rich_help_panel=MEASURING,
        show_default=False,
    ),
]
Replicates = Annotated[
    int, typer.Option(metavar="N", help="Independent estimates; their spread is the error.", rich_help_panel=MEASURING)
]
UntilError = Annotated[
    float | None,
    typer.Option(
        metavar="NATS",
        help="Add replicates until the standard error is at most this, in nats a token.",
        rich_help_panel=MEASURING,
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Random seed.", rich_help_panel=MEASURING)]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=file_or_stdout,
        help="Write a report in Markdown.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=file_or_stdout,
        help="Write a plot: FILE.png or FILE.svg.",
        rich_help_panel=options.OUTPUT,
        show_default=False,
    ),
]
