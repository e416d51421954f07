"""`sedd generate`: from all-MASK to text."""

import os
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedd_cli.atomic import STDOUT, descriptor_of
from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing, load, resolve_sampling
from sedd_cli.cli.output import Output, as_json, check_outputs, file_or_stdout, join_texts, read_prompt, stdin_waits
from sedd_cli.cli.preview import canvas_frame, preview
from sedd_cli.cli.terminal import Terminal
from sedd_cli.distributed import launched, launched_rank, process_group
from sedd_cli.errors import UsageError
from sedd_cli.generation.options import SamplingOptions, check_ranges
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sedd_cli.generation.engine import Run, Sample
    from sedd_cli.models.checkpoint import Checkpoint


@options.takes_sampling_options("generate", first=("suffix", "steps", "seed", "row", "num_samples", "length"))
def generate(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="How the text begins; - reads it from stdin.", show_default=False),
    ] = None,
    *,
    sampling: SamplingOptions,
    given: frozenset[str] = frozenset(),
    exact: options.Exact = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write to FILE; - is stdout. FOLDER/ gets JSON lines, and a second run adds what is missing.",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
    full_canvas: Annotated[
        bool,
        typer.Option("--full-canvas", help="Do not stop at the end-of-text token.", rich_help_panel=options.OUTPUT),
    ] = False,
    chat: Annotated[
        bool,
        typer.Option("--chat", help="The prompt is a message: print the reply.", rich_help_panel="Dialogue"),
    ] = False,
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="Instructions for --chat.", rich_help_panel="Dialogue"),
    ] = None,
    trace: options.Trace = None,
    live: options.Live = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Write text by denoising a canvas of MASK.

    The text goes to stdout and nothing else does. Ctrl-C prints what is there, with [[N]] for N tokens still masked.
    A prompt that begins with a dash goes after --.

    For example: sedd generate "Once upon a time" --seed 1
    """
    terminal = Terminal(quiet=quiet or launched_rank() > 0, color=color, live=live)
    sampling = replace(sampling, prompt=read_prompt(" ".join(words) if words else None))
    check_ranges(sampling)
    if not chat and system is not None:
        raise UsageError("--system is for a dialogue", "Add --chat.")
    if chat and (not sampling.prompt or sampling.suffix):
        raise UsageError("--chat takes a message, and no suffix", 'For example: sedd generate --chat "Hello" -m NAME')
    file = file_or_stdout(output) if output else None
    check_outputs({**({"-o": file} if file else {"the text": STDOUT}), "--trace": trace})
    if launched() or _is_folder(output):
        if trace is not None:
            raise UsageError("samples in a folder have no trace", "Leave out --trace, or give a file with -o.")
        if chat:
            raise UsageError("a reply goes to stdout or a file, not into a folder", "Give a file with -o.")
        choose = None if exact else given
        _into_folder(output, sampling, choose, full_canvas, lambda: load(model, device, dtype, terminal), terminal)
        return
    with ExitStack() as stack:
        out = stack.enter_context(Output(file))
        fetch_if_missing(model, terminal)
        with preview(lambda: None if chat else canvas_frame(model, sampling), terminal) as view:
            from sedd_cli.cli.watch import report_steps, run_job
            from sedd_cli.generation.trace import TraceWriter

            checkpoint = load(model, device, dtype, terminal, identified=json)
            sampling, taken = resolve_sampling(checkpoint, sampling, None if exact else given, terminal)
            run = _dialogue(checkpoint, sampling, system) if chat else _continuation(checkpoint, sampling)
            report_steps(run, sampling.steps, terminal)
            if run.checkpoint.tokenizer is None and not json:
                raise UsageError(
                    "this checkpoint has no tokenizer, so it writes ids, not text",
                    "Use --json, or put its tokenizer.json beside config.json.",
                )
            if terminal.enabled:
                _warn(run, taken, terminal)
            started = time.monotonic()
            writer = TraceWriter(trace, run) if trace else None
            if writer:
                stack.callback(writer.discard)
            finished = run_job(run, terminal, writer, view)
        samples = run.samples(full_canvas)
        # If the text cannot be written, the trace is, and the seed is told, by which it can be had again.
        with ExitStack() as last:
            last.callback(_summarise, run, samples, time.monotonic() - started, terminal)
            if writer:
                last.callback(writer.close)
            if not finished:
                out.save_partial(terminal)
            out.write(_as_json(run, samples) if json else join_texts([s.text for s in samples]))
    if not finished:
        raise typer.Exit(130)


def _continuation(checkpoint: "Checkpoint", sampling: SamplingOptions) -> "Run":
    from sedd_cli.generation.engine import Run
    from sedd_cli.generation.request import Request

    return Run(checkpoint, Request(**asdict(sampling)))


def _dialogue(checkpoint: "Checkpoint", sampling: SamplingOptions, system: str | None) -> "Run":
    """The run that writes the reply to a message, which is in the place of a prompt."""
    from sedd_cli.generation.chat import chat_canvas
    from sedd_cli.generation.engine import Run
    from sedd_cli.generation.request import Request

    canvas = chat_canvas(checkpoint, sampling.prompt or "", system, sampling.length)
    return Run(checkpoint, Request(**asdict(replace(sampling, prompt=None))), canvas)


def _is_folder(output: str | None) -> bool:
    return output is not None and (output.endswith(("/", os.sep)) or Path(output).is_dir())


def _into_folder(
    output: str | None,
    sampling: SamplingOptions,
    given: "Collection[str] | None",
    full_canvas: bool,
    load: "Callable[[], Checkpoint]",
    terminal: Terminal,
) -> None:
    """Draw this process's share of the samples; under torchrun there are others."""
    from sedd_cli.cli.watch import report_steps
    from sedd_cli.generation.bulk import Bulk
    from sedd_cli.generation.engine import Run
    from sedd_cli.generation.request import Request

    if output is None or descriptor_of(file_or_stdout(output)) is not None:
        raise UsageError("several processes write to a folder", "Give one with -o FOLDER/.")
    if Path(output).is_file():
        raise UsageError(f"{output} is a file, not a folder", "Give a folder with -o FOLDER/.")
    checkpoint = load()
    sampling, taken = resolve_sampling(checkpoint, sampling, given, terminal)
    request = Request(**asdict(sampling))
    with process_group() as world, Bulk(checkpoint, request, Path(output), world, full_canvas=full_canvas) as bulk:
        run = Run(bulk.checkpoint, bulk.request)
        report_steps(run, request.steps, terminal)
        if terminal.enabled:
            _warn(run, taken, terminal)
        terminal.info(f"seed {bulk.request.seed}, {bulk.num_existing:,} of {request.num_samples:,} there already")
        name = f"process 1 of {world.size}" if world.size > 1 else "samples"
        try:
            with terminal.progress() as count:
                for done, _ in enumerate(bulk.samples(), start=1):
                    count(name, done, bulk.planned)
        except KeyboardInterrupt:
            terminal.info("stopped; the same command goes on with what is missing")
            raise typer.Exit(130) from None
        world.barrier()
    terminal.info(f"{counted(request.num_samples, 'sample')} in {output}")


