"""`sedd eval perplexity`: likelihood of data sets under a checkpoint, by the papers' protocol."""

import time
from contextlib import ExitStack

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import load
from sedd_cli.cli.eval import likelihood as steps
from sedd_cli.cli.eval import options as shared
from sedd_cli.cli.eval.files import Files
from sedd_cli.cli.output import as_json
from sedd_cli.cli.terminal import Terminal


def perplexity(
    data: shared.Data,
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
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
) -> None:
    """Measure the likelihood of data sets, by the papers' protocol.

    The figures are nats, bits per byte and perplexity, with their errors. By default texts are detokenised, with
    end-of-text between documents, and cut into blocks of the checkpoint's length that do not overlap; the remainder is
    dropped. Every choice is printed with the result. Ctrl-C reports the result so far.

    For example: sedd eval perplexity --data wikitext2 --until-error 0.01
    """
    terminal = Terminal(quiet=quiet, color=color)
    block_options = steps.BlockOptions(format, split, detokenise, separator, length, remainder, blocks, text_key)
    with ExitStack() as stack:
        files = Files(stack, output, report, plot, data)
        from sedd_cli.evaluation import likelihood_report as reports
        from sedd_cli.evaluation.likelihoods import LikelihoodEvaluation, LikelihoodRequest
        from sedd_cli.evaluation.plots import plot_bands

        request = LikelihoodRequest(
            estimator=form, replicates=replicates, until_error=until_error, seed=seed, batch_size=batch_size
        )
        datasets = [block_options.read(what, terminal) for what in data]
        names = steps.names_of(data, datasets)
        checkpoint = load(model, device, dtype, terminal, identified=True)
        in_float32 = None if checkpoint.precision == "float32" else load(model, device, "float32", terminal)
        tokens_per_block = steps.block_length([checkpoint], length)
        steps.warn_of_length(checkpoint, tokens_per_block, terminal)
        evaluations = [
            LikelihoodEvaluation([checkpoint], block_options.blocks_of(dataset, checkpoint, tokens_per_block), request)
            for dataset in datasets
        ]
        started, finished, results = time.monotonic(), True, []
        for name, dataset, evaluation in zip(names, datasets, evaluations, strict=True):
            # First, so that interrupting it loses no results.
            fidelity = (
                None if in_float32 is None else steps.compare_with_float32(in_float32, checkpoint, evaluation, terminal)
            )
            finished = (in_float32 is None or fidelity is not None) and steps.run_evaluation(evaluation, name, terminal)
            if found := evaluation.results():
                settings = block_options.settings(dataset, evaluation)
                described = reports.model_of(checkpoint, found[0].estimator)
                results.append(reports.Result(name, found[0], described, settings, fidelity))
            if not finished:
                break
        if not results:
            terminal.info("stopped before the first result")
            raise typer.Exit(130)
        records = [result.as_json() for result in results]
        curves = {result.name: result.likelihood.curve() for result in results}
        if not finished:
            files.save_partial(terminal)
        files.write(
            as_json(records[0] if len(datasets) == 1 else {"complete": finished, "results": records})
            if json
            else "\n".join(result.as_lines() for result in results),
            lambda: reports.as_markdown(
                f"How likely {checkpoint.name} finds text", results, files.picture_beside_report
            ),
            lambda format: plot_bands(curves, reports.noise_axis(results[0].likelihood.estimator), format),
        )
        terminal.info(f"{time.monotonic() - started:.1f} s, {checkpoint.name}")
    if not finished:
        raise typer.Exit(130)
