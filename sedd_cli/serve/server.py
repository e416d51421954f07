"""The server: a socket, uvicorn and the engine, from start to stop."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.serve.app import make_app
from sedd_cli.serve.engine import LOGGER, Engine
from sedd_cli.serve.guard import is_loopback
from sedd_cli.serve.limits import Limits

if TYPE_CHECKING:
    from sedd_cli.models.checkpoint import Checkpoint

DRAIN_SECONDS = 4.0
"""How long requests may run on after SIGTERM. With what follows, less than 5 s."""
CONNECTIONS = 256
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to listen, and who may ask. `hosts`: names of this machine, beside localhost and its addresses.

    Raises `UsageError` if others than this machine could ask without a key.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    api_key: str | None = field(default=None, repr=False)
    origins: Collection[str] = ()
    hosts: Collection[str] = ()
    limits: Limits = field(default_factory=Limits)
    batch_size: int | None = None

    def __post_init__(self) -> None:
        self.check_address(self.host)

    def check_address(self, address: str) -> None:
        """Raises `UsageError` if others than this machine could ask at an address, without a key."""
        if self.api_key is None and not is_loopback(address):
            raise UsageError(
                f"on {address} whoever reaches this machine could use the server",
                "Give a key by --api-key-file FILE or SEDD_API_KEY, or leave out --host.",
            )


def listen(settings: Settings) -> socket.socket:
    """A socket that listens. Raises `SeddError` if the address cannot be used, `UsageError` if others could ask."""
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # What a name such as localhost means here.
        settings.check_address(str(address[0]))
        sock = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                # Elsewhere it would let two servers share a port.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(128)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise SeddError(
            f"cannot listen on {host}, port {port}: {error.strerror}", "Choose another with --port or --host."
        ) from error
    return sock


class Server:
    """Serves one checkpoint until a signal, or `stop`."""

    def __init__(self, settings: Settings, load: "Callable[[], Checkpoint]") -> None:
        self._settings = settings
        self._socket = listen(settings)
        self._failure: SeddError | None = None
        self.engine = Engine(load, settings.limits, settings.batch_size, self._fail)
        app = make_app(
            self.engine,
            settings.limits,
            created=int(time.time()),
            hosts={settings.host, *settings.hosts},
            origins=settings.origins,
            api_key=settings.api_key,
        )
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=int(DRAIN_SECONDS) + 1,
            ),
            self.engine,
        )

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def run(self) -> int | None:
        """Serve. Returns the signal that ended it. Raises `SeddError` if the checkpoint cannot be loaded or run."""
        self.engine.start()
        try:
            self._uvicorn.run([self._socket])
        finally:
            self.engine.close(timeout=0.5)
        if self._failure is not None:
            raise self._failure
        return self._uvicorn.signal

    def stop(self) -> None:
        """End as by SIGTERM; from any thread."""
        self._uvicorn.should_exit = True

    def _fail(self, error: SeddError) -> None:
        self._failure = error
        self.stop()


class _Uvicorn(uvicorn.Server):
    """Ends by the first signal once requests have, or after `DRAIN_SECONDS`; by the second at once."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine
        self.signal: int | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that are still there get an answer that says why they have no other.
        late = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._engine.close, 0.0)
        await super().shutdown(sockets)
        late.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As in the base class, which ends by raising the signal again: here the caller decides."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self.signal = sig


def log_to(report: Callable[[str], None]) -> None:
    """Report errors of the HTTP server and of the engine, one line each, in place of a log."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            cause = record.exc_info[1] if record.exc_info else None
            if isinstance(cause, asyncio.CancelledError):
                # A request that the second signal ends.
                return
            message = record.getMessage().partition("\n")[0]
            if cause is not None:
                message += f": {type(cause).__name__}: {cause}".partition("\n")[0]
            report(message)

    for logger in (logging.getLogger("uvicorn"), LOGGER):
        logger.handlers, logger.propagate = [Handler()], False
        logger.setLevel(logging.ERROR)
