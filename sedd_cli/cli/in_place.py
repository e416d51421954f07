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


def check_in_place(source: str) -> None:
    """Raises `UsageError` for what has no place to go back to, before it is read: stdin, pipes, devices, folders."""
    if source == "-":
        raise UsageError("--in-place has no file to write to: the document is on stdin", "Leave it out.")
    if Path(source).exists() and not Path(source).is_file():
        raise UsageError(f"{source} is no file that could be written back", "Leave out --in-place.")


class InPlace:
    """A document's own file as the place of the result. Follows symlinks, and keeps the file's mode.

    Raises `SeddError`, before any work is done, if the file cannot be written.
    """

    def __init__(self, document: Document) -> None:
        assert document.path is not None
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
                # Nobody else's to read before it has the mode of what it keeps.
                descriptor = os.open(backup, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                continue
            except OSError as error:
                raise self._no_backup(backup, error) from error
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123 - opened above
                    file.write(self._document.data)
                    file.flush()
                    os.fsync(file.fileno())
                shutil.copymode(self._target, backup)
            except BaseException as error:
                backup.unlink(missing_ok=True)
                if isinstance(error, OSError):
                    raise self._no_backup(backup, error) from error
                raise
            return backup
        raise AssertionError

    def _no_backup(self, backup: Path, error: OSError) -> SeddError:
        return SeddError(
            f"cannot keep a backup at {backup}: {error.strerror}; the file was left as it is",
            "Make room there, or write elsewhere with -o.",
        )
