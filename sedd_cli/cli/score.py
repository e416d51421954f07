"""`sedd score`: the likelihood of a document under a checkpoint."""

import io
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import load
from sedd_cli.cli.output import Output, as_json, check_outputs
from sedd_cli.cli.terminal import Color, Terminal
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.document import read_document

if TYPE_CHECKING:
    from rich.console import Console

    from sedd_cli.evaluation.score import Score, ScoreEvaluation

SCORING = "Scoring"
MEANING = {
    "ao": "the bound over all orders of writing: the true figures are at most these",
    "elbo": "the evidence bound: the true figures are at most these",
    "d3pm": "the bound of the checkpoint's own chain: the true figures are at most these",
    "left-to-right": "exact for this order",
    "autoregressive": "exact",
}
LONG_SECONDS = 10
"""Remaining seconds above which an estimate of them is reported."""


def score(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The document; - is stdin.", show_default=False)],
    order: Annotated[
        Literal["any", "left-to-right"],
        typer.Option(
            metavar="NAME", help="any: a bound over all orders. left-to-right: exact.", rich_help_panel=SCORING
        ),
    ] = "any",
    context: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Text before it, which is given and not scored.",
            rich_help_panel=SCORING,
            show_default=False,
        ),
    ] = "",
    pseudo: Annotated[
        bool,
        typer.Option("--pseudo", help="Each token given all others, as well.", rich_help_panel=SCORING),
    ] = False,
    until_error: Annotated[
        float | None,
        typer.Option(
            metavar="NATS",
            help="Add replicates until the standard error is at most this, in nats a token.",
            rich_help_panel=SCORING,
            show_default=False,
        ),
    ] = None,
    replicates: Annotated[
        int,
        typer.Option(metavar="N", help="Independent estimates; their spread is the error.", rich_help_panel=SCORING),
    ] = 8,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Tokens of a window; the checkpoint's by default.",
            rich_help_panel=SCORING,
            show_default=False,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Tokens that a window shares with the one before; half by default.",
            rich_help_panel=SCORING,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Same seed, same figures.", rich_help_panel=SCORING)] = 0,
    output: options.OutputFile = None,
    json: options.Json = False,
    heat: Annotated[
        bool | None,
        typer.Option(
            "--heat/--no-heat",
            help="Show the text, each token coloured by its nats. Default: if stdout is a terminal with colours.",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    color: Annotated[
        Color,
        typer.Option(
            metavar="WHEN",
            help="Colour of the heat, and on stderr: auto, always or never.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
) -> None:
    """Measure how likely a document is, and each of its tokens.

    The figure is a bound on the document's -log p, in nats and bits. Ctrl-C reports the bound so far.

    For example: sedd score story.txt --until-error 0.01
    """
    terminal = Terminal(quiet=quiet, color=color)
    if json and heat:
        raise UsageError("--json and --heat cannot both be printed", "JSON contains the nats of each token.")
    document = read_document(file, unpack=True)
    check_outputs({"-o": output}, [file])
    with Output(output) as out:
        from sedd_cli.evaluation.score import ScoreEvaluation, ScoreRequest

        request = ScoreRequest(
            order=order,
            context=context,
            pseudo=pseudo,
            replicates=replicates,
            seed=seed,
            until_error=until_error,
            length=length,
            overlap=overlap,
            batch_size=batch_size,
        )
        evaluation = ScoreEvaluation(load(model, device, dtype, terminal, identified=json), document.text, request)
        if not quiet:
            _report(evaluation, terminal)
        started = time.monotonic()
        result, finished = _run(evaluation, terminal)
        if result is None:
            terminal.info("stopped before the first result")
            raise typer.Exit(130)
        if not finished:
            out.save_partial(terminal)
        if json:
            out.write(_as_json(evaluation, result, finished))
        else:
            console = _console(heat, color, aside=not out.to_stdout)
            shown = None if console is None else (console, _pieces(evaluation, result))
            _print(out, evaluation, result, shown)
        if not finished:
            terminal.info("stopped early: the figures are partial")
        _conclude(evaluation, result, time.monotonic() - started, terminal)
    if not finished:
        raise typer.Exit(130)


def _report(evaluation: "ScoreEvaluation", terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import length_warning

    checkpoint, windows = evaluation.checkpoint, evaluation.windows
    terminal.warn_each(length_warning(checkpoint, "windows", windows.length, "the figures may be poor"))
    cut = f" in {len(windows)} windows of {windows.length}" if len(windows) > 1 else ""
    at_least = "at least " if evaluation.request.until_error and evaluation.goal else ""
    calls = counted(evaluation.calls_needed, "network call")
    terminal.info(f"{counted(len(evaluation.ids), 'token')}{cut}, {at_least}{calls}")
    if evaluation.num_left_out:
        terminal.info(f"of the context the last {counted(len(evaluation.given), 'token')} are given")
    if cut:
        terminal.info(
            f"each window but the first shares at least {counted(windows.overlap, 'token')} with the one before"
        )


def _run(evaluation: "ScoreEvaluation", terminal: Terminal) -> "tuple[Score | None, bool]":
    """Returns the last score, or None, and whether the evaluation is complete."""
    from sedd_cli.render.labels import duration

    result: Score | None = None
    started, announced_goal = time.monotonic(), 0
    try:
        with terminal.progress() as count:
            for result in evaluation.rounds():
                count("replicates", result.replicates, evaluation.goal)
                if evaluation.goal > announced_goal:
                    announced_goal = evaluation.goal
                    left = (time.monotonic() - started) * (announced_goal / result.replicates - 1)
                    if left > LONG_SECONDS:
                        terminal.info(
                            f"{counted(announced_goal, 'replicate')}, about {duration(left)} left; "
                            "Ctrl-C reports the result so far"
                        )
    except KeyboardInterrupt:
        return result, False
    return result, True


def _conclude(evaluation: "ScoreEvaluation", result: "Score", seconds: float, terminal: Terminal) -> None:
    from sedd_cli.evaluation.invisible import invisible_note

    name = evaluation.checkpoint.name
    made = f"seed {evaluation.request.seed}, {counted(result.replicates, 'replicate')}, " if result.replicates else ""
    if terminal.enabled and (note := invisible_note(name, _pieces(evaluation, result), result.per_token.tolist())):
        terminal.warn(note)
    terminal.info(f"{made}{seconds:.1f} s, {name}")


def _figures(result: "Score") -> dict[str, float | int | str | None]:
    return {
        "nats": result.nats,
        "standard_error": result.standard_error,
        "form": result.form,
        "bits_per_byte": result.bits_per_byte,
        "perplexity": result.perplexity,
        "num_tokens": result.num_tokens,
        "num_bytes": result.num_bytes,
        "pseudo_nats": None if result.pseudo is None else float(result.pseudo.sum()),
    }


def _as_lines(result: "Score") -> str:
    """The figures as people read them: rounded by their error, with the meaning of the bound."""
    from sedd_cli.evaluation.verdict import with_error

    share = result.standard_error / result.nats if result.nats else 0.0
    figures = {
        "nats": with_error(result.nats, result.standard_error),
        "form": f"{result.form}, {MEANING[result.form]}",
        "bits_per_byte": with_error(result.bits_per_byte, result.bits_per_byte * share),
        "num_tokens": str(result.num_tokens),
        "num_bytes": str(result.num_bytes),
    }
    if result.pseudo is not None:
        figures["pseudo_nats"] = with_error(float(result.pseudo.sum()), 0.0)
    return "".join(f"{name:<15}{value}\n" for name, value in figures.items())


def _console(heat: bool | None, color: Color, *, aside: bool) -> "Console | None":
    """The console for the heat: the terminal on stdout; in memory (`aside`, or in a pipe); or None for no heat."""
    from rich.console import Console

    no_color = True if color == "never" else None
    if not aside and sys.stdout.isatty():
        console = Console(file=sys.stdout, no_color=no_color, highlight=False)
        coloured = console.color_system is not None and not console.no_color
        return console if heat or (heat is None and coloured) else None
    if not heat:
        return None
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="256",
        no_color=no_color,
        highlight=False,
        legacy_windows=False,
    )


def _pieces(evaluation: "ScoreEvaluation", result: "Score") -> list[str]:
    assert evaluation.checkpoint.tokenizer is not None
    return evaluation.checkpoint.tokenizer.decode_each(result.ids.tolist())


def _print(
    out: Output, evaluation: "ScoreEvaluation", result: "Score", shown: "tuple[Console, list[str]] | None"
) -> None:
    """A sentence, the heat, the figures. On a terminal the heat goes past `out`, which would make its colours inert."""
    from sedd_cli.evaluation.verdict import verdict

    sentence, figures = f"{verdict(result, evaluation.checkpoint)}\n", _as_lines(result)
    if shown is None:
        out.write(f"{sentence}\n{figures}")
        return
    console, pieces = shown
    if isinstance(console.file, io.StringIO):
        _draw(console, result, pieces)
        out.write(f"{sentence}{console.file.getvalue()}\n{figures}")
    else:
        out.write(sentence)
        _draw(console, result, pieces)
        out.write(f"\n{figures}")


def _draw(console: "Console", result: "Score", pieces: list[str]) -> None:
    from sedd_cli.render.heat import heat, legend

    title = "nats a token"
    if result.token_error:
        title = f"nats a token, each give or take {result.token_error:.2g}"
    blocks = [(title, result.per_token)]
    if result.pseudo is not None:
        blocks.append(("nats a token given all others", result.pseudo))
    for heading, nats in blocks:
        console.print()
        console.print(legend(heading))
        console.print(heat(pieces, nats.tolist()))


def _as_json(evaluation: "ScoreEvaluation", result: "Score", finished: bool) -> str:
    checkpoint, request = evaluation.checkpoint, evaluation.request
    pseudo = [None] * result.num_tokens if result.pseudo is None else result.pseudo.tolist()
    tokens = zip(result.ids.tolist(), _pieces(evaluation, result), result.per_token.tolist(), pseudo, strict=True)
    return as_json(
        {
            "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
            "settings": {
                "order": request.order,
                "context": request.context,
                "seed": request.seed,
                "until_error": request.until_error,
                "length": evaluation.windows.length,
            },
            **_figures(result),
            "token_error": result.token_error,
            "replicates": result.replicates,
            "complete": finished,
            "windows": result.windows,
            "overlap": result.overlap,
            "tokens": [
                {"id": id_, "text": text, "nats": nats, **({} if given is None else {"pseudo": given})}
                for id_, text, nats, given in tokens
            ],
        }
    )
