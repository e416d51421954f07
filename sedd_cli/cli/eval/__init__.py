"""`sedd eval`: measure a checkpoint; every result states its settings."""

import typer

from sedd_cli.cli.eval.compare import compare
from sedd_cli.cli.eval.infill import infill
from sedd_cli.cli.eval.perplexity import perplexity
from sedd_cli.cli.eval.samples import samples
from sedd_cli.cli.help import Command, Group

evaluate = typer.Typer(
    help="Measure a checkpoint: likelihoods, samples, infilling, comparisons.", no_args_is_help=True, cls=Group
)
for function in (perplexity, samples, infill, compare):
    evaluate.command(cls=Command)(function)
