"""`sedd serve` as a process."""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Process:
    """A server that has loaded its checkpoint; `log`: its stderr."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: IO[str]

    @property
    def health(self) -> int:
        """The status of `/health`."""
        return _health(self.port)

    @property
    def said(self) -> str:
        """All of its stderr."""
        self.log.seek(0)
        return self.log.read()

    @property
    def resident(self) -> int:
        """Bytes of memory that it takes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def process_of(model: str, *options: str, port: int = 0) -> Iterator[Process]:
    """`sedd serve` of a checkpoint, once it is ready; killed in the end if it is still there."""
    command = [sys.executable, "-m", "sedd_cli", "serve", "--port", str(port), "-m", model, *options]
    # A file, not a pipe: with a full one it would wait for its reader.
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            server = Process(process, port, log)
            while "listening on" not in server.said:
                assert process.poll() is None, server.said
            server = Process(process, int(server.said.split("\n")[0].rpartition(":")[2]), log)
            while server.health != 200:
                pass
            yield server
        finally:
            process.kill()


def _health(port: int) -> int:
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/health")
        return connection.getresponse().status
