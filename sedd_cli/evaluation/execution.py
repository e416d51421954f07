"""Run a program that a network wrote, in a process of its own with little to spend. This is no sandbox.

It limits what goes wrong by accident: endless loops, full disks, a program that deletes or sends something. Code that
is bent on it gets around Python's audit hooks, and any code may read what the user may read.
"""

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Literal

from sedd_cli.errors import UsageError

Outcome = Literal["passed", "failed", "timed out"]
SECONDS, MEMORY, FILE_SIZE = 5, 1 << 30, 1 << 20
"""Most seconds of the processor; bytes of memory; bytes of a file."""
PATIENCE = 3
"""Seconds of the clock for each of the processor: other work may keep it busy."""
_GUARDED = Path(__file__).with_name("guarded_program.py")


@dataclass(frozen=True)
class Check:
    """What a program has to stand: code that defines `check`, which is called with the object `entry_point`."""

    code: str
    entry_point: str

    def program(self, source: str) -> str:
        """A text as a program that tests itself (as in openai/human-eval-infilling)."""
        return f"{source}\n{self.code}\ncheck({self.entry_point})\n"


def check_can_execute() -> None:
    """Raises `UsageError` where processes cannot be limited."""
    if sys.platform == "win32":
        raise UsageError("--execute needs limits on processes, which Windows has not", "Run it in WSL or a container.")


def run_program(source: str, seconds: int = SECONDS) -> Outcome:
    """Run a program in an empty folder of its own; "passed" if it comes to its end without an exception.

    Its processor time, memory, files and processes are limited, it gets no environment, and no network: by a namespace
    where that is permitted, and in Python itself. The limit on processes does not hold for root: there Python alone
    refuses to start one.
    """
    nonce = secrets.token_hex(16)
    limits = map(str, (seconds, MEMORY, FILE_SIZE))
    # The report is a file, whose size is limited too: through a pipe a program could fill our memory.
    with TemporaryFile() as report, TemporaryDirectory(prefix="sedd-task-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "program.py").write_text(source, encoding="utf-8", newline="")
        process = subprocess.Popen(
            [*_without_network(), sys.executable, "-I", "-B", str(_GUARDED), *limits, nonce],
            cwd=folder,
            env={"LANG": "C.UTF-8", "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired:
            return "timed out"
        finally:
            _end(process)
        report.seek(0)
        reported = report.read()
    if process.returncode == -signal.SIGXCPU:
        return "timed out"
    return "passed" if process.returncode == 0 and reported == nonce.encode() else "failed"


def is_offline() -> bool:
    """Whether programs are kept from the network by the system, and not by Python alone."""
    return bool(_without_network())


@cache
def _without_network() -> tuple[str, ...]:
    """What a command begins with to have no network; nothing where that is not permitted."""
    unshare = which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "--user", "--map-current-user", "--net")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
