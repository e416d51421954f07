"""The `sedd` command: the one place where errors become exit codes."""

import atexit
import gc
import sys

from sedd_cli.cli.terminal import Terminal
from sedd_cli.distributed import LocalError, PeerLostError, launched_rank
from sedd_cli.errors import SeddError


class GlobalOptions:
    """Options of the `sedd` command itself, for every subcommand."""

    debug = False


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 not found or not loadable, 130 interrupted."""
    global_options = GlobalOptions()
    # On its way out Python searches all objects for garbage, torch's too, again and again: 0.2 s.
    atexit.register(gc.freeze)
    try:
        _run(sys.argv[1:], global_options)
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
            train = "Lower --set micro_batch=N or model.length=N, or --set model.checkpointing=true."
            hint = train if sys.argv[1:2] == ["train"] else "Lower --length, --steps, --num or --batch-size."
            Terminal().error(SeddError("not enough memory", hint))
            sys.exit(1)
        Terminal().error(
            SeddError(f"{type(error).__name__}: {error}", "This is a bug. sedd --debug ... shows a traceback.")
        )
        sys.exit(1)


def _run(arguments: list[str], options: GlobalOptions) -> None:
    from sedd_cli.cli.session import open_session, plain_session

    # The first paint need not wait for a parser where there are no options.
    if (values := plain_session(arguments)) is not None:
        sys.exit(open_session(**values))
    from sedd_cli.cli.commands import app

    app(prog_name="sedd", obj=options)


def _reports(error: SeddError) -> bool:
    """Whether this process reports an error. Of several in a job only the first does, as most errors are common to all.

    A lost process is reported by two: it may have been the first.
    """
    rank = launched_rank()
    return rank <= isinstance(error, PeerLostError) or isinstance(error, LocalError)
