"""The `sedd` command: its subcommands, and the one place where errors become exit codes."""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main

import sedd_cli
from sedd_cli.cli.help import Command, Group
from sedd_cli.cli.terminal import Terminal
from sedd_cli.distributed import LocalError, PeerLostError, launched_rank
from sedd_cli.errors import SeddError

NOT_PARSED = {
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
}


COMMANDS = {
    "generate": "generate",
    "infill": "infill",
    "tui": "tui",
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


class GlobalOptions:
    """Options of the `sedd` command itself, for every subcommand."""

    debug = False


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


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 not found or not loadable, 130 interrupted."""
    global_options = GlobalOptions()
    try:
        app(prog_name="sedd", obj=global_options)
    except KeyboardInterrupt:
        sys.exit(130)
    except SeddError as error:
        if global_options.debug:
            raise
        if _reports(error):
            Terminal().error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if global_options.debug:
            raise
        # Ctrl-C while a module is imported: Python 3.11 wraps what a class body's __set_name__ raises.
        if isinstance(error.__cause__, KeyboardInterrupt):
            sys.exit(130)
        if isinstance(error, OSError) and error.filename is not None and error.strerror:
            Terminal().error(SeddError(f"{error.filename}: {error.strerror}", "Choose another path."))
            sys.exit(1)
        if isinstance(error, RuntimeError) and "home directory" in str(error):
            Terminal().error(SeddError("this user has no home folder", "Set HOME."))
            sys.exit(1)
        # On a CPU torch has no exception class for it, only a message.
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
            Terminal().error(SeddError("not enough memory", "Lower --length, --steps, --num or --batch-size."))
            sys.exit(1)
        Terminal().error(
            SeddError(f"{type(error).__name__}: {error}", "This is a bug. sedd --debug ... shows a traceback.")
        )
        sys.exit(1)


def _reports(error: SeddError) -> bool:
    """Whether this process reports an error. Of several in a job only the first does, as most errors are common to all.

    A lost process is reported by two: it may have been the first.
    """
    rank = launched_rank()
    return rank <= isinstance(error, PeerLostError) or isinstance(error, LocalError)
