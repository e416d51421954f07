"""Options shared by the commands of `sedd eval`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.names import Format, Remainder, Separator, Split

DATA, MEASURING = "Data", "Measuring"
_data = partial(typer.Option, rich_help_panel=DATA)
_measuring = partial(typer.Option, rich_help_panel=MEASURING)
_output = partial(typer.Option, rich_help_panel=options.OUTPUT, readable=False)

DATA_SETS = "wikitext2, wikitext103, ptb, lambada or lm1b (from the hub), or a text file."

Data = Annotated[list[str], _data(metavar="NAME|FILE", help=f"{DATA_SETS} Repeats.")]
FormatChoice = Annotated[Format | None, _data("--format", help="Format of FILE. Default: text.")]
SplitChoice = Annotated[Split | None, _data("--split", help="Split of a named data set. Default: test.")]
TextKey = Annotated[str | None, _data("--text-key", help="Key of the text in JSON objects, in a FILE of format text.")]
Detokenise = Annotated[bool, _data("--detokenise/--no-detokenise", help="Undo the data set's tokenised spacing.")]
SeparatorChoice = Annotated[Separator, _data("--separator", help="Token after each document.")]
BlockLength = Annotated[int | None, _data("--length", help="Tokens of a block; the checkpoint's by default.")]
RemainderChoice = Annotated[Remainder, _data("--remainder", help="Treatment of the last, incomplete block.")]
MaxBlocks = Annotated[int | None, _data("--blocks", help="Use only the first N blocks.")]
FormChoice = Annotated[
    Estimator | None,
    _measuring(
        "--form", help="Bounds: ao, lambda (absorbing), elbo (uniform). dwdse: the paper's figure. Default: ao or elbo."
    ),
]
Replicates = Annotated[int, _measuring(help="Independent estimates; their spread is the error.")]
UntilError = Annotated[
    float | None,
    _measuring(metavar="NATS", help="Add replicates until the standard error is at most this, in nats a token."),
]
Seed = Annotated[int, _measuring(help="Random seed.")]
Report = Annotated[Path | None, _output(help="Write a report in Markdown.")]
Plot = Annotated[Path | None, _output(help="Write a plot: FILE.png or FILE.svg.")]