def _warn(run: "Run", taken: "Collection[str]", terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import job_ood_warning, law_note, length_warning, sampling_warnings

    checkpoint, canvas = run.checkpoint, run.canvas
    if run.request.asked.prompt is None and stdin_waits():
        terminal.info("stdin is not read: sedd generate - takes the prompt from it")
    if run.excludes_end_of_text:
        terminal.info("between prompt and suffix the end-of-text token is left out")
    terminal.info_each(law_note(run.request.asked, taken))
    given = "a prompt" if canvas.prompt or canvas.suffix else None
    terminal.warn_each(
        length_warning(checkpoint, "a canvas", len(canvas.ids)),
        sampling_warnings(checkpoint, given),
        job_ood_warning(run),
    )


def _summarise(run: "Run", samples: "list[Sample]", seconds: float, terminal: Terminal) -> None:
    calls = sum(sample.nfe for sample in samples)
    terminal.info(f"seed {run.request.seed}, {counted(calls, 'network call')}, {seconds:.1f} s, {run.checkpoint.name}")


def _as_json(run: "Run", samples: "list[Sample]") -> str:
    checkpoint = run.checkpoint
    return as_json(
        {
            "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
            "settings": {
                **run.request.settings(),
                "seed": run.request.seed,
                "length": len(run.canvas.ids),
                "excludes_end_of_text": run.excludes_end_of_text,
            },
            "samples": [
                {
                    "row": s.row,
                    "seed": s.seed,
                    "nfe": s.nfe,
                    "complete": s.complete,
                    "text": s.text,
                    "ids": s.ids.tolist(),
                }
                for s in samples
            ],
        }
    )
