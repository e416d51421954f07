"""Options that mean the same in every command."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from sedd_cli.cli.completion import model_names
from sedd_cli.cli.output import file_or_stdout
from sedd_cli.cli.terminal import Color
from sedd_cli.generation.options import TABLE, CommandName, Entry, SamplingOptions

SAMPLING, OUTPUT, MACHINE = "Sampling", "Output", "Checkpoint and machine"

Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME",
        envvar="SEDD_MODEL",
        autocompletion=model_names,
        help="Built-in name, folder, or OWNER/NAME[@REVISION] of the hub.",
        rich_help_panel=MACHINE,
        show_default=False,
    ),
]
Device = Annotated[
    str,
    typer.Option(metavar="NAME", envvar="SEDD_DEVICE", help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MACHINE),
]
Dtype = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="auto, float32, int8 (CPU), bfloat16 or float16 (CUDA, MPS).", rich_help_panel=MACHINE
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(metavar="N", help=TABLE["batch_size"].option.help, rich_help_panel=MACHINE, show_default=False),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        parser=file_or_stdout,
        help="Write to FILE; - is stdout.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]
Trace = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=file_or_stdout,
        help="Record every step as JSON lines; - is stdout.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
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
ColorChoice = Annotated[
    Color, typer.Option(metavar="WHEN", help="Colour on stderr: auto, always or never.", rich_help_panel=OUTPUT)
]


def takes_sampling_options(command: CommandName, first: tuple[str, ...]) -> Callable[[Callable[..., None]], Any]:
    """Give a command the sampling options of the table in place of its parameter `sampling: SamplingOptions`.

    `first`: names of parameters, the command's or the table's, that begin the list; those of the machine's panel end
    it. The order is that of the help.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
        own = {n: p.replace(annotation=hints[n]) for n, p in signature.parameters.items()}
        table = {n: _parameter(e, command) for n, e in TABLE.items() if command in e.option.commands}
        at_end = [n for n in table if TABLE[n].option.panel == "machine"]
        before = list(own)[: list(own).index("sampling")]
        order = dict.fromkeys(
            [
                *(n for n in before if n not in first),
                *first,
                *(n for n in table if n not in at_end),
                *(n for n in own if n != "sampling"),
                *at_end,
            ]
        )
        merged = {**own, **table}

        @wraps(function)
        def run(**values: Any) -> None:
            sampling = SamplingOptions(**{n: values.pop(n) for n in table})
            function(**values, sampling=sampling)

        parameters = [merged[n].replace(kind=inspect.Parameter.KEYWORD_ONLY) for n in order]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {n: merged[n].annotation for n in order} | {"return": None}
        return run

    return decorate


def _parameter(entry: Entry, command: CommandName) -> inspect.Parameter:
    option, shown = entry.option, entry.option.commands[command]
    default = entry.default if shown.default is None else shown.default
    declared = typer.Option(
        *option.flags,
        metavar=option.metavar,
        help=option.help if shown.help is None else shown.help,
        rich_help_panel=SAMPLING if option.panel == "sampling" else MACHINE,
        show_default=default not in (None, ""),
    )
    annotation = Annotated[entry.type, declared]  # type: ignore[name-defined]  # built at run time
    return inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
