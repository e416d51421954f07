"""stderr: notes, warnings, errors and the live view. The only module that writes there."""

import os
import sys
from collections.abc import Iterator
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
        # Not the console's word for it: that is also true where colour is forced into a pipe.
        self.live = stream.isatty() and not self._console.is_dumb_terminal and (not quiet if live is None else live)

    def note(self, text: str) -> None:
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
    def watching(self, view: "LiveView") -> Iterator["LiveView | None"]:
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
    def at_foot(self, view: "TrainingView") -> Iterator["TrainingView | None"]:
        """Keep a view below the notes until the block ends. Gives None where nobody would see it."""
        if not self.live:
            yield None
            return
        from rich.live import Live

        with Live(view, console=self._console, transient=True, refresh_per_second=4):
            yield view

    def _print(self, text: str, style: str) -> None:
        from rich.text import Text

        from sedd_cli.render.inert import inert

        self._console.print(Text(inert(text), style=style), soft_wrap=True)
