"""Fixtures that many tests share: the built-in checkpoint, the tiny parity checkpoints, the command."""

import io
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.cli.main import main

PARITY = Path(__file__).parent / "data" / "parity"


def pytest_configure() -> None:
    """Workers beside one another share the cores, and so do the processes that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background of a shell: what the tests start and interrupt would ignore it as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        share = max(1, torch.get_num_threads() // int(workers))
        torch.set_num_threads(share)
        os.environ["OMP_NUM_THREADS"] = str(share)


def limited(command: list[str], size: int) -> list[str]:
    """The command with files of `size` bytes at most, as on a full disk.

    Not by `preexec_fn`: code that runs between fork and exec can wait forever for a lock of another thread.
    """
    limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    return [sys.executable, "-c", f"{limit}; os.execv(sys.argv[1], sys.argv[1:])", *command]


@pytest.fixture(scope="session")
def built_in() -> Checkpoint:
    """The small real checkpoint that the package carries (RADD form)."""
    return load_checkpoint()


@pytest.fixture(scope="session", params=["absorb", "uniform", "radd"])
def tiny(request: pytest.FixtureRequest) -> Checkpoint:
    """A random network of each kind; it has no tokenizer."""
    return load_checkpoint(PARITY / request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny SEDD checkpoint, to be damaged."""
    return Path(shutil.copytree(PARITY / "absorb", tmp_path / "checkpoint"))


@dataclass
class Result:
    code: int
    stdout: bytes
    stderr: str


Sedd = Callable[..., Result]


@pytest.fixture
def sedd(monkeypatch: pytest.MonkeyPatch) -> Sedd:
    """Run the command in this process, with streams as in a pipe."""

    def run(*args: str, stdin: bytes | None = b"") -> Result:
        out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
        monkeypatch.setattr(sys, "argv", ["sedd", *args])
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        out.flush()
        err.flush()
        assert isinstance(out.buffer, io.BytesIO) and isinstance(err.buffer, io.BytesIO)
        return Result(code, out.buffer.getvalue(), err.buffer.getvalue().decode())

    return run
