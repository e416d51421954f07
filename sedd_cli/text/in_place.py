"""Write a text to a user's file: atomically, with a backup, never over a later change.

Symlinks are followed, and a file keeps its mode.
"""

import filecmp
import os
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

from sedd_cli.atomic import AtomicFile, write_file
from sedd_cli.errors import SeddError
from sedd_cli.text.document import Document


def check_writable(document: Document) -> None:
    """Raises `SeddError` if a document's file cannot be written. Called before the work, not after it."""
    AtomicFile(_path_of(document)).discard()


def changed_on_disk(document: Document) -> bool:
    """Whether a document's file, if it has one, is gone or differs from what was read."""
    if document.path is None:
        return False
    try:
        if not document.path.is_file():
            return True
        with document.path.open("rb") as file:
            # One byte more detects a longer file, however long it is.
            return file.read(len(document.data) + 1) != document.data
    except OSError:
        return True


def save(document: Document, text: str) -> Document:
    """Overwrite a document that we wrote ourselves, without a backup.

    Raises `SeddError` if the file was changed meanwhile or cannot be written; it then stays as it is.
    """
    _check_unchanged(document)
    return _write(_path_of(document), text)


def save_with_backup(document: Document, text: str) -> tuple[Document, Path]:
    """Overwrite a document. Returns the new document and the path of the backup.

    Raises `SeddError` if the file was changed meanwhile, or it or the backup cannot be written; it then stays as it
    is.
    """
    _check_unchanged(document)
    return overwrite_with_backup(_path_of(document), text)


def write_new(path: Path, text: str) -> Document:
    """Write a new file. Raises `SeddError` if the path exists or cannot be written."""
    if os.path.exists(path):  # noqa: PTH110 - a name too long is reported by the write
        raise SeddError(f"{path} already exists; it was left as it is", "Choose another name.")
    return _write(path, text)


def overwrite_with_backup(path: Path, text: str) -> tuple[Document, Path]:
    """Overwrite a file, whatever it holds. Returns the new document and the path of the backup.

    Raises `SeddError` if it is not a regular file, or it or the backup cannot be written; it then stays as it is.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        raise SeddError(f"{path} is not a regular file, so it cannot be backed up", "Choose another path.")
    data, file = text.encode(), AtomicFile(path)
    try:
        file.write(data)
        backup = _back_up(path.resolve())
        try:
            file.commit()
        except SeddError:
            # Otherwise backups of a file that was never replaced would pile up with each attempt.
            with suppress(OSError):
                if filecmp.cmp(path, backup, shallow=False):
                    backup.unlink()
            raise
    finally:
        file.discard()
    return Document(path, data, text), backup


def _path_of(document: Document) -> Path:
    assert document.path is not None, "a document without a file cannot be written back"
    return document.path


def _write(path: Path, text: str) -> Document:
    data = text.encode()
    write_file(path, data)
    return Document(path, data, text)


def _check_unchanged(document: Document) -> None:
    if not changed_on_disk(document):
        return
    path = _path_of(document)
    if not os.path.exists(path):  # noqa: PTH110 - never raises
        raise SeddError(f"{path} no longer exists; nothing was written", "Restore it, or use another name.")
    raise SeddError(
        f"{path} was changed by another program; it was left as it is", "Read it again and repeat the edit."
    )


def _back_up(target: Path) -> Path:
    for number in count(1):
        backup = target.with_name(f"{target.name}~{'' if number == 1 else number}")
        try:
            # Not readable by others until it has the mode of the original.
            descriptor = os.open(backup, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise _backup_error(backup, error) from error
        try:
            # Copied from the disk: the file that is replaced is backed up, even if it is not text.
            with open(descriptor, "wb") as copy, target.open("rb") as file:  # noqa: PTH123 - opened above
                shutil.copyfileobj(file, copy)
                copy.flush()
                os.fsync(copy.fileno())
            shutil.copymode(target, backup)
        except BaseException as error:
            backup.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _backup_error(backup, error) from error
            raise
        return backup
    raise AssertionError


def _backup_error(backup: Path, error: OSError) -> SeddError:
    return SeddError(
        f"cannot write the backup {backup}: {error.strerror}; the file was left as it is",
        "Free disk space, or write to another path.",
    )
