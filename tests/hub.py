"""The hub, played on loopback by a real HTTP server, with the faults that a network has."""

import hashlib
import importlib
import json
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import close_session, constants, hf_api


class Mapped(mmap.mmap):
    """A large file, served from the disk in the place of its bytes."""

    @classmethod
    def open(cls, path: Path) -> "Mapped":
        with path.open("rb") as file:
            return cls(file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self).hexdigest()


Files = dict[str, bytes | Mapped]


@dataclass
class Repository:
    """Commits with their files, and the branches and tags that name them."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, ref: str = "main") -> str:
        commit = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[commit] = files
        self.refs[ref] = commit
        return commit


@dataclass
class Hub:
    """What it holds, how it misbehaves, and what it was asked."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    """Those of data sets are named datasets/OWNER/NAME."""
    redirects: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Repository: status and headers of all its answers."""
    cut_after: dict[str, int] = field(default_factory=dict)
    """SHA-256: bytes after which the connection is cut, once."""
    stalls_after: dict[str, tuple[int, Callable[[], object]]] = field(default_factory=dict)
    """SHA-256: bytes after which this is called, once, before the rest is sent."""
    damaged: set[str] = field(default_factory=set)
    """SHA-256: files whose last byte is another."""
    token: str | None = None
    leaked: bool = False
    """Whether another host was told the token."""
    terse: bool = False
    """Whether it describes a repository by the names of its files alone."""
    hang: Callable[[], object] | None = None
    """Called before each answer."""
    asked: list[str] = field(default_factory=list)
    """METHOD PATH [RANGE]."""
    endpoint: str = ""
    cdn: str = ""
    """Where the large files are: on another host, as far as a client can tell."""

    def add(self, name: str, files: Files, ref: str = "main") -> str:
        return self.repositories.setdefault(name, Repository()).commit(files, ref)

    def blobs(self) -> dict[str, bytes | Mapped]:
        every = (data for r in self.repositories.values() for files in r.commits.values() for data in files.values())
        return {sha256(data): data for data in every}

    def gets(self, part: str) -> list[str]:
        return [line for line in self.asked if line.startswith("GET") and part in line]


def sha256(data: bytes | Mapped) -> str:
    return data.sha256 if isinstance(data, Mapped) else hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes | Mapped) -> str:
    """By which git, and so the hub, knows a file that is not stored with LFS."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".parquet"))


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """For a process that is to find this hub, and keep its cache in `home`/hub."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SEDD_")) and "proxy" not in k.lower()}
    # A folder without certificates: reading the system's takes longer than a command, and loopback has none.
    certificates = {"SSL_CERT_DIR": str(home)}
    return {**kept, **certificates, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_HUB_ETAG_TIMEOUT": "5"}


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Run a block of this process under other environment variables, as `environment` returns them.

    huggingface_hub reads them when it is imported: its constants are read again, before the block and after it.
    """
    before = dict(os.environ)
    _set_variables(environment)
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(constants)
    hf_api.api.endpoint = constants.ENDPOINT  # the one object of which `model_info` and `dataset_info` are methods
    close_session()  # proxies are read, and connections kept, by the session


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        self.hub.asked.append(" ".join(filter(None, [self.command, unquote(path), self.headers.get("Range")])))
        if self.hub.hang is not None:
            self.hub.hang()
        if path.startswith("cdn/"):
            self._blob(path.removeprefix("cdn/"))
        elif path.startswith("api/models/") and "/tree/" in path:
            # No repository has folders.
            self._send(404, {"X-Error-Code": "EntryNotFound"})
        elif path.startswith("api/models/"):
            name, _, revision = path.removeprefix("api/models/").partition("/revision/")
            self._repository(name, unquote(revision) or "main", None, "api/models/")
        elif path.startswith("api/datasets/"):
            name, _, revision = path.removeprefix("api/").partition("/revision/")
            self._repository(name, unquote(revision) or "main", None, "api/")
        else:
            name, _, rest = path.partition("/resolve/")
            revision, _, file = rest.partition("/")
            self._repository(name, unquote(revision), unquote(file), "")

    def _repository(self, name: str, revision: str, file: str | None, prefix: str) -> None:
        hub = self.hub
        if name in hub.redirects:
            target = self.path.replace(f"/{prefix}{name}", f"/{prefix}{hub.redirects[name]}", 1)
            return self._send(307, {"Location": target})
        if name in hub.refusals:
            return self._send(*hub.refusals[name])
        allowed = hub.token is None or self.headers.get("Authorization") == f"Bearer {hub.token}"
        if name not in hub.repositories or not allowed:
            return self._send(404 if allowed else 401, {"X-Error-Code": "RepoNotFound"})
        repository = hub.repositories[name]
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        files = repository.commits[commit]
        if file is None:
            told = json.dumps(info(name, commit, files, hub.terse)).encode()
            return self._send(200, {"Content-Type": "application/json"}, told)
        if file not in files:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        return self._file(files[file], {"X-Repo-Commit": commit}, is_lfs(file))

    def _file(self, data: bytes | Mapped, headers: dict[str, str], lfs: bool) -> None:
        if lfs:
            link = {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
            self._send(302, {**headers, **link, "Location": f"{self.hub.cdn}/cdn/{sha256(data)}"})
        else:
            self._send(200, {**headers, "ETag": f'"{git_sha1(data)}"'}, memoryview(self._given(data)))

    def _blob(self, digest: str) -> None:
        data = self._given(self.hub.blobs()[digest])
        self.hub.leaked |= "Authorization" in self.headers
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        cut, stall = self.hub.cut_after.pop(digest, None), self.hub.stalls_after.pop(digest, None)
        span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self._send(206 if start else 200, span, memoryview(data)[start:], cut, stall)

    def _given(self, data: bytes | Mapped) -> bytes | Mapped:
        return data[:-1] + bytes([data[-1] ^ 1]) if sha256(data) in self.hub.damaged else data

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes | memoryview = b"",
        cut: int | None = None,
        stall: tuple[int, Callable[[], object]] | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            sent = 0
            if stall is not None:
                sent, wait = stall
                self.wfile.write(memoryview(body)[:sent])
                wait()
            self.wfile.write(memoryview(body)[sent:cut])
        if cut is not None:
            self.close_connection = True


def info(name: str, commit: str, files: Files, terse: bool) -> dict[str, Any]:
    """As the hub describes a repository when asked for blobs."""
    siblings = []
    for file, data in files.items():
        pointer = sha256(data) if is_lfs(file) else ""
        lfs = {"lfs": {"sha256": pointer, "size": len(data), "pointerSize": 134}} if pointer else {}
        blob = {"size": len(data), "blobId": git_sha1(pointer.encode() or data), **lfs}
        siblings.append({"rfilename": file, **({} if terse else blob)})
    return {"_id": "0", "id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has given up is no fault of ours."""


class Server:
    """The hub, served until `close`."""

    def __init__(self) -> None:
        self.hub = Hub()
        handler = type("BoundHandler", (Handler,), {"hub": self.hub})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.hub.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.hub.cdn = self.hub.endpoint.replace("127.0.0.1", "localhost")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
