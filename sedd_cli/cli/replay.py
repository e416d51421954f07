"""`sedd replay`: play a recorded run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.output import Output, check_outputs
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError

if TYPE_CHECKING:
    from sedd_cli.generation.recording import RecordedSample

PLAYING = "Playing"
HOLD = 1.0
"""Minimum seconds for which the last step stays on the screen."""

TraceFile = Annotated[Path, typer.Argument(metavar="TRACE", help="Trace file written by --trace.")]
WhichRow = Annotated[int | None, typer.Option("--row", metavar="N", help="Row of the text to use. Default: the first.")]


def replay(
    trace: TraceFile,
    speed: Annotated[
        float | None, typer.Option(metavar="X", help="Steps a second; all in 10 s by default.", rich_help_panel=PLAYING)
    ] = None,
    first: Annotated[
        int | None,
        typer.Option("--from", metavar="N", help="Begin at this step; 0 is the start.", rich_help_panel=PLAYING),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", metavar="N", help="End at this step.", rich_help_panel=PLAYING)
    ] = None,
    step: Annotated[int | None, typer.Option(metavar="N", help="Show only this step.", rich_help_panel=PLAYING)] = None,
    row: WhichRow = None,
    output: options.OutputFile = None,
    live: options.Live = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Play a recorded run, without its model.

    Plays it in the terminal, then prints the text of the last step; in a pipe, prints only the text.

    Step numbers count recorded steps from 0, the start; steps without a reveal are left out. [[N]] is N masked tokens.

    For example: sedd replay run.jsonl --speed 20, after sedd generate --trace run.jsonl
    """
    from sedd_cli.render.export import check_speed
    from sedd_cli.render.replay import default_speed

    terminal = Terminal(quiet=quiet, color=color, live=live)
    if step is not None and not (first is last is speed is None):
        raise UsageError("--step shows a single step", "Leave --from, --to and --speed out.")
    check_speed(speed)
    check_outputs({"-o": output}, [trace])
    with Output(output) as out:
        sample = read_recording(trace, row, terminal)
        low, high = (step, step) if step is not None else (first or 0, sample.last if last is None else last)
        sample.check(low)
        sample.check(high)
        if low > high:
            raise UsageError(f"--from {low} is after --to {high}", "Give them in order.")
        finished = _play(sample, low, high, speed or default_speed(sample), terminal)
        out.write(sample.text(sample.at(high)) + ("" if sample.header.infills else "\n"))
    if not finished:
        raise typer.Exit(130)


def read_recording(trace: Path, row: int | None, terminal: Terminal) -> "RecordedSample":
    """Read one text of a trace; warnings go to the terminal. Raises `NotLoadableError`, or `UsageError` for the row."""
    from sedd_cli.generation.recording import read

    recording = read(trace)
    sample = recording.sample(row)
    if recording.warning:
        terminal.warn(recording.warning)
    if row is None and len(recording.numbers) > 1:
        terminal.info(f"row {sample.number}, the first of {len(recording.numbers)}: choose another with --row")
    return sample


def _play(sample: "RecordedSample", first: int, last: int, speed: float, terminal: Terminal) -> bool:
    """Play the moments from first to last if the terminal is live. Returns False if interrupted."""
    from sedd_cli.render.live import LiveView, height_of
    from sedd_cli.render.replay import make_frame, title_of

    if not terminal.live:
        return True
    title = title_of(sample.header)
    if first == last:
        still = LiveView(title, sample.calls, True, clock=None)
        still.show(frame := make_frame(sample, sample.at(first)))
        terminal.show(still, height_of(frame, terminal.width))
        return True
    try:
        with terminal.live_view(LiveView(title, sample.calls, True)) as view:
            assert view is not None
            started = time.monotonic()
            for moment in sample.between(first, last):
                view.show(make_frame(sample, moment))
                until = started + (moment.number - first + 1) / speed
                time.sleep(max(0, until - time.monotonic(), HOLD if moment.number == last else 0))
    except KeyboardInterrupt:
        return False
    return True
