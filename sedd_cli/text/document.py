"""A user's document, read strictly, so that it can be written back byte for byte."""

import gzip
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.text.encodings import GZIP, decode, fault_of


@dataclass(frozen=True)
class Document:
    """`text` is the decoded UTF-8 with newlines and BOM unchanged: `text.encode() == data`.

    `path` is None for stdin and for a text without a file.
    """

    path: Path | None
    data: bytes
    text: str

    @property
    def name(self) -> str:
        return "stdin" if self.path is None else str(self.path)


def read_document(source: str, *, unpack: bool = False) -> Document:
    """Read the document at a path, or from stdin for `-`. `unpack`: through gzip, so that it cannot be written back.

    Raises `NotLoadableError` if it cannot be read, `UsageError` if it is empty, binary or not UTF-8.
    """
    if source == "-":
        if sys.stdin is None:
            raise UsageError("the document is '-', but stdin is closed", "Pipe a text in, or name a file.")
        document = _decode(None, sys.stdin.buffer.read(), unpack=unpack)
    else:
        document = read_file(Path(source), unpack=unpack)
    if not document.data:
        raise UsageError(f"{document.name} is empty", "Give a file with text.")
    return document


def read_file(path: Path, *, unpack: bool = False) -> Document:
    """Read the document in a file, which may be empty. `unpack`: see `read_document`.

    Raises `NotLoadableError` if it cannot be read, `UsageError` if it is binary or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror}", "Name a text file that you can read.") from None
    return _decode(path, data, unpack=unpack)


def _decode(path: Path | None, data: bytes, *, unpack: bool) -> Document:
    if data.startswith(GZIP):
        data = _unpack(path, data, allowed=unpack)
    if (text := decode(data)) is None:
        raise UsageError(*fault_of(data, path))
    return Document(path, data, text)


def _unpack(path: Path | None, data: bytes, *, allowed: bool) -> bytes:
    name = "stdin" if path is None else str(path)
    if not allowed:
        command = "gunzip -c" if path is None else f"gunzip -k {quote(name)}"
        raise UsageError(f"{name} is packed by gzip, and could not be written back", f"Unpack it first: {command}")
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise NotLoadableError(f"{name} is damaged gzip: {error}", "Fetch it or pack it again.") from error
