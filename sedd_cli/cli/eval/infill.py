"""`sedd eval infill`: how near fillings come to spans that were cut out of documents."""

import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import load
from sedd_cli.cli.eval import options as shared
from sedd_cli.cli.eval.files import Files
from sedd_cli.cli.output import as_json
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.names import SpanKind
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    from sedd_cli.evaluation.infill import GapLength, InfillEvaluation


@options.takes_sampling_options(
    "eval infill", first=("data", "spans", "lengths", "words", "until_error", "nats", "num_samples", "seed")
)
def infill(
    *,
    data: Annotated[
        list[str],
        typer.Option(
            metavar="FILE|FOLDER|NAME",
            help="Documents: prose, Markdown, code. Tasks: humaneval-single-line, -multi-line, -random-span. Repeats.",
            rich_help_panel=shared.DATA,
            show_default=False,
        ),
    ],
    spans: Annotated[
        str,
        typer.Option(
            metavar="KIND,...",
            help=f"What is cut out. Default: all of {', '.join(get_args(SpanKind))}.",
            rich_help_panel=shared.DATA,
            show_default=False,
        ),
    ] = ",".join(get_args(SpanKind)),
    lengths: Annotated[
        str,
        typer.Option(
            metavar="LENGTH,...",
            help="Tokens to fill it with: true, auto, auto-neighbours, exhaustive (slow), or a number.",
            rich_help_panel=shared.MEASURING,
        ),
    ] = "true,auto",
    words: Annotated[
        str,
        typer.Option(
            metavar="LO-HI", help="Least and most words of the spans `words`.", rich_help_panel=shared.MEASURING
        ),
    ] = "2-8",
    until_error: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Add gaps until the standard error of every row's token F1 is at most this.",
            rich_help_panel=shared.MEASURING,
        ),
    ] = None,
    nats: Annotated[
        bool,
        typer.Option(
            "--nats/--no-nats", help="Estimate how likely texts are, which is slow.", rich_help_panel=shared.MEASURING
        ),
    ] = True,
    execute: Annotated[
        bool,
        typer.Option(
            "--execute",
            help="Run the tests of tasks on what is written: code of a network, in no sandbox.",
            rich_help_panel=shared.MEASURING,
        ),
    ] = False,
    sampling: SamplingOptions,
    output: options.OutputFile = None,
    json: options.Json = False,
    report: shared.Report = None,
    plot: shared.Plot = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Cut spans out of documents, fill them, and compare with what stood there.

    Exact match, token F1, edit similarity, likelihood and length; of Python also whether it still parses. A file is one
    document, or several with end-of-text lines between them; or tasks, as JSON lines of openai/human-eval-infilling.
    Ctrl-C reports the figures so far, marked as partial.

    For example: sedd eval infill --data notes/ --spans word,sentence --lengths true,auto,8 -n 50
    """
    terminal = Terminal(quiet=quiet, color=color)
    with ExitStack() as stack:
        files = Files(stack, output, report, plot, data)
        from sedd_cli.evaluation.infill import InfillEvaluation, InfillRequest
        from sedd_cli.evaluation.infill_data import read_sources
        from sedd_cli.evaluation.infill_tasks import read_tasks
        from sedd_cli.generation.request import Request

        request = InfillRequest(
            sampling=Request(**asdict(sampling)),
            spans=tuple(_distinct(spans)),  # type: ignore[arg-type]  # refuses others
            lengths=tuple(map(_length, _distinct(lengths))),
            words=_words(words),
            num=sampling.num_samples,
            until_error=until_error,
            nats=nats,
            execute=execute,
        )
        found = {what: read_tasks(what, terminal.byte_progress) for what in data}
        documents = [what for what in data if found[what] is None]
        sources = read_sources(documents) if documents else []
        tasks = [each for each in found.values() if each is not None]
        evaluation = InfillEvaluation(load(model, device, dtype, terminal, identified=True), request, sources, tasks)
        _report(evaluation, terminal)
        started = time.monotonic()
        _run(evaluation, terminal)
        if not _write(files, evaluation, json, terminal):
            raise typer.Exit(130)
        terminal.info(f"{time.monotonic() - started:.1f} s, {evaluation.checkpoint.name}")
    if not evaluation.complete:
        raise typer.Exit(130)


def _distinct(names: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def _length(name: str) -> "GapLength":
    from sedd_cli.evaluation.infill import NamedLength

    if name in get_args(NamedLength):
        return name  # type: ignore[return-value]  # one of them
    try:
        return int(name)
    except ValueError:
        raise UsageError(f"{name!r} is no length", "Give --lengths like true,auto,8.") from None


def _words(text: str) -> tuple[int, int]:
    from sedd_cli.text.gaps import parse_length

    parsed = parse_length(text) if text != "auto" else None
    if parsed is None or isinstance(parsed, str):
        raise UsageError(f"{text!r} is not a number of words", "Give --words like 2-8.")
    return parsed if isinstance(parsed, tuple) else (parsed, parsed)


def _report(evaluation: "InfillEvaluation", terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import law_note, sampling_warnings

    terminal.warn_each(sampling_warnings(evaluation.checkpoint, "the rest of the document"))
    terminal.info_each(law_note(evaluation.request.sampling))
    counts = {"document": len(evaluation.sources), "task": len(evaluation.tasks)}
    read = [counted(count, noun) for noun, count in counts.items() if count]
    terminal.info(", ".join([*read, counted(evaluation.fillings_planned, "filling")]))


def _run(evaluation: "InfillEvaluation", terminal: Terminal) -> None:
    """Fill gaps, as far as one is let."""
    with suppress(KeyboardInterrupt), terminal.progress() as count:
        for done, label in enumerate(evaluation.run()):
            count(label, done, evaluation.fillings_planned)


def _write(files: Files, evaluation: "InfillEvaluation", json: bool, terminal: Terminal) -> bool:
    """Write what is done of it; False if that is nothing."""
    from sedd_cli.evaluation.card import as_markdown, as_text
    from sedd_cli.evaluation.infill_plot import plot_infill
    from sedd_cli.evaluation.infill_report import as_record, card, cells

    rows = evaluation.rows()
    if not rows:
        if evaluation.complete:
            raise UsageError("none of the documents holds a span of these kinds", "Give longer ones, or other --spans.")
        terminal.info("stopped before the first result")
        return False
    if not evaluation.complete:
        files.save_partial(terminal)
        terminal.info("stopped early: the figures are partial")
    table, facts = cells(rows), card(evaluation)
    files.write(
        as_json(as_record(evaluation)) if json else as_text(table, facts),
        lambda: as_markdown("Infilling", "Token F1 by kind of span", table, facts, files.picture_beside_report),
        lambda format: plot_infill(rows, format),
    )
    return True
