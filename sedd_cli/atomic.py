"""Write files atomically: beside the target, then renamed. A target is either the old or the complete new file."""

import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sedd_cli.errors import SeddError


class AtomicFile:
    """A file being written. `path` does not change until `commit`.

    Follows symlinks and keeps an existing file's mode; a new file gets `mode`, less the umask. Writes directly to
    anything but a regular file (a pipe, /dev/null). Raises `SeddError` at once if the target cannot be written.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self._temporary: Path | None = None
        try:
            if path.exists() and not path.is_file() and not path.is_dir():
                self._file: BinaryIO = path.open("wb")
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

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
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

    def _failed(self, error: OSError | RuntimeError) -> SeddError:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return SeddError(f"cannot write {self.path}: {reason}", "Choose another path, or free disk space.")


def write_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file atomically. Raises `SeddError` if it cannot be written."""
    file = AtomicFile(path, mode)
    try:
        file.write(data)
        file.commit()
    finally:
        file.discard()
