"""Writing a document back where it came from: backed up, all of it or nothing, and never over a later change."""

import os
import shutil
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from sedd_cli.atomic import AtomicFile
from sedd_cli.cli.document import Document
from sedd_cli.errors import SeddError, UsageError


class InPlace:
    """A document's own file as the place of the result. Follows symlinks, and keeps the file's mode.

    Raises `UsageError` for stdin, and `SeddError`, before any work is done, if the file cannot be written.
    """

    def __init__(self, document: Document) -> None:
        if document.path is None:
            raise UsageError("--in-place has no file to write to: the document is on stdin", "Leave it out.")
        self._document, self._target = document, document.path.resolve()
        self._file = AtomicFile(self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.discard()

    def write(self, text: str) -> Path:
        """Replace the file; gives where what stood in it was kept. Raises `SeddError` if it has changed meanwhile."""
        try:
            now = self._target.read_bytes()
        except OSError as error:
            raise self._refused(f"cannot be read again: {error.strerror}") from error
        if now != self._document.data:
            raise self._refused("was changed by someone else meanwhile")
        self._file.write(text.encode())
        backup = self._back_up()
        self._file.commit()
        return backup

    def _refused(self, why: str) -> SeddError:
        return SeddError(f"{self._document.path} {why}; it was left as it is", "Run the command again.")

    def _back_up(self) -> Path:
        for number in count(1):
            backup = self._target.with_name(f"{self._target.name}~{'' if number == 1 else number}")
            try:
                with backup.open("xb") as file:
                    file.write(self._document.data)
                    file.flush()
                    os.fsync(file.fileno())
                shutil.copymode(self._target, backup)
            except FileExistsError:
                continue
            except OSError as error:
                raise SeddError(
                    f"cannot keep a backup at {backup}: {error.strerror}; the file was left as it is",
                    "Make room there, or write elsewhere with -o.",
                ) from error
            return backup
        raise AssertionError
