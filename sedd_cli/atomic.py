"""Files are written beside their target and then renamed: a target is either the old file or the whole new one."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from sedd_cli.errors import SeddError


class AtomicFile:
    """A file under way. Nothing is at `path` (or what was there stays) until `commit`.

    Follows symlinks and keeps an existing file's mode; what is no regular file (a pipe, /dev/null) is written to
    directly. Raises `SeddError` where the target cannot be written, as early as here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        target = path.resolve()
        direct = target.exists() and not target.is_file() and not target.is_dir()
        self._target = target
        self._temporary = None if direct else target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            if target.is_dir():
                raise IsADirectoryError(21, "it is a folder")
            if target.is_file() and not os.access(target, os.W_OK):
                raise PermissionError(13, "it is read-only")
            self._file: BinaryIO = (self._temporary or target).open("wb" if direct else "xb")
        except OSError as error:
            raise self._failed(error) from error

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.discard()
            raise self._failed(error) from error

    def commit(self) -> None:
        """Put the file in its place."""
        try:
            self._file.flush()
            if self._temporary is not None:
                os.fsync(self._file.fileno())
                self._file.close()
                if self._target.exists():
                    self._temporary.chmod(self._target.stat().st_mode)
                self._temporary.replace(self._target)
            else:
                self._file.close()
        except OSError as error:
            self.discard()
            raise self._failed(error) from error

    def discard(self) -> None:
        """Leave no trace of it; the target is as it was."""
        try:
            self._file.close()
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> SeddError:
        return SeddError(
            f"cannot write {self.path}: {error.strerror or error}",
            "Choose another place, or make room there.",
        )
