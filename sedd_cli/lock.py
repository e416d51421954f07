"""File locks: held by one process at a time, and released by the system when that process ends in any way."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = ".lock"
"""The lock file of a folder to which only one process may write."""


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Try to lock the file at `path`, which is created, until the block ends. Yields whether the lock was acquired.

    True on file systems without locks. The file is not removed: another process may hold the lock of a removed one.
    """
    with path.open("ab") as file:
        yield _acquire(file.fileno())


def _acquire(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
