"""stderr: information, warnings, errors and the live view. The only module that writes there."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeVar

from sedd_cli.errors import SeddError
from sedd_cli.render.inert import inert

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from sedd_cli.render.live import LiveView
    from sedd_cli.render.training import TrainingView

Color = Literal["auto", "always", "never"]
View = TypeVar("View", "LiveView", "TrainingView")
LINE_SECONDS = 10.0
"""Between two lines of progress where nothing can be drawn in place."""


class Terminal:
    """Messages to the user, on stderr. Progress and colour only if stderr is a terminal."""

    def __init__(self, *, quiet: bool = False, color: Color = "auto", live: bool | None = None) -> None:
        from rich.console import Console

        self._quiet = quiet
        self._held: list[tuple[str, str]] | None = None
        """Messages to print once the view that fills the terminal is gone."""
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
        # Not `Console.is_terminal`, which is also true where colour is forced into a pipe.
        self.live = stream.isatty() and not self._console.is_dumb_terminal and (not quiet if live is None else live)

    @property
    def enabled(self) -> bool:
        """Whether information and warnings are printed. If not, they need not be computed."""
        return not self._quiet

    def info(self, text: str) -> None:
        if not self._quiet:
            self._print(text, "dim")

    def warn(self, text: str) -> None:
        if not self._quiet:
            self._print(f"warning: {text}", "yellow")

    def warn_each(self, *groups: Iterable[str]) -> None:
        """Warn of each; lazy ones are not computed where they are not printed."""
        if not self._quiet:
            for text in chain(*groups):
                self.warn(text)

    def info_each(self, texts: Iterable[str]) -> None:
        """Print each; lazy ones are not computed where they are not printed."""
        if not self._quiet:
            for text in texts:
                self.info(text)

    def error(self, error: SeddError) -> None:
        self._print(f"error: {error.message}", "bold red")
        if error.hint:
            self._print(error.hint, "")

    def live_view(self, view: "LiveView") -> "AbstractContextManager[LiveView | None]":
        """Show a view until the block ends, then erase it. Yields None if it would not be visible."""
        # On the alternate screen: a resize does not smear it, and the previous contents come back.
        return self._live(view, screen=True, refresh_per_second=15)

    def show(self, view: "LiveView", height: int) -> None:
        self._console.print(view, height=height)

    @property
    def width(self) -> int:
        return self._console.width

    def footer(self, view: "TrainingView") -> "AbstractContextManager[TrainingView | None]":
        """Show a view below the messages until the block ends. Yields None if it would not be visible."""
        return self._live(view, screen=False, refresh_per_second=4)

    @contextmanager
    def _live(self, view: View, *, screen: bool, refresh_per_second: float) -> Iterator[View | None]:
        if not self.live:
            yield None
            return
        from rich.live import Live

        self._held = [] if screen else None
        try:
            with Live(
                view, console=self._console, screen=screen, transient=True, refresh_per_second=refresh_per_second
            ):
                yield view
        finally:
            held, self._held = self._held or [], None
            for text, style in held:
                self._print(text, style)

    @contextmanager
    def byte_progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show the progress of a transfer until the block ends. Yields a callback for the number of new bytes."""
        if not self.live:
            yield lambda _: None
            return
        from rich.progress import DownloadColumn, TransferSpeedColumn

        with self._progress(DownloadColumn(), TransferSpeedColumn()) as progress:
            task = progress.add_task(inert(title), total=total)
            yield lambda n: progress.advance(task, n)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show progress until the block ends. Yields a callback (description, done, total).

        A bar, or where none can be drawn a line every ten seconds.
        """
        if not self.live:
            with self._progress_lines() as count:
                yield count
            return
        from rich.progress import MofNCompleteColumn

        with self._progress(MofNCompleteColumn()) as progress:
            task = progress.add_task("", total=None)
            yield lambda description, done, total: progress.update(
                task, description=inert(description), completed=done, total=total
            )

    @contextmanager
    def _progress_lines(self) -> Iterator[Callable[[str, int, int], None]]:
        latest, started, ended = ("", 0, 0), time.monotonic(), threading.Event()

        def count(description: str, done: int, total: int) -> None:
            nonlocal latest
            latest = description, done, total

        def report() -> None:
            while not ended.wait(LINE_SECONDS):
                description, done, total = latest
                if not total:
                    continue
                seconds = time.monotonic() - started
                left = f", about {seconds / done * (total - done):.0f} s left" if done and total > done else ""
                self.info(f"{description}: {done:,} of {total:,} after {seconds:.0f} s{left}")

        # A thread, because one network call on a long canvas takes longer than that.
        thread = threading.Thread(target=report, daemon=True)
        if self.enabled:
            thread.start()
        try:
            yield count
        finally:
            ended.set()
            if self.enabled:
                thread.join()

    def _progress(self, *columns: "ProgressColumn") -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        name = TextColumn("{task.description}", markup=False)
        return Progress(name, BarColumn(), *columns, TimeRemainingColumn(), console=self._console, transient=True)

    @property
    def can_prompt(self) -> bool:
        return self._console.file.isatty() and sys.stdin is not None and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask, and read the answer from stdin; no answer means no. Requires `can_prompt`."""
        self._print(f"{question} [y/N]", "bold")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _print(self, text: str, style: str) -> None:
        if self._held is not None:
            self._held.append((text, style))
            return
        from rich.text import Text

        self._console.print(Text(inert(text), style=style), soft_wrap=True)
