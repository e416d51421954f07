"""`sedd infill`: parts of a document written anew, in the light of what stands before and after them."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.atomic import STDOUT
from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing
from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.infill_files import distinct_files, fill_each
from sedd_cli.cli.infill_output import check_in_place, diff_of, show_text, write_in_place
from sedd_cli.cli.infill_run import Filled, Task, begin, finish, summarise
from sedd_cli.cli.output import Output, as_json, check_outputs
from sedd_cli.cli.preview import document_frame, preview
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.generation.infill_record import as_record
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.text.document import Document, read_document
from sedd_cli.text.in_place import check_writable

GAPS = "Gaps"


@options.takes_sampling_options("infill", first=("num_samples", "steps", "seed", "row", "length"))
def infill(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="The document; - is stdin. Several need --in-place.", show_default=False),
    ],
    *,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPAN",
            help="A span to rewrite, as a Python slice: 10:40, :40, -20:. Repeatable.",
            rich_help_panel=GAPS,
            show_default=False,
        ),
    ] = None,
    unit: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What --mask counts: chars, words, lines (whose endings stay) or tokens.",
            rich_help_panel=GAPS,
        ),
    ] = "chars",
    regex: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Rewrite what this pattern matches.", rich_help_panel=GAPS, show_default=False
        ),
    ] = None,
    marker: Annotated[
        tuple[str, str],
        typer.Option(
            metavar="OPEN CLOSE",
            help="Without --mask and --regex, gaps are [[...]], [[12]] and [[5-20]] (tokens): change the brackets.",
            rich_help_panel=GAPS,
            show_default=False,
        ),
    ] = ("[[", "]]"),
    tokens: Annotated[
        str | None,
        typer.Option(
            metavar="N|LO-HI|auto",
            help="How many to write in each gap. Default: as many as stood there.",
            rich_help_panel=GAPS,
            show_default=False,
        ),
    ] = None,
    whole_words: Annotated[
        bool,
        typer.Option("--whole-words", help="Widen --mask and --regex to the words they cut.", rich_help_panel=GAPS),
    ] = False,
    one_line: Annotated[
        bool | None,
        typer.Option(
            "--one-line/--no-one-line",
            help="Write no line end. Default: in a line of --unit lines, a list item, and within one of .csv, .srt ...",
            rich_help_panel=GAPS,
            show_default=False,
        ),
    ] = None,
    sampling: SamplingOptions,
    given: frozenset[str] = frozenset(),
    exact: options.Exact = False,
    output: options.OutputFile = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "-i", "--in-place", help="Write to FILE itself; FILE~ keeps what it was.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what changed, as a unified diff.", rich_help_panel=options.OUTPUT)
    ] = False,
    json: options.Json = False,
    trace: options.Trace = None,
    live: options.Live = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Rewrite parts of a document; outside them not one byte changes.

    The document goes to stdout and nothing else does. Several candidates (-n) are ranked by how likely what they
    wrote is, given the rest; those that say words twice in a row, or write what stood there, come last. Where a gap is
    filled with what stood there, or a candidate writes what one before it wrote, its last token is drawn again, but
    with --exact.

    For example: sedd infill story.txt --unit words --mask 20:24 --diff

    Several documents need --in-place, --json or --diff. One that fails does not stop the others:
    sedd infill *.md --regex "TODO.*" --tokens 1-32 --in-place
    """
    terminal = Terminal(quiet=quiet, color=color, live=live)
    task = Task(
        asked=AskedGaps(
            spans=mask or [],
            unit=unit,
            pattern=regex,
            brackets=marker,
            tokens=tokens,
            whole_words=whole_words,
            one_line=one_line,
        ),
        sampling=sampling,
        given=None if exact else given,
        model=model,
        device=device,
        dtype=dtype,
        in_place=in_place,
        json=json,
        diff=diff,
        color=color,
    )
    if in_place and output is not None:
        raise UsageError("-o and --in-place are two places for one document", "Leave one of them out.")
    if json and diff:
        raise UsageError("--json and --diff both go to stdout", "Leave one of them out.")
    several = distinct_files(files)
    if len(several) > 1:
        fill_each(several, task, output, trace, terminal)
    else:
        _fill_one(several[0], task, output, trace, terminal)


def _fill_one(file: str, task: Task, output: Path | None, trace: Path | None, terminal: Terminal) -> None:
    """Fill a single document. Raises `typer.Exit` if interrupted."""
    if task.in_place:
        check_in_place(file)
    document = read_document(file)
    document_to = {} if not task.prints else {"the document": STDOUT} if output is None else {"-o": output}
    inputs = [] if document.path is None else [document.path]
    check_outputs({**document_to, "--trace": trace}, inputs, "Use --in-place, which keeps what it was.")
    with ExitStack() as stack:
        if task.in_place:
            check_writable(document)
        out = stack.enter_context(Output(output)) if task.prints else None
        fetch_if_missing(task.model, terminal)
        with preview(lambda: document_frame(task.model, task.sampling, document, task.asked), terminal) as view:
            from sedd_cli.cli.watch import run_job
            from sedd_cli.generation.trace import TraceWriter

            prepared = task.prepare(terminal)
            started = time.monotonic()
            infilling = begin(prepared, document, task.asked, terminal)
            writer = TraceWriter(trace, infilling) if trace else None
            if writer:
                stack.callback(writer.discard)
            finished = run_job(infilling, terminal, writer, view)
        filled = finish(infilling, finished, started, with_nats=task.json)
        # Whatever cannot be written, the trace is, and the seed is told, by which the rest can be had again.
        with ExitStack() as last:
            last.callback(summarise, filled, terminal)
            if writer:
                last.callback(writer.close)
            if not filled.finished and task.in_place:
                terminal.info(f"stopped: {file} was left as it is")
            _write(filled, document, task, out, terminal)
    if not filled.finished:
        raise typer.Exit(130)


def _write(filled: Filled, document: Document, task: Task, out: Output | None, terminal: Terminal) -> None:
    """Write what is done of a document to where it goes."""
    if not filled.finished and out is not None:
        out.save_partial(terminal)
    if not filled.fillings:
        return
    if out is not None and task.json:
        out.write(as_json(as_record(filled.infilling, filled.fillings, filled.nats)))
    elif out is not None and task.diff:
        out.show(diff_of(filled, document), task.color, wrap=True)
    elif out is not None:
        show_text(filled.fillings[0], out, task.color)
    if filled.finished and task.in_place:
        write_in_place(filled.fillings[0].text, document, printed=out is not None, terminal=terminal)
