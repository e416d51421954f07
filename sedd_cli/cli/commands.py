"""The commands of `sedd`, by Typer."""

from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main

import sedd_cli
from sedd_cli.cli.help import Command, Group

NOT_PARSED = {
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
}


COMMANDS = {
    "generate": "generate",
    "infill": "infill",
    "proof": "proof",
    "tui": "tui",
    "serve": "serve",
    "score": "score",
    "replay": "replay",
    "export": "export",
    "train": "train",
    "plot": "plot",
    "eval": "evaluate",
    "models": "models",
    "download": "download",
    "doctor": "doctor",
}
"""In the order of use, which is that of the help: each is a module of this name, and in it the command."""


class Commands(Group):
    """The commands, imported when they are used: `sedd tui` would wait for all others otherwise.

    Rewords pydantic's messages on a bad value, which typer passes on.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(_command(cmd_name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            # A similar name is looked for among those that are there.
            for name in COMMANDS:
                self.get_command(ctx, name)
        # The older name of `sedd plot`.
        return super().resolve_command(ctx, args[1:] if args[:2] == ["train", "plot"] else args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = NOT_PARSED.get(error.message, error.message.removeprefix("Value error, "))
            raise


def _command(name: str) -> Any:
    command = getattr(import_module(f"sedd_cli.cli.{name}"), COMMANDS[name])
    parent = typer.Typer()
    if isinstance(command, typer.Typer):
        parent.add_typer(command, name=name)
    else:
        parent.command(name, cls=Command)(command)
    return typer.main.get_group(parent).commands[name]


HELP = """Score-entropy discrete diffusion on text: generate by denoising, and watch it happen.

  sedd generate "Once upon a time"
  sedd infill story.txt --mask 10:40 --diff

sedd COMMAND --help shows the options of a command."""

app = typer.Typer(
    name="sedd",
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"sedd {sedd_cli.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj.debug = debug
