"""`sedd tui`: the interactive session."""

from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.session import open_session


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
    values = {"model": model, "device": device, "steps": steps, "seed": seed, "theme": theme}
    raise typer.Exit(open_session(file, prompt, values, context.obj.debug))
