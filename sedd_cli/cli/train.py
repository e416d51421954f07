"""`sedd train`: from a text or a recipe to a checkpoint."""

import json
import math
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from sedd_cli.atomic import descriptor_of
from sedd_cli.cli import options
from sedd_cli.cli.completion import model_names
from sedd_cli.cli.output import Output
from sedd_cli.cli.terminal import Terminal
from sedd_cli.distributed import launched, launched_rank, process_group
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    import torch

    from sedd_cli.training.loop import StepReport
    from sedd_cli.training.preparation import CorpusReport
    from sedd_cli.training.recipe import Recipe
    from sedd_cli.training.session import PreparationReport, SampleReport, TrainingSession, ValidationReport

TRAINING = "Training"
MINUTES = 15.0
"""Default training time on a text."""
SAMPLE_LENGTH = 300
"""Characters of a sample, if it has more than one sentence."""


def train(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A text, a folder of texts, or a recipe (.toml).")],
    others: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="RUN", help="The run's folder.", rich_help_panel=TRAINING, readable=False
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="How long to train on a text. Default: 15; a recipe has its own length.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="bpe:N, bytes, gpt2, or a folder with tokenizer.json.", rich_help_panel=TRAINING
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="A checkpoint to start from, diffusion or autoregressive: name, folder, or OWNER/NAME of the hub.",
            autocompletion=model_names,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="LINE",
            help="The line between documents. Default: the end-of-text token if the text has it, else a blank line.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    text_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Key of the text in JSON objects.", rich_help_panel=TRAINING)
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe: model.length=128. Repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in -o.", rich_help_panel=TRAINING)] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the whole recipe; do not train.", rich_help_panel=TRAINING)
    ] = False,
    device: options.Device = "auto",
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Make a checkpoint from a text or a recipe.

    From the first save on, sedd generate -m RUN takes it, and sedd plot RUN draws its curves. Ctrl-C stops after the
    step under way and saves; --resume goes on from there, bit for bit.

    For example: sedd train stories.txt -o runs/mine --minutes 30
    """
    terminal = Terminal(quiet=quiet or launched_rank() > 0, color=color)
    if others:
        raise UsageError(
            f"train takes one text, folder or recipe, not {others[0]} as well", "Put several texts into a folder."
        )
    from sedd_cli.models.device import resolve_device

    where = resolve_device(device)
    resume_dir = output if resume and output and (output / "recipe.json").is_file() else None
    changes = [
        *([] if tokenizer is None else [f"tokenizer={tokenizer}"]),
        *([] if separator is None else [f"data.separator={separator}"]),
        *([] if text_key is None else [f"data.text_key={json.dumps(text_key)}"]),
        *(change or []),
    ]
    recipe = _recipe(source, minutes, init_from, resume_dir, changes, where.type == "cpu")
    if resume_dir is not None and source.suffix.lower() != ".toml" and recipe.data.train != str(source):
        terminal.warn(f"the run goes on with {recipe.data.train}, with which it began: {source} is not read")
    if dry_run:
        with Output(None) as out:
            out.write(_as_toml(recipe))
        terminal.info(_plan_line(recipe, where, resume_dir))
        return
    if output is None:
        raise UsageError("train needs a folder to write to", "Give one with -o RUN.")
    if str(output) == "-" or descriptor_of(output) is not None:
        raise UsageError("a run is a folder, so it cannot go to stdout", "Give a folder with -o RUN.")
    from sedd_cli.training.session import TrainingSession

    with process_group() as world:
        if not resume and world.is_first:
            terminal.info(_plan_line(recipe, where, None))
        # The session is freed before the process group: its parts still use it.
        finished = _run(TrainingSession(recipe, output, where, resume=resume, world=world), terminal)
    if not finished:
        again = [*sys.argv[1:], *([] if resume else ["--resume"])]
        command = "torchrun ... -m sedd_cli" if launched() else "sedd"
        terminal.info(f"stopped and saved; resume with: {command} {shlex.join(again)}")
        raise typer.Exit(130)
    terminal.info(f"done: sedd generate -m {output}")


def _recipe(
    source: Path,
    minutes: float | None,
    init_from: str | None,
    resume_dir: Path | None,
    changes: list[str],
    on_cpu: bool,
) -> "Recipe":
    """The recipe in `source`, or one for a text; with `resume_dir` and a text, that of the run."""
    from sedd_cli.training.automatic import recipe_for_text, recipe_from_checkpoint, recipe_of_run
    from sedd_cli.training.recipe import make_recipe, read_recipe
    from sedd_cli.training.run import RunFolder

    if source.suffix.lower() == ".toml":
        if minutes is not None:
            raise UsageError("a recipe has its own duration", "Write --set phases.0.max_minutes=N (or steps=N).")
        # A string of JSON is one of TOML, whatever it looks like.
        return read_recipe(
            source, changes if init_from is None else [f"start={json.dumps(init_from)}", *changes], resume_dir
        )
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"minutes must be above 0 and finite, not {minutes}", "Give at least a few.")
    if resume_dir is not None:
        begun = RunFolder(resume_dir).load_recipe()
        if init_from is not None and init_from != begun.start:
            raise UsageError(
                f"the run in {resume_dir} started from {begun.start or 'fresh weights'}, not from {init_from}",
                "Leave out --from to go on with it, or give a new run another -o.",
            )
        return make_recipe(recipe_of_run(begun, minutes), changes, str(source), resume_dir)
    minutes = MINUTES if minutes is None else minutes
    if init_from is not None:
        return make_recipe(recipe_from_checkpoint(init_from, source, minutes, on_cpu), changes, str(source))
    return make_recipe(recipe_for_text(source, minutes, on_cpu), changes, str(source))


def _plan_line(recipe: "Recipe", device: "torch.device", resume_dir: Path | None) -> str:
    from sedd_cli.render.labels import duration
    from sedd_cli.training.plan import plan_training

    cost = plan_training(recipe, device, resume_dir)
    phases = ", ".join(
        f"{phase.objective} {work / 1e9:,.0f} GFLOP a step, {duration(seconds)}"
        for phase, work, seconds in zip(recipe.phases, cost.flops, cost.seconds, strict=True)
    )
    return (
        f"{cost.parameters / 1e6:.2f}M parameters, vocabulary {cost.tokens:,}, "
        f"about {cost.bytes / 1e9:.1f} GB in training; on this {device.type}: {phases}"
    )


def _as_toml(recipe: "Recipe") -> str:
    import tomlkit

    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_none=True))


def _run(session: "TrainingSession", terminal: Terminal) -> bool:
    """Train and report events. Returns False if it was stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        if session.stop.is_set():
            if launched():  # torchrun forwards the signal that every process has received
                return
            sys.exit(130)
        session.stop.set()
        terminal.info("stopping after this step (again: at once, without saving)")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _report_events(session, terminal)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return not session.stopped


