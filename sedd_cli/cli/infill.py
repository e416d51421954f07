"""`sedd infill`: parts of a document written anew, in the light of what stands before and after them."""

import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedd_cli.atomic import STDOUT
from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing, load, resolve_sampling
from sedd_cli.cli.gaps import AskedGaps
from sedd_cli.cli.output import Output, as_json, check_outputs
from sedd_cli.cli.preview import document_frame, preview
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.ranges import counted
from sedd_cli.text.document import Document, read_document
from sedd_cli.text.in_place import check_writable, save_with_backup

if TYPE_CHECKING:
    from collections.abc import Collection

    from sedd_cli.generation.infill import Filling, Infilling
    from sedd_cli.models.checkpoint import Checkpoint

GAPS = "Gaps"
MIN_WIDTH = 40
"""Minimum characters in which a candidate is shown."""


@options.takes_sampling_options("infill", first=("num_samples", "steps", "seed", "row", "length"))
def infill(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The document; - is stdin.", show_default=False)],
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
    wrote is, given the rest.

    For example: sedd infill story.txt --unit words --mask 3:8 --diff
    """
    terminal = Terminal(quiet=quiet, color=color, live=live)
    asked = AskedGaps(
        spans=mask or [],
        unit=unit,
        pattern=regex,
        brackets=marker,
        tokens=tokens,
        whole_words=whole_words,
        one_line=one_line,
    )
    if in_place and output is not None:
        raise UsageError("-o and --in-place are two places for one document", "Leave one of them out.")
    if json and diff:
        raise UsageError("--json and --diff both go to stdout", "Leave one of them out.")
    if in_place:
        _check_in_place(file)
    document = read_document(file)
    printed = not in_place or json or diff
    document_to = {} if not printed else {"the document": STDOUT} if output is None else {"-o": output}
    inputs = [] if document.path is None else [document.path]
    check_outputs({**document_to, "--trace": trace}, inputs, "Use --in-place, which keeps what it was.")
    with ExitStack() as stack:
        if in_place:
            check_writable(document)
        out = stack.enter_context(Output(output)) if printed else None
        fetch_if_missing(model, terminal)
        with preview(lambda: document_frame(model, sampling, document, asked), terminal) as view:
            from sedd_cli.cli.watch import report_steps, run_job
            from sedd_cli.generation.infill import ranked
            from sedd_cli.generation.trace import TraceWriter

            checkpoint = load(model, device, dtype, terminal, identified=json)
            sampling, taken = resolve_sampling(checkpoint, sampling, None if exact else given, terminal)
            started = time.monotonic()
            infilling = _infilling(checkpoint, sampling, document, asked, terminal)
            report_steps(infilling, sampling.steps, terminal)
            _report(infilling, taken, terminal)
            writer = TraceWriter(trace, infilling) if trace else None
            if writer:
                stack.callback(writer.discard)
            finished = run_job(infilling, terminal, writer, view)
        fillings = infilling.fillings()
        nats: dict[int, float] = {}
        try:
            fillings = ranked(fillings) if finished else fillings
            # They are computed when asked for: here, where that may be interrupted.
            nats = {filling.row: filling.nats for filling in fillings} if json and finished else {}
        except KeyboardInterrupt:
            finished = False
        # Whatever cannot be written, the trace is, and the seed is told, by which the rest can be had again.
        with ExitStack() as last:
            last.callback(_summarise, infilling, fillings, finished, time.monotonic() - started, terminal)
            if writer:
                last.callback(writer.close)
            if not finished and in_place:
                terminal.info(f"stopped: {file} was left as it is")
            if not finished and out is not None:
                out.save_partial(terminal)
            if fillings and out is not None:
                _print(out, infilling, fillings, document, nats, json=json, diff=diff, color=color)
            if fillings and finished and in_place:
                _write_in_place(fillings[0].text, document, printed=out is not None, terminal=terminal)
    if not finished:
        raise typer.Exit(130)


def _infilling(
    checkpoint: "Checkpoint", sampling: SamplingOptions, document: Document, asked: AskedGaps, terminal: Terminal
) -> "Infilling":
    """The gaps that are asked for, with their lengths. Warns of those that nothing is written in."""
    from sedd_cli.generation.infill import Infilling
    from sedd_cli.generation.request import Request
    from sedd_cli.text.gaps import check_gaps

    gaps = asked.of(document, checkpoint.tokenizer, terminal)
    for gap in check_gaps(gaps, len(document.text)):
        if gap.start == gap.end and gap.tokens is None:
            terminal.warn(f"nothing stands in the gap {gap.start}:{gap.end}: --tokens N would write there")
    if any(not isinstance(gap.tokens, int | None) for gap in gaps):
        terminal.info("comparing how many tokens fit")
    return Infilling(checkpoint, Request(**asdict(sampling)), document.text, gaps)


def _check_in_place(source: str) -> None:
    """Raises `UsageError` for what has no place to go back to, before it is read: stdin, pipes, devices, folders."""
    if source == "-":
        raise UsageError("--in-place has no file to write to: the document is on stdin", "Leave it out.")
    if Path(source).exists() and not Path(source).is_file():
        raise UsageError(f"{source} is no file that could be written back", "Leave out --in-place.")


def _print(
    out: Output,
    infilling: "Infilling",
    fillings: "list[Filling]",
    document: Document,
    nats: dict[int, float],
    *,
    json: bool,
    diff: bool,
    color: options.ColorChoice,
) -> None:
    best = fillings[0]
    if json:
        out.write(_as_json(infilling, fillings, nats))
    elif diff:
        from sedd_cli.render.diff import diff_parts

        changes = [((gap.start, gap.end), span) for gap, span in zip(infilling.sized_gaps, best.spans, strict=True)]
        out.show(diff_parts(document.text, best.text, changes, document.name), color, wrap=True)
    else:
        # What colour is asked for concerns stderr: a document in a pipe has none.
        out.show(_filled_parts(best), "never" if color == "never" else "auto")


def _filled_parts(filling: "Filling") -> list[tuple[str, str]]:
    """The document as parts with their styles: what was filled is visibly new."""
    from sedd_cli.render.live import FILLED

    parts, at = [], 0
    for start, end in filling.spans:
        parts += [(filling.text[at:start], ""), (filling.text[start:end], FILLED)]
        at = end
    return [*parts, (filling.text[at:], "")]


def _write_in_place(text: str, document: Document, *, printed: bool, terminal: Terminal) -> None:
    if text == document.text:
        terminal.info(f"{document.name} was left as it is: nothing changed")
        return
    try:
        _, backup = save_with_backup(document, text)
    except SeddError:
        # The finished text is not lost with its place. Where stdout fails too, the place's error is the one to be told.
        if not printed:
            with suppress(SeddError):
                Output(None).write(text)
                terminal.info("the finished document is on stdout instead")
        raise
    terminal.info(f"{document.name} written; what it was is in {backup}")


def _report(infilling: "Infilling", taken: "Collection[str]", terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import job_ood_warning, law_note, length_warning, sampling_warnings

    for chosen in infilling.chosen_lengths:
        tried = ", ".join(f"{n} ({nats:.1f})" for n, nats in chosen.nats.items())
        why = ", the fewest as good within the error" if chosen.nats[chosen.tokens] > min(chosen.nats.values()) else ""
        terminal.info(
            f"gap {chosen.gap.start}:{chosen.gap.end} gets {counted(chosen.tokens, 'token')}{why}; "
            f"nats of the text beside it: {tried}"
        )
    terminal.info_each(law_note(infilling.request.asked, taken))
    checkpoint = infilling.checkpoint
    longest = max((len(window.canvas.ids) for window in infilling.windows), default=0)
    terminal.warn_each(
        length_warning(checkpoint, "a canvas", longest),
        sampling_warnings(checkpoint, "the rest of the document"),
        job_ood_warning(infilling),
    )


def _summarise(
    infilling: "Infilling", fillings: "list[Filling]", finished: bool, seconds: float, terminal: Terminal
) -> None:
    if len(fillings) > 1 and finished:
        for filling in fillings:
            terminal.info(_candidate_line(filling, terminal.width))
    calls, redrawn = sum(f.nfe for f in fillings), sum(f.redrawn for f in fillings)
    again = f" ({redrawn} of them to redraw what was no text or joined badly)" if redrawn else ""
    lengths = "the comparison of lengths, then " if infilling.chosen_lengths else ""
    ranking = ", then the ranking" if len(fillings) > 1 and finished else ""
    terminal.info(
        f"seed {infilling.request.seed}, {lengths}{counted(calls, 'network call')}{again}{ranking}, {seconds:.1f} s, "
        f"{infilling.checkpoint.name}"
    )


def _candidate_line(filling: "Filling", width: int) -> str:
    """What a candidate wrote, its bound first, in one line of the terminal."""
    from rich.text import Text

    from sedd_cli.render.inert import one_line

    written = " · ".join(filling.text[start:end].strip() for start, end in filling.spans)
    line = Text(one_line(f"row {filling.row}: {filling.nats:.1f} nats: {written}"))
    line.truncate(max(width, MIN_WIDTH), overflow="ellipsis")
    return line.plain


def _as_json(infilling: "Infilling", fillings: "list[Filling]", nats: dict[int, float]) -> str:
    checkpoint = infilling.checkpoint
    return as_json(
        {
            "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
            "settings": {**infilling.request.settings(), "seed": infilling.request.seed},
            "gaps": [
                {
                    "start": gap.start,
                    "end": gap.end,
                    "tokens": gap.tokens,
                    "one_line": gap.one_line,
                    "window": number,
                }
                for number, window in enumerate(infilling.windows)
                for gap in infilling.sized_gaps[window.first : window.first + len(window.gap_positions)]
            ],
            "lengths_compared": [
                {
                    "start": c.gap.start,
                    "end": c.gap.end,
                    "tokens": c.tokens,
                    "nats": c.nats,
                    "differences": {n: difference._asdict() for n, difference in c.differences.items()},
                }
                for c in infilling.chosen_lengths
            ],
            "candidates": [
                {
                    "row": filling.row,
                    "seed": filling.seed,
                    "nfe": filling.nfe,
                    "redrawn": filling.redrawn,
                    "complete": filling.complete,
                    "nats": nats.get(filling.row),
                    "spans": filling.spans,
                    "text": filling.text,
                }
                for filling in fillings
            ],
        }
    )
