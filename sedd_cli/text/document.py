"""A user's document, read strictly, so that it can be written back byte for byte."""

import sys
from dataclasses import dataclass
from pathlib import Path

from sedd_cli.errors import NotLoadableError, UsageError


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


def read_document(source: str) -> Document:
    """Read the document at a path, or from stdin for `-`.

    Raises `NotLoadableError` if it cannot be read, `UsageError` if it is empty, binary or not UTF-8.
    """
    if source == "-":
        if sys.stdin is None:
            raise UsageError("the document is '-', but stdin is closed", "Pipe a text in, or name a file.")
        document = _decode(None, sys.stdin.buffer.read())
    else:
        document = read_file(Path(source))
    if not document.data:
        raise UsageError(f"{document.name} is empty", "Give a file with text.")
    return document


def read_file(path: Path) -> Document:
    """Read the document in a file, which may be empty.

    Raises `NotLoadableError` if it cannot be read, `UsageError` if it is binary or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror}", "Name a text file that you can read.") from None
    return _decode(path, data)


def _decode(path: Path | None, data: bytes) -> Document:
    name = "stdin" if path is None else str(path)
    if b"\0" in data:
        raise UsageError(f"{name} is a binary file: byte 0x00 at offset {data.index(0)}", "Give a text in UTF-8.")
    try:
        return Document(path, data, data.decode())
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            "Convert it first, for example with iconv -t UTF-8.",
        ) from None
