"""`sedd eval`: measure a checkpoint; every result states its settings."""

import typer

from sedd_cli.cli.eval.compare import compare
from sedd_cli.cli.eval.perplexity import perplexity
from sedd_cli.cli.eval.samples import samples

evaluate = typer.Typer(
    help="Measure a checkpoint: likelihood of data sets, quality of samples, one against another.", no_args_is_help=True
)
evaluate.command()(perplexity)
evaluate.command()(samples)
evaluate.command()(compare)