def _report_events(session: "TrainingSession", terminal: Terminal) -> None:
    """Train, with progress at the foot of a terminal; elsewhere a line every ten seconds."""
    from sedd_cli.render.training import TrainingView
    from sedd_cli.training.loop import StepReport
    from sedd_cli.training.preparation import CorpusReport
    from sedd_cli.training.session import PreparationReport, SampleReport, ValidationReport

    last_report = -math.inf
    with terminal.footer(TrainingView([phase.objective for phase in session.recipe.phases])) as view:
        for event in session.events():
            if view is not None and isinstance(event, StepReport | ValidationReport):
                view.show(event)
            if isinstance(event, PreparationReport | CorpusReport):
                for note in event.notes:
                    terminal.info(note)
            if isinstance(event, CorpusReport):
                _report_corpus(event, terminal)
            elif isinstance(event, PreparationReport):
                terminal.info(_prepared(event))
            elif isinstance(event, ValidationReport):
                terminal.info(_validated(event))
            elif isinstance(event, SampleReport):
                terminal.info(sample_line(event))
            elif isinstance(event, StepReport) and view is None and time.monotonic() - last_report > 10:
                last_report = time.monotonic()
                terminal.info(_report_line(event))


def _report_corpus(report: "CorpusReport", terminal: Terminal) -> None:
    from sedd_cli.render.corpus import corpus_table, skipped_lines

    terminal.info(corpus_table(report))
    for line, unexpected in skipped_lines(report.skipped):
        (terminal.warn if unexpected else terminal.info)(line)


def _prepared(event: "PreparationReport") -> str:
    resumed = f", resumed at step {event.resumed_at}" if event.resumed_at else ""
    return (
        f"{counted(event.tokens, 'token')} in {counted(event.documents, 'document')} "
        f"({counted(event.canvases, 'canvas')} a pass), "
        f"{event.validation_tokens:,} held out, vocabulary {event.vocabulary:,}, "
        f"{event.parameters / 1e6:.2f}M parameters{resumed}"
    )


def _validated(event: "ValidationReport") -> str:
    lengths = event.lengths
    of_gaps = (
        f"; lengths of gaps: {lengths.nats:.2f} nats, {lengths.within:.0%} within a factor of 1.5" if lengths else ""
    )
    return (
        f"step {event.step}: validation bound {event.nats_per_token:.3f} +- {event.standard_error:.3f} nats a token, "
        f"{event.bits_per_byte:.3f} bits a byte{of_gaps}"
    )


def sample_line(event: "SampleReport") -> str:
    """A sample in a line: whole sentences, or the words of a text that has none."""
    from sedd_cli.text.sentences import whole_sentences

    sentences = whole_sentences(event.text, SAMPLE_LENGTH)
    if sentences:
        return f"a sample: {' '.join(sentences.split())}"
    # What a network that knows little writes. The first and the last word may be cut.
    words = " ".join(event.text[:SAMPLE_LENGTH].split()[1:-1])
    return f"a sample, without a whole sentence yet: ... {words} ..." if words else "a sample: no text yet"


def _report_line(event: "StepReport") -> str:
    from sedd_cli.render.labels import duration

    left = "" if event.seconds_left is None else f", {duration(event.seconds_left)} left"
    return (
        f"step {event.progress.step} {event.objective}: loss {event.progress.smoothed:.3f}, "
        f"{event.tokens_per_second:,.0f} tokens/s{left}"
    )
