"""`sedd export`: write a recorded run as a picture, a web page or an asciicast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedd_cli.cli import options
from sedd_cli.cli.output import check_outputs, file_or_stdout
from sedd_cli.cli.replay import TraceFile, WhichRow, read_recording
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    from sedd_cli.render.export import ExportFormat

EXPORT = "Export"


def export(
    trace: TraceFile,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", parser=file_or_stdout, help="A file that ends in .svg, .html or .cast; - is stdout."
        ),
    ],
    format: Annotated[
        Literal["svg", "html", "cast"] | None,
        typer.Option(metavar="NAME", help="svg, html or cast. Default: as OUT ends.", rich_help_panel=EXPORT),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="svg: this step, not the last. html: open there, not play.", rich_help_panel=EXPORT
        ),
    ] = None,
    row: WhichRow = None,
    speed: Annotated[
        float | None,
        typer.Option(metavar="X", help="html, cast: steps a second; all in 10 s by default.", rich_help_panel=EXPORT),
    ] = None,
    width: Annotated[int, typer.Option(metavar="N", help="Characters in a line.", rich_help_panel=EXPORT)] = 88,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Export a recorded run as a picture, a web page or an asciicast.

    OUT.svg is a picture of one step; OUT.html a page that plays it, with a slider; OUT.cast plays in asciinema. The
    file is self-contained, and the model is not needed.

    For example: sedd export run.jsonl run.html
    """
    from sedd_cli.atomic import write_file
    from sedd_cli.render.export import export as export_recording

    terminal = Terminal(quiet=quiet, color=color)
    format = format or _format_of(out)
    check_outputs({"OUT": out}, [trace])
    sample = read_recording(trace, row, terminal)
    data = export_recording(sample, format, step=step, speed=speed, width=width)
    write_file(out, data)
    terminal.info(f"{out}: {counted(sample.last, 'step')}, {len(data) / 1000:.0f} kB")


def _format_of(out: Path) -> "ExportFormat":
    from sedd_cli.render.export import EXPORT_FORMATS

    for format in EXPORT_FORMATS:
        if out.suffix.lower() == f".{format}":
            return format
    raise UsageError(f"{out} ends in none of .svg, .html and .cast", "The suffix selects the format, or --format.")
