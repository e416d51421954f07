"""`sedd proof`: the words of a document that the network finds unlikely, and what it would write there."""

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing, load
from sedd_cli.cli.output import Output, as_json, check_outputs
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.document import Document, read_document

if TYPE_CHECKING:
    from sedd_cli.evaluation.proofreading import Finding, Proofreading

PROOFREADING = "Proofreading"


def proof(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The document; - is stdin.", show_default=False)],
    below: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Name words less likely than P, from 0 to 1: 0.001 is 0.1%.",
            rich_help_panel=PROOFREADING,
        ),
    ] = 0.001,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Name the N least likely words at most.",
            rich_help_panel=PROOFREADING,
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Tokens that are read around a word; the checkpoint's by default. Fewer are faster.",
            rich_help_panel=PROOFREADING,
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if a word is named.", rich_help_panel=PROOFREADING)
    ] = False,
    output: options.OutputFile = None,
    form: Annotated[
        Literal["list", "lines"] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="list: for people. lines: file:line:column: message, for editors. Default: list on a terminal.",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Print a unified diff that makes every suggestion.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    json: options.Json = False,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
) -> None:
    """Name the words of a document that are unlikely given all the rest, and what would stand there.

    Each word is read at the cost of a canvas for each of its tokens. Ctrl-C prints what is found so far.

    For example: sedd proof story.txt --below 0.001
    """
    terminal = Terminal(quiet=quiet, color=color)
    asked = [f"--format {form}"] * (form is not None) + ["--diff"] * diff + ["--json"] * json
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are different forms of the same findings", "Leave one of them out.")
    document = read_document(file, unpack=True)
    check_outputs({"-o": output}, [file])
    with Output(output) as out:
        fetch_if_missing(model, terminal)
        from sedd_cli.evaluation.proofreading import Proofreading, ProofRequest

        request = ProofRequest(below=below, limit=limit, length=length, batch_size=batch_size)
        proofreading = Proofreading(load(model, device, dtype, terminal, identified=json), document.text, request)
        _report(proofreading, terminal)
        started = time.monotonic()
        finished = _run(proofreading, terminal)
        findings = proofreading.findings()
        if not finished:
            out.save_partial(terminal)
        if json:
            out.write(_as_json(proofreading, document, findings, finished))
        elif diff:
            _print_diff(out, document, findings, color)
        elif form == "lines" or (form is None and not out.on_terminal):
            from sedd_cli.render.findings import editor_lines

            out.write(editor_lines(document.text, findings, document.name))
        else:
            from sedd_cli.render.findings import listed

            out.show(listed(document.text, findings), color, wrap=True)
        _summarise(proofreading, findings, finished, time.monotonic() - started, terminal)
    if not finished:
        raise typer.Exit(130)
    if check and findings:
        raise typer.Exit(1)


def _report(proofreading: "Proofreading", terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import length_warning, ood_warning

    checkpoint = proofreading.checkpoint
    terminal.warn_each(
        length_warning(checkpoint, "canvases", proofreading.length, "the figures may be poor"),
        ood_warning(checkpoint, "document", proofreading.text),
    )
    words, canvases = counted(len(proofreading.words), "word"), counted(proofreading.canvases_needed, "canvas")
    terminal.info(f"{words}, {canvases} through the network")
    if proofreading.num_skipped:
        terminal.info(f"{counted(proofreading.num_skipped, 'word')} of too many tokens passed over")


def _run(proofreading: "Proofreading", terminal: Terminal) -> bool:
    """Whether the proofreading came to its end."""
    try:
        with terminal.progress() as count:
            for done in proofreading.steps():
                count("words", done, len(proofreading.words))
    except KeyboardInterrupt:
        return False
    return True


def _print_diff(out: Output, document: Document, findings: "list[Finding]", color: options.ColorChoice) -> None:
    from sedd_cli.evaluation.proofreading import corrected
    from sedd_cli.render.diff import diff_parts

    text, changes = corrected(document.text, findings)
    out.show(diff_parts(document.text, text, changes, document.name), color, wrap=True)


def _summarise(
    proofreading: "Proofreading", findings: "list[Finding]", finished: bool, seconds: float, terminal: Terminal
) -> None:
    from sedd_cli.render.findings import percent

    read = counted(proofreading.done, "word")
    if not finished:
        terminal.info(f"stopped early: {read} of {len(proofreading.words):,} read")
    terminal.info(
        f"{len(findings):,} of {read} less likely than {percent(proofreading.request.below)}, {seconds:.1f} s, "
        f"{proofreading.checkpoint.name}"
    )


def _as_json(proofreading: "Proofreading", document: Document, findings: "list[Finding]", finished: bool) -> str:
    from sedd_cli.text.gaps import line_and_column
    from sedd_cli.text.offsets import in_utf8, in_utf16

    checkpoint, request, text = proofreading.checkpoint, proofreading.request, document.text
    words = [(finding.start, finding.end) for finding in findings]
    edits = [(finding.edit_start, finding.end) for finding in findings]
    units = zip(*(convert(text, spans) for spans in (words, edits) for convert in (in_utf8, in_utf16)), strict=True)
    return as_json(
        {
            "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
            "settings": {"below": request.below, "limit": request.limit, "length": proofreading.length},
            "file": document.name,
            "complete": finished,
            "words": proofreading.done,
            "passed_over": proofreading.num_skipped,
            "findings": [
                {
                    "line": line,
                    "column": column,
                    "start": finding.start,
                    "end": finding.end,
                    "utf8": utf8,
                    "utf16": utf16,
                    "word": finding.word,
                    "probability": finding.probability,
                    "suggestion": finding.suggestion,
                    "suggestion_probability": finding.suggestion_probability,
                    "edit": (finding.edit_start, finding.end),
                    "edit_utf8": edit_utf8,
                    "edit_utf16": edit_utf16,
                }
                for finding, (utf8, utf16, edit_utf8, edit_utf16) in zip(findings, units, strict=True)
                for line, column in [line_and_column(text, finding.start)]
            ],
        }
    )
