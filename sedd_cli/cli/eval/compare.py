"""`sedd eval compare`: two checkpoints on the same data and the same noise."""

import time
from contextlib import ExitStack
from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import load
from sedd_cli.cli.eval import options as shared
from sedd_cli.cli.eval.files import Files
from sedd_cli.cli.eval.likelihood import BlockOptions, block_length, run_evaluation, warn_of_length
from sedd_cli.cli.output import as_json
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=options.CHECKPOINT)],
    b: Annotated[str, typer.Argument(metavar="B", help=options.CHECKPOINT)],
    data: Annotated[str, typer.Option(metavar="NAME|FILE", help=shared.DATA_SETS, rich_help_panel=shared.DATA)],
    format: shared.FormatChoice = None,
    split: shared.SplitChoice = None,
    text_key: shared.TextKey = None,
    detokenise: shared.Detokenise = True,
    separator: shared.SeparatorChoice = "end-of-text",
    length: shared.BlockLength = None,
    remainder: shared.RemainderChoice = "drop",
    blocks: shared.MaxBlocks = None,
    form: shared.FormChoice = None,
    replicates: shared.Replicates = 8,
    until_error: shared.UntilError = None,
    seed: shared.Seed = 0,
    output: options.OutputFile = None,
    json: options.Json = False,
    report: shared.Report = None,
    plot: shared.Plot = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    dtype_b: Annotated[
        str | None,
        typer.Option("--dtype-b", metavar="NAME", help="Precision of B, if not A's.", rich_help_panel=options.MACHINE),
    ] = None,
    batch_size: options.BatchSize = None,
) -> None:
    """Compare two checkpoints on the same blocks and the same noise.

    The difference is nats of B minus nats of A: above 0, the data are likelier under A. --until-error limits its error.

    For example: sedd eval compare tinystories runs/mine --data validation.txt
    """
    terminal = Terminal(quiet=quiet, color=color)
    block_options = BlockOptions(format, split, detokenise, separator, length, remainder, blocks, text_key)
    with ExitStack() as stack:
        files = Files(stack, output, report, plot, [data])
        from sedd_cli.evaluation.comparison import Comparison, unambiguous_names
        from sedd_cli.evaluation.likelihood_report import Result, model_of
        from sedd_cli.evaluation.likelihoods import LikelihoodEvaluation, LikelihoodRequest
        from sedd_cli.evaluation.plots import plot_bands

        request = LikelihoodRequest(
            estimator=form, replicates=replicates, until_error=until_error, seed=seed, batch_size=batch_size
        )
        dataset = block_options.read(data, terminal)
        pair = (
            load(a, device, dtype, terminal, identified=True),
            load(b, device, dtype_b or dtype, terminal, identified=True),
        )
        tokens_per_block = block_length(pair, length)
        for checkpoint in pair:
            warn_of_length(checkpoint, tokens_per_block, terminal)
        ours, theirs = (block_options.blocks_of(dataset, checkpoint, tokens_per_block) for checkpoint in pair)
        if not ours.same_tokens(theirs):
            raise UsageError(
                f"{pair[0].name} and {pair[1].name} have different tokenizers, so they cannot share noise",
                "Compare their bits per byte from sedd eval perplexity.",
            )
        evaluation = LikelihoodEvaluation(pair, ours, request)
        started = time.monotonic()
        finished = run_evaluation(evaluation, dataset.name, terminal)
        if not evaluation.results():
            terminal.info("stopped before the first result")
            raise typer.Exit(130)
        first, second = (
            Result(name, found, model_of(checkpoint, found.estimator))
            for name, found, checkpoint in zip(unambiguous_names(*pair), evaluation.results(), pair, strict=True)
        )
        comparison = Comparison(first, second, block_options.settings(dataset, evaluation))
        if not finished:
            files.save_partial(terminal)
        files.write(
            as_json(comparison.as_json()) if json else comparison.as_lines(),
            lambda: comparison.as_markdown(files.picture_beside_report),
            lambda format: plot_bands(comparison.curves(), comparison.noise_axis, format),
        )
        terminal.info(f"{time.monotonic() - started:.1f} s")
    if not finished:
        raise typer.Exit(130)
