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
from sedd_cli.text.encodings import check_text


def tui(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Document to edit. Default: an empty canvas.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Begin a new text with TEXT; g then writes on.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Steps of a run. Default: from the settings.")] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of the first run. Default: from the settings.")
    ] = None,
    theme: Annotated[
        str | None, typer.Option(metavar="NAME", help="Colours of this session. Default: from the settings.")
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
    if prompt is not None and file is not None:
        raise UsageError(
            "--prompt begins a new text, but FILE is there to be opened",
            "Leave out one of them; within a document, i edits and m masks.",
        )
    if prompt:
        check_text("prompt", prompt)
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

    overrides = {"model": model, "device": device, "steps": steps, "seed": seed, "theme": theme}
    raise typer.Exit(run(file, prompt, overrides, terminal.warn, context.obj.debug))
