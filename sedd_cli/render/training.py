"""The progress of training, in two lines."""

from collections import deque

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.text import Text

from sedd_cli.render.labels import duration
from sedd_cli.training.loop import StepReport
from sedd_cli.training.session import ValidationReport

BARS = "▁▂▃▄▅▆▇█"
CURVE = 24
"""Maximum number of losses in the curve, evenly spread over the phase."""


class TrainingView:
    """Two lines at the foot of the terminal, made from reports and bounds."""

    def __init__(self, phases: list[str]) -> None:
        self._phases = phases
        self._report: StepReport | None = None
        self._bound: ValidationReport | None = None
        self._losses: deque[float] = deque(maxlen=2 * CURVE)
        self._every = 1

    def show(self, event: StepReport | ValidationReport) -> None:
        if isinstance(event, ValidationReport):
            self._bound = event
            return
        if self._report is not None and event.progress.phase_step == 1:
            self._losses.clear()
            self._every = 1
        self._report = event
        if event.progress.phase_step % self._every == 0:
            self._losses.append(event.progress.smoothed)
        if len(self._losses) == 2 * CURVE:
            # Every second one is dropped: the curve always spans the phase.
            half = list(self._losses)[1::2]
            self._losses.clear()
            self._losses.extend(half)
            self._every *= 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report = self._report
        if report is None:
            return
        done = report.progress.seconds
        total = done + (report.seconds_left or 0.0)
        yield ProgressBar(total=max(total, 1e-9), completed=done, width=options.max_width, complete_style="cyan")
        unicode = options.encoding.startswith("utf")
        status = self._status(report)
        room = min(CURVE, options.max_width - len(status) - 2) if unicode else 0
        yield Text(f"\n{status}  {self._curve(room)}", no_wrap=True, overflow="ellipsis")

    def _status(self, report: StepReport) -> str:
        progress = report.progress
        number = f" ({progress.phase + 1} of {len(self._phases)})" if len(self._phases) > 1 else ""
        parts = [f"{report.objective}{number}", f"step {progress.step:,}", f"loss {progress.smoothed:.3f}"]
        if self._bound is not None:
            parts.append(f"bound {self._bound.nats_per_token:.3f}")
        if report.seconds_left is not None:
            parts.append(f"{duration(report.seconds_left)} left")
        return "  ".join([*parts, f"{report.tokens_per_second:,.0f} tokens/s"])

    def _curve(self, room: int) -> str:
        losses = list(self._losses)
        return curve(losses[:: max(1, -(-len(losses) // room))]) if room > 0 else ""


def curve(values: list[float]) -> str:
    """Values as bars, the smallest lowest."""
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[round((value - low) / step)] for value in values)
