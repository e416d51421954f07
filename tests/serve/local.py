"""A real server on loopback, in a thread, and a plain client of it."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

from sedd_cli.serve.server import Server, Settings

if TYPE_CHECKING:
    from sedd_cli import Checkpoint


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Of the first choice of a completion."""
        assert self.status == 200, self.body
        text: str = self.json["choices"][0]["text"]
        return text

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events, without `[DONE]`."""
        data = [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]
        return [json.loads(part) for part in data if part != "[DONE]"]


@dataclass(frozen=True)
class Local:
    """A server, and requests of it."""

    server: Server

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Reply:
        return self.ask("POST", path, json.dumps(body).encode(), headers)


@contextmanager
def serving(checkpoint: "Checkpoint", **settings: Any) -> Iterator[Local]:
    """Serve a checkpoint that is loaded, on a free port, until the block ends."""
    server = Server(Settings(port=0, **settings), lambda: checkpoint)
    thread = Thread(target=server.run)
    thread.start()
    local = Local(server)
    try:
        while local.get("/health").status != 200:
            pass
        yield local
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
