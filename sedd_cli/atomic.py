"""Write files atomically: beside the target, then renamed. A target is either the old or the complete new file.

What is no regular file (a pipe, a socket, a device, a descriptor of this process) is written to instead.
"""

import os
import secrets
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sedd_cli.errors import SeddError

STDOUT = Path("/dev/stdout")
"""Names stdout on every system."""
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_MAX_LINKS = 40


def descriptor_of(path: Path) -> int | None:
    """The descriptor of this process that a path names, as /dev/stdout and /dev/fd/3 do; None for other paths.

    Such a path leads to the file behind the descriptor, but means the descriptor: its offset, and whether it appends.
    """
    own = {os.path.realpath(folder) for folder in ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")}
    for _ in range(_MAX_LINKS):
        if path.as_posix() in _STANDARD:
            return _STANDARD[path.as_posix()]
        folder = os.path.realpath(path.parent)
        if path.name.isdecimal() and folder in own:
            return int(path.name)
        if not os.path.islink(path):  # noqa: PTH114 - never raises
            return None
        path = Path(folder, path.readlink())
    return None


class AtomicFile:
    """A file being written. `path` does not change until `commit`.

    Follows symlinks and keeps an existing file's mode; a new file gets `mode`, less the umask. Writes directly to
    anything but a regular file, and there ends quietly if a pipe is closed. Raises `SeddError` at once if the target
    cannot be written.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self._temporary: Path | None = None
        try:
            stream = _open_stream(path)
            if stream is not None:
                self._file: BinaryIO = stream
                return
            self._target = path.resolve()
            if self._target.is_dir():
                raise IsADirectoryError(21, "it is a folder")
            if self._target.is_file():
                if not os.access(self._target, os.W_OK):
                    raise PermissionError(13, "it is read-only")
                # The temporary file is no more readable than the target.
                mode = self._target.stat().st_mode & 0o777
            temporary = self._target.with_name(f".{self._target.name[:50]}.{secrets.token_hex(4)}.part")
            self._file = open(temporary, "xb", opener=partial(os.open, mode=mode))  # noqa: SIM115 - has an opener
            self._temporary = temporary
        except (OSError, RuntimeError) as error:
            # A loop of symlinks raises RuntimeError.
            raise self._failed(error) from error

    @property
    def replaces(self) -> bool:
        """Whether `commit` replaces an existing file."""
        return self._temporary is not None and self._target.is_file()

    @property
    def is_terminal(self) -> bool:
        return self._file.isatty()

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self.discard()
            raise self._failed(error) from error

    def commit(self) -> None:
        """Move the file to its target."""
        try:
            self._file.flush()
            if self._temporary is not None:
                os.fsync(self._file.fileno())
                if self._target.exists():
                    self._temporary.chmod(self._target.stat().st_mode)
                self._temporary.replace(self._target)
                self._temporary = None
            self._file.close()
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self.discard()
            raise self._failed(error) from error
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Delete the temporary file; the target is unchanged. Does nothing after `commit`."""
        # Closing flushes, which fails again if writing failed.
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _drop(self) -> None:
        """Write to nothing from now on: the reader has closed its end."""
        with suppress(OSError):
            self._file.close()
        self._file = open(os.devnull, "wb")  # noqa: SIM115, PTH123 - closed like the file it replaces

    def _failed(self, error: OSError | RuntimeError) -> SeddError:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return SeddError(f"cannot write {self.path}: {reason}", "Choose another path, or free disk space.")


def _open_stream(path: Path) -> BinaryIO | None:
    """Open what is written to directly; None for a file, a folder and what does not exist."""
    descriptor = descriptor_of(path)
    if descriptor is not None:
        # The number of a closed one may have gone to another file.
        if descriptor in (1, 2) and getattr(sys, ("stdout", "stderr")[descriptor - 1]) is None:
            raise OSError(9, "it is closed")
        os.write(descriptor, b"")  # Raises if it is open for reading only.
        return os.fdopen(os.dup(descriptor), "wb")
    if not path.exists() or path.is_file() or path.is_dir():
        return None
    if not path.is_socket():
        return path.open("wb")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        return connection.makefile("wb")


def write_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file atomically. Raises `SeddError` if it cannot be written."""
    file = AtomicFile(path, mode)
    try:
        file.write(data)
        file.commit()
    finally:
        file.discard()
