"""A lock that one process at a time can hold; it goes when its process does, however that ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
"""The file of a folder that only one process may write to."""


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock on a file, which is made, until the block ends; gives whether it was to be had.

    Where a file system knows no locks it always is. The file stays: of one that is removed another may hold the lock.
    """
    with path.open("ab") as file:
        yield _take(file.fileno())


def _take(descriptor: int) -> bool:
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
