"""Options that mean the same in every command."""

from pathlib import Path
from typing import Annotated

import typer

from sedd_cli.cli.completion import model_names
from sedd_cli.cli.terminal import Color
from sedd_cli.diffusion.names import SamplerName, ScoreUse

SAMPLING, OUTPUT, MACHINE = "Sampling", "Output", "Checkpoint and machine"

Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        envvar="SEDD_MODEL",
        autocompletion=model_names,
        help="Built-in name, folder, or OWNER/NAME[@REVISION] of the hub.",
        rich_help_panel=MACHINE,
        show_default=False,
    ),
]
Device = Annotated[
    str, typer.Option(envvar="SEDD_DEVICE", help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MACHINE)
]
Dtype = Annotated[
    str,
    typer.Option(help="auto, float32, int8 (CPU), bfloat16 or float16 (CUDA, MPS).", rich_help_panel=MACHINE),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        help="Rows in one network call. Changes no text on a CPU.", rich_help_panel=MACHINE, show_default=False
    ),
]
Steps = Annotated[int, typer.Option(help="Steps of the time grid.", rich_help_panel=SAMPLING)]
Seed = Annotated[int | None, typer.Option(help="Same seed, same text.", rich_help_panel=SAMPLING, show_default=False)]
Row = Annotated[
    int, typer.Option(help="First row of the seed: --row 3 is the fourth text of -n.", rich_help_panel=SAMPLING)
]
Num = Annotated[int, typer.Option("-n", "--num", help="How many texts.", rich_help_panel=SAMPLING)]
Length = Annotated[
    int | None,
    typer.Option(help="Canvas in tokens; the checkpoint's by default.", rich_help_panel=SAMPLING, show_default=False),
]
Sampler = Annotated[
    SamplerName | None,
    typer.Option(
        help="How it steps back in time; tweedie by default (an autoregressive checkpoint has left-to-right alone).",
        rich_help_panel=SAMPLING,
        show_default=False,
    ),
]
Score = Annotated[ScoreUse, typer.Option(help="raw: unnormalised, as in the original code.", rich_help_panel=SAMPLING)]
Temperature = Annotated[float, typer.Option(help="Below 1 sharpens each choice.", rich_help_panel=SAMPLING)]
TopK = Annotated[
    int | None, typer.Option(help="Keep the k likeliest tokens.", rich_help_panel=SAMPLING, show_default=False)
]
TopP = Annotated[
    float | None,
    typer.Option(help="Keep the likeliest tokens of this mass.", rich_help_panel=SAMPLING, show_default=False),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", readable=False, help="Write to FILE, not stdout.", rich_help_panel=OUTPUT, show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]
Trace = Annotated[
    Path | None,
    typer.Option(readable=False, help="Record every step as JSON lines.", rich_help_panel=OUTPUT, show_default=False),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no warnings.", rich_help_panel=OUTPUT)]
Live = Annotated[
    bool | None,
    typer.Option(
        "--live/--no-live",
        help="Show the canvas. Default: if stderr is a terminal.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
ColorChoice = Annotated[Color, typer.Option(help="Colour on stderr.", rich_help_panel=OUTPUT)]
