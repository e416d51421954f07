"""Bytes from outside to text: gzip is unpacked, a byte order mark dropped, and all but UTF-8 refused with a way out."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from sedd_cli.errors import NotLoadableError, UsageError

BOM = "\ufeff"
GZIP = b"\x1f\x8b"
CONTEXT = 4096
"""Bytes read beyond a line that is no text, to find out what it is."""

_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def without_bom(data: bytes) -> bytes:
    """The bytes of a file that is read and not written back, which some editors begin with a mark."""
    return data.removeprefix(BOM.encode())


@contextmanager
def open_unpacked(file: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, through gzip if it begins as that.

    Raises `NotLoadableError` if it cannot be read or is damaged, also later within the block.
    """
    try:
        with file.open("rb") as raw:
            if raw.peek(len(GZIP)).startswith(GZIP):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked  # type: ignore[misc]  # a BinaryIO in all but name
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NotLoadableError(f"{file} is damaged gzip: {error}", "Fetch it or pack it again.") from error
    except OSError as error:
        raise NotLoadableError(
            f"cannot read {file}: {error.strerror}", "Check the path and its permissions."
        ) from error


def read_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a file with their endings, without a byte order mark.

    Raises `NotLoadableError` if it cannot be read, holds a NUL or is not UTF-8.
    """
    offset = 0
    with open_unpacked(file) as stream:
        for line in stream:
            if (text := decode(line)) is None:
                raise NotLoadableError(*fault_of(line + stream.read(CONTEXT), file, offset))
            yield text if offset else text.removeprefix(BOM)
            offset += len(line)


def decode(data: bytes) -> str | None:
    """The text of bytes in UTF-8, with its byte order mark; None if they are not that, or hold a NUL."""
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def fault_of(data: bytes, file: Path | None, offset: int = 0) -> tuple[str, str]:
    """What is wrong with bytes that `decode` refuses, and what to do.

    `file`: where they are from (None: stdin); `offset`: the place of the first of them in it.
    """
    name = "stdin" if file is None else str(file)
    if offset == 0 and (wide := _wide_encoding(data)):
        return f"{name} is {wide}, not UTF-8", f"Convert it: {_iconv(file, wide)}"
    if b"\0" in data:
        return f"{name} is a binary file: byte 0x00 at offset {offset + data.index(0)}", "Give a text in UTF-8."
    try:
        data.decode()
    except UnicodeDecodeError as error:
        place = f"byte 0x{data[error.start]:02x} at offset {offset + error.start}"
        return f"{name} is not UTF-8: {place}", _mend(data, error.start, file)
    raise AssertionError("this is text")


def _wide_encoding(head: bytes) -> str | None:
    """The name of UTF-16 or UTF-32, by its mark, or by the NUL that UTF-16 has in every other byte of Western text."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) < 4:
        return None
    even, odd = head[: 2 * CONTEXT : 2], head[1 : 2 * CONTEXT : 2]
    if 0 not in even and odd.count(0) > len(odd) * 0.7:
        return "UTF-16LE"
    return "UTF-16BE" if 0 not in odd and even.count(0) > len(even) * 0.7 else None


def _mend(data: bytes, start: int, file: Path | None) -> str:
    if not data[:start].isascii():
        return f"It is UTF-8 up to there: mend that byte, or drop it by {_iconv(file, 'UTF-8', '-c ')}"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return f"Convert it from what it is (iconv -l lists names): {_iconv(file, 'ENCODING')}"
    # It holds all of LATIN1 that is printed, and the quotes and dashes of Windows.
    return f"Convert it, if it is Western European: {_iconv(file, 'WINDOWS-1252')}"


def _iconv(file: Path | None, encoding: str, option: str = "") -> str:
    command = f"iconv {option}-f {encoding} -t UTF-8"
    if file is None:
        return command
    if file.suffix.lower() == ".gz":
        return f"gunzip -c {quote(str(file))} | {command} > {quote(str(file.with_suffix('')))}"
    # The suffix stays last: it is what a folder of texts is read by.
    return f"{command} {quote(str(file))} > {quote(str(file.with_suffix(f'.utf8{file.suffix}')))}"


def check_text(name: str, text: str) -> None:
    """Raises `UsageError` for what is no text, or none that UTF-8 can hold."""
    if not isinstance(text, str):
        raise UsageError(f"the {name} must be a text, not {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {name} is not valid UTF-8 (at character {error.start})", "Give it as UTF-8 text."
        ) from None
