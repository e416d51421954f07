"""stderr: notes, warnings, errors and the live view. The only module that writes there."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.render.live import LiveView
    from sedd_cli.render.training import TrainingView

Color = Literal["auto", "always", "never"]


class Terminal:
    """What the user is told beside the data. Progress and colour only where stderr is a terminal."""

    def __init__(self, *, quiet: bool = False, color: Color = "auto", live: bool | None = None) -> None:
        from rich.console import Console

        self._quiet = quiet
        stream = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123 - lives as long as the process
        self._console: Console = Console(
            file=stream,
            force_terminal=True if color == "always" else None,
            no_color=True if color == "never" else None,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self.interactive = stream.isatty() and not quiet
        # Not the console's word for it: that is also true where colour is forced into a pipe.
        self.live = stream.isatty() and not self._console.is_dumb_terminal and (not quiet if live is None else live)

    @property
    def enabled(self) -> bool:
        """Whether notes and warnings are told: what they take need not be found out otherwise."""
        return not self._quiet

    def info(self, text: str) -> None:
        if not self._quiet:
            self._print(text, "dim")

    def warn(self, text: str) -> None:
        if not self._quiet:
            self._print(f"warning: {text}", "yellow")

    def error(self, error: SeddError) -> None:
        self._print(f"error: {error.message}", "bold red")
        if error.hint:
            self._print(error.hint, "")

    @contextmanager
    def live_view(self, view: "LiveView") -> Iterator["LiveView | None"]:
        """Show a view until the block ends, then leave no trace of it. Gives None where nobody would see it."""
        if not self.live:
            yield None
            return
        from rich.live import Live

        # On the alternate screen: a resize cannot smear it, and what was on the terminal before comes back.
        with Live(view, console=self._console, screen=True, refresh_per_second=15):
            yield view

    def show(self, view: "LiveView", height: int) -> None:
        """Print a view once, in so many lines."""
        self._console.print(view, height=height)

    @property
    def width(self) -> int:
        return self._console.width

    @contextmanager
    def footer(self, view: "TrainingView") -> Iterator["TrainingView | None"]:
        """Keep a view below the notes until the block ends. Gives None where nobody would see it."""
        if not self.live:
            yield None
            return
        from rich.live import Live

        with Live(view, console=self._console, transient=True, refresh_per_second=4):
            yield view

    @contextmanager
    def byte_progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far a transfer is, and how long it will take, until the block ends; told of bytes as they come."""
        if not self.live:
            yield lambda _: None
            return
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        from sedd_cli.render.inert import inert

        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        name = TextColumn("{task.description}", markup=False)
        with Progress(name, *columns, console=self._console, transient=True) as progress:
            task = progress.add_task(inert(title), total=total)
            yield lambda n: progress.advance(task, n)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show how far some work is, and how long it will take, until the block ends; told of which part of it is
        under way, how much is done and of how much."""
        if not self.live:
            yield lambda what, done, total: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from sedd_cli.render.inert import inert

        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("", total=None)
            yield lambda what, done, total: progress.update(task, description=inert(what), completed=done, total=total)

    @property
    def can_prompt(self) -> bool:
        return self._console.file.isatty() and sys.stdin is not None and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask, and read the answer from stdin; no answer is no. Only where one `can_prompt`."""
        self._print(f"{question} [y/N]", "bold")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _print(self, text: str, style: str) -> None:
        from rich.text import Text

        from sedd_cli.render.inert import inert

        self._console.print(Text(inert(text), style=style), soft_wrap=True)
