"""`sedd tui`: the interactive session."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError


def tui(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Document to edit. Default: an empty canvas.")
    ] = None,
    model: options.Model = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="SEDD_DEVICE",
            help=f"{options.DEVICES} Default: from the settings.",
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
) -> None:
    """Watch a text being generated, and take hold of it.

    Stop, step back, lock or remask tokens, and resume; also in your own document, where gaps are filled.

    For example: sedd tui story.txt
    """
    if os.environ.get("TERM", "").lower() == "dumb":
        raise UsageError(
            "sedd tui cannot be shown on a dumb terminal (TERM=dumb)",
            "Use sedd generate or sedd infill; or set TERM if the terminal can do more, for example to xterm-256color.",
        )
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()):
        raise UsageError("sedd tui needs a terminal", "In a pipe, use sedd generate or sedd infill.")
    terminal = Terminal()
    fetch_if_missing(model, terminal)
    # Garbage collection takes a tenth of the time to the first paint. The engine enables it once a checkpoint is there.
    gc.disable()
    from sedd_cli.tui.app import run

    raise typer.Exit(run(file, model, device, terminal.warn, context.obj.debug))
