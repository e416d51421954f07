"""Options shared by the commands of `sedd eval`."""

from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import typer

from sedd_cli.cli import options
from sedd_cli.cli.output import file_or_stdout
from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.names import Format, Remainder, Separator, Split

DATA, MEASURING = "Data", "Measuring"
_data = partial(typer.Option, rich_help_panel=DATA)
_measuring = partial(typer.Option, rich_help_panel=MEASURING)
_output = partial(typer.Option, metavar="FILE", parser=file_or_stdout, rich_help_panel=options.OUTPUT)

DATA_SETS = "wikitext2, wikitext103, ptb, lambada or lm1b (from the hub), or a text file."

Data = Annotated[list[str], _data(metavar="NAME|FILE", help=f"{DATA_SETS} Repeats.")]
FormatChoice = Annotated[
    Format | None,
    _data("--format", metavar="NAME", help=f"Format of FILE: {', '.join(get_args(Format))}. Default: text."),
]
SplitChoice = Annotated[
    Split | None,
    _data("--split", metavar="NAME", help=f"Split of a named data set: {', '.join(get_args(Split))}. Default: test."),
]
TextKey = Annotated[
    str | None, _data("--text-key", metavar="NAME", help="Key of the text in JSON objects, in a FILE of format text.")
]
Detokenise = Annotated[bool, _data("--detokenise/--no-detokenise", help="Undo the data set's tokenised spacing.")]
SeparatorChoice = Annotated[
    Separator,
    _data("--separator", metavar="NAME", help=f"What follows each document: {' or '.join(get_args(Separator))}."),
]
BlockLength = Annotated[
    int | None, _data("--length", metavar="N", help="Tokens of a block; the checkpoint's by default.")
]
RemainderChoice = Annotated[
    Remainder,
    _data("--remainder", metavar="NAME", help=f"The last, incomplete block: {' or '.join(get_args(Remainder))}."),
]
MaxBlocks = Annotated[int | None, _data("--blocks", metavar="N", help="Use only the first N blocks.")]
FormChoice = Annotated[
    Estimator | None,
    _measuring(
        "--form",
        metavar="NAME",
        help="Bounds: ao, lambda (absorbing), elbo (uniform). dwdse: the paper's figure. Default: ao or elbo.",
    ),
]
Replicates = Annotated[int, _measuring(metavar="N", help="Independent estimates; their spread is the error.")]
UntilError = Annotated[
    float | None,
    _measuring(metavar="NATS", help="Add replicates until the standard error is at most this, in nats a token."),
]
Seed = Annotated[int, _measuring(metavar="N", help="Random seed.")]
Report = Annotated[Path | None, _output(help="Write a report in Markdown.")]
Plot = Annotated[Path | None, _output(help="Write a plot: FILE.png or FILE.svg.")]
