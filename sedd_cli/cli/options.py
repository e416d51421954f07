"""Options that mean the same in every command."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from sedd_cli.cli.completion import model_names
from sedd_cli.cli.output import file_or_stdout
from sedd_cli.cli.terminal import Color
from sedd_cli.generation.options import TABLE, CommandName, Entry, SamplingOptions

SAMPLING, ORDER, OUTPUT, MACHINE = "Sampling", "Order and corrections", "Output", "Checkpoint and machine"
PANELS = {"sampling": SAMPLING, "order": ORDER, "machine": MACHINE}

_output = partial(typer.Option, rich_help_panel=OUTPUT)
_machine = partial(typer.Option, rich_help_panel=MACHINE)

OWN_SETTINGS: tuple[CommandName, ...] = ("generate", "infill")
"""The commands that take the checkpoint's own settings where none is given."""
CHECKPOINT = "Built-in name, folder, or OWNER/NAME[@REVISION] of the hub."
DEVICES = "auto, cpu, cuda, cuda:N or mps."

Model = Annotated[
    str | None,
    _machine("-m", "--model", metavar="NAME", envvar="SEDD_MODEL", autocompletion=model_names, help=CHECKPOINT),
]
Device = Annotated[str, _machine(metavar="NAME", envvar="SEDD_DEVICE", help=DEVICES)]
Dtype = Annotated[str, _machine(metavar="NAME", help="auto, float32, bfloat16, int8 (CPU) or float16 (CUDA, MPS).")]
BatchSize = Annotated[int | None, _machine(metavar="N", help=TABLE["batch_size"].option.help)]
OutputFile = Annotated[
    Path | None,
    _output("-o", "--output", metavar="FILE", parser=file_or_stdout, help="Write to FILE; - is stdout."),
]
Json = Annotated[bool, _output("--json", help="Print JSON.")]
Trace = Annotated[
    Path | None,
    _output(metavar="FILE", parser=file_or_stdout, help="Record every step as JSON lines; - is stdout."),
]
Quiet = Annotated[bool, _output("-q", "--quiet", help="No notes, no warnings.")]
Live = Annotated[bool | None, _output("--live/--no-live", help="Show the canvas. Default: if stderr is a terminal.")]
ColorChoice = Annotated[Color, _output(metavar="WHEN", help="Colour on stderr: auto, always or never.")]


CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Leave out the checkpoint's own settings.", rich_help_panel=SAMPLING),
]


def takes_sampling_options(command: CommandName, first: tuple[str, ...]) -> Callable[[Callable[..., None]], Any]:
    """Give a command the sampling options of the table in place of its parameter `sampling: SamplingOptions`.

    `first`: names of parameters, the command's or the table's, that begin the list; those of the machine's panel end
    it. The order is that of the help. A parameter `given` gets the names of the options that are not left out.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
        own = {n: p.replace(annotation=hints[n]) for n, p in signature.parameters.items() if n != "given"}
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
        def run(context: typer.Context, **values: Any) -> None:
            if "given" in signature.parameters:
                values["given"] = {n for n in table if _is_given(context, n)}
            sampling = SamplingOptions(**{n: values.pop(n) for n in table})
            function(**values, sampling=sampling)

        parameters = [merged[n].replace(kind=inspect.Parameter.KEYWORD_ONLY) for n in order]
        parameters.insert(0, CONTEXT)
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return run

    return decorate


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _parameter(entry: Entry, command: CommandName) -> inspect.Parameter:
    option, shown = entry.option, entry.option.commands[command]
    default = entry.default if shown.default is None else shown.default
    told: bool | str = default not in (None, "")
    if told and option.setting and option.setting.blank and command in OWN_SETTINGS:
        told = option.setting.blank
    declared = typer.Option(
        *option.flags,
        metavar=option.metavar,
        help=option.help if shown.help is None else shown.help,
        rich_help_panel=PANELS[option.panel],
        show_default=told,
    )
    annotation = Annotated[entry.type, declared]  # type: ignore[name-defined]  # built at run time
    return inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
