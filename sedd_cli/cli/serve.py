"""`sedd serve`: the checkpoint as a local endpoint, for editors and clients of OpenAI's API."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_if_missing
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError, UsageError

if TYPE_CHECKING:
    from sedd_cli.models.checkpoint import Checkpoint

WHO, LIMITS = "Who may ask", "Limits"
KEY = "SEDD_API_KEY"


def serve(
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Address to listen on; others than loopback need a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes one that is free.")] = 8484,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Require the key in FILE, or that in {KEY}.", rich_help_panel=WHO, show_default=False
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let pages of this origin ask, such as http://localhost:3000. Repeatable.",
            rich_help_panel=WHO,
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name of this machine, as clients write it. Repeatable.",
            rich_help_panel=WHO,
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=2, help="Largest canvas in tokens; the checkpoint's by default.", rich_help_panel=LIMITS
        ),
    ] = None,
    requests: Annotated[
        int, typer.Option(metavar="N", min=1, help="Requests that run or wait at a time.", rich_help_panel=LIMITS)
    ] = 32,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Longest time of a request.", rich_help_panel=LIMITS)
    ] = 120.0,
    max_bytes: Annotated[
        int, typer.Option(metavar="N", min=1024, help="Largest body of a request.", rich_help_panel=LIMITS)
    ] = 1 << 20,
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
) -> None:
    """Serve the checkpoint to editors and to clients of OpenAI's API, on this machine.

    POST /v1/completions, /v1/chat/completions, /v1/edit and /infill; GET /v1/models and /health. See docs/serve.md.

    For example: sedd serve --port 8484
    """
    terminal = Terminal(quiet=quiet)
    try:
        from sedd_cli.serve.server import Server, Settings, log_to
    except ImportError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise SeddError("the server needs starlette and uvicorn", "Install sedd-cli[serve].") from error
    from sedd_cli.serve.limits import Limits

    settings = Settings(
        host=host,
        port=port,
        api_key=_api_key(api_key_file),
        origins=[_origin(origin) for origin in cors or []],
        hosts=allow_host or [],
        limits=Limits(length=length, body=max_bytes, seconds=timeout, requests=requests),
        batch_size=batch_size,
    )
    fetch_if_missing(model, terminal)

    def load() -> "Checkpoint":
        from sedd_cli.cli.checkpoints import load

        # Its hash is in the answers: read now, no request waits for it.
        checkpoint = load(model, device, dtype, terminal, identified=True)
        terminal.info(f"{checkpoint.name} is loaded")
        return checkpoint

    server = Server(settings, load)
    log_to(terminal.warn)
    terminal.info(f"listening on {server.url}")
    if server.run() == signal.SIGINT:
        raise typer.Exit(130)


def _api_key(file: Path | None) -> str | None:
    """The key of a file or of the environment. Raises `SeddError` or `UsageError` for one that cannot be used."""
    if file is None:
        key, where = os.environ.get(KEY), KEY
        if key is None:
            return None
    else:
        where = str(file)
        try:
            key = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SeddError(f"cannot read the key in {file}: {reason}", "Name a file with one line.") from error
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{where} holds no key", "A key is one line of ASCII without blanks.")
    return key


def _origin(origin: str) -> str:
    """An origin as browsers write it. Raises `UsageError` for what is none."""
    scheme, mark, host = origin.partition("://")
    if not mark or not scheme or not host or "/" in host or "*" in origin:
        raise UsageError(f"{origin!r} is no origin", "Write scheme, name and port: --cors http://localhost:3000.")
    return origin
