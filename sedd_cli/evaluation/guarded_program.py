"""Runs `program.py` of the folder that it is started in, with little to spend; a process of `execution` alone.

Started as `python -I -B guarded_program.py SECONDS MEMORY FILE_SIZE NONCE`. It writes the nonce once the program has
come to its end, so that leaving early does not count as passing. Needs the standard library alone.
"""

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

REFUSED = (
    *("ctypes.", "pty.", "shutil.", "signal.pthread_kill", "socket.", "subprocess."),
    *("os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.putenv", "os.spawn", "os.system"),
)
"""How the names of what is refused begin (docs.python.org/3/library/audit_events.html)."""
CHANGES = frozenset(
    f"os.{name}" for name in ("link", "mkdir", "remove", "rename", "rmdir", "symlink", "truncate", "utime")
)
"""What is refused outside the program's own folder."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit(seconds: int, memory: int, file_size: int) -> None:
    """Limit what this process may use. Limits that a system does not have, or root is not held to, are left out."""
    limits = {"CPU": seconds, "AS": memory, "FSIZE": file_size, "NPROC": 0, "CORE": 0, "NOFILE": 64}
    for name, most in limits.items():
        which: int | None = getattr(resource, f"RLIMIT_{name}", None)
        if which is None:
            continue
        try:
            resource.setrlimit(which, (most, most + (name == "CPU")))
        except (ValueError, OSError):
            continue


def guard_of(folder: str) -> Callable[[str, tuple[object, ...]], None]:
    """An audit hook that refuses network, processes and changes outside a folder."""

    def is_outside(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return not f"{os.path.realpath(os.fsdecode(path))}{os.sep}".startswith(folder + os.sep)

    def guard(event: str, arguments: tuple[object, ...]) -> None:
        refused = event.startswith(REFUSED)
        if event == "open":
            path, _, flags = arguments
            refused = isinstance(flags, int) and bool(flags & WRITES) and is_outside(path)
        elif event in CHANGES:
            refused = any(map(is_outside, arguments))
        if refused:
            raise PermissionError(f"{event} is refused")

    return guard


def main() -> None:
    seconds, memory, file_size = map(int, sys.argv[1:4])
    nonce = sys.argv[4].encode()
    del sys.argv[1:]
    limit(seconds, memory, file_size)
    report, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    code = compile(Path("program.py").read_bytes(), "program.py", "exec")
    sys.addaudithook(guard_of(os.path.realpath(".")))
    exec(code, {"__name__": "__main__"})
    os.write(report, nonce)


if __name__ == "__main__":
    main()
