"""Fixtures that many tests share: the built-in checkpoint, the tiny parity checkpoints, the command."""

import functools
import gc
import io
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest
import typer.main

from sedd_cli.cli.main import main
from tests import json_page

if TYPE_CHECKING:
    # Not when this is imported: the process that only distributes tests to workers has no use for torch.
    from sedd_cli import Checkpoint
    from tests.hub import Hub

PARITY = Path(__file__).parent / "data" / "parity"
TASKS = Path(__file__).parent / "data" / "infill" / "tasks.jsonl"
"""Three tasks of the format of openai/human-eval-infilling."""


def pytest_configure() -> None:
    """One thread, here and in the processes that tests start: the arrays are so small that threads only wait for each
    other, and workers share the cores. A test that needs two asks for them (`torch.set_num_threads`).
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    # Collected less often: looking for garbage took a tenth of the time, a quarter where apps are opened.
    gc.set_threshold(20_000, 20, 10)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    # Typer builds the command line anew at every call, which takes longer than many commands.
    typer.main.get_command = functools.cache(typer.main.get_command)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background of a shell: what the tests start and interrupt would ignore it as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What the imported modules hold is no garbage, and a million objects need not be looked at again and again."""
    gc.freeze()


def limited(command: list[str], size: int) -> list[str]:
    """The command with files of `size` bytes at most, as on a full disk.

    Not by `preexec_fn`: code that runs between fork and exec can wait forever for a lock of another thread.
    """
    limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    return [sys.executable, "-c", f"{limit}; os.execv(sys.argv[1], sys.argv[1:])", *command]


@pytest.fixture
def hub() -> "Iterator[Hub]":
    """A hub on loopback, which holds nothing yet."""
    from tests.hub import Server

    server = Server()
    yield server.hub
    server.close()


@pytest.fixture(scope="session")
def built_in() -> "Checkpoint":
    """The small real checkpoint that the package carries (RADD form)."""
    from sedd_cli import load_checkpoint

    return load_checkpoint()


@pytest.fixture(scope="session")
def shallow(built_in: "Checkpoint", tmp_path_factory: pytest.TempPathFactory) -> "Checkpoint":
    """The first two blocks of the built-in checkpoint: faster, for what does not depend on what it has learnt."""
    from safetensors.torch import load_file, save_file

    from sedd_cli import load_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints") / "shallow"
    shutil.copytree(built_in.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model"] |= {"name": "shallow", "n_blocks": 2}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    kept = {name: w for name, w in weights.items() if not re.match(r"blocks\.[2-9]", name)}
    save_file(kept, folder / "model.safetensors")
    return load_checkpoint(folder)


@pytest.fixture
def shallow_by_default(shallow: "Checkpoint", monkeypatch: pytest.MonkeyPatch) -> "Checkpoint":
    """It is the checkpoint of commands that name none."""
    monkeypatch.setenv("SEDD_MODEL", str(shallow.folder))
    return shallow


@pytest.fixture(scope="session", params=["absorb", "uniform", "radd"])
def tiny(request: pytest.FixtureRequest) -> "Checkpoint":
    """A random network of each kind; it has no tokenizer."""
    from sedd_cli import load_checkpoint

    return load_checkpoint(PARITY / request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny SEDD checkpoint, to be damaged."""
    return Path(shutil.copytree(PARITY / "absorb", tmp_path / "checkpoint"))


def enlarge_vocabulary(folder: Path, tokens: int) -> None:
    """Give a checkpoint this many tokens, by repeating the rows of those that it has."""
    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text())
    states = config["tokens"] + 1
    config["tokens"] = tokens
    (folder / "config.json").write_text(json.dumps(config))
    rows = torch.arange(tokens + 1) % states
    weights = load_file(folder / "model.safetensors")
    save_file({n: w[rows] if len(w) == states else w for n, w in weights.items()}, folder / "model.safetensors")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home: no HOME, and no entry in the password database."""
    if sys.platform == "win32":
        pytest.skip("needs the password database")
    import pwd

    from huggingface_hub import constants

    def no_entry(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    # As huggingface_hub expands it when it is imported.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", os.path.expanduser("~/.cache/huggingface/hub"))  # noqa: PTH111


@dataclass
class Result:
    code: int
    stdout: bytes
    stderr: str


Sedd = Callable[..., Result]


@pytest.fixture(scope="session")
def sedd() -> Sedd:
    """Run the command in this process, with streams as in a pipe. What it prints as JSON is as documented."""

    def run(*args: str, stdin: bytes | TextIO | None = b"") -> Result:
        out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
        code, stream = 0, io.TextIOWrapper(io.BytesIO(stdin)) if isinstance(stdin, bytes) else stdin
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["sedd", *args])
            patch.setattr(sys, "stdin", stream)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 0
        out.flush()
        err.flush()
        assert isinstance(out.buffer, io.BytesIO) and isinstance(err.buffer, io.BytesIO)
        if "--json" in args and (printed := out.buffer.getvalue()).startswith(b"{"):
            assert json_page.faults(args, json.loads(printed)) == []
        return Result(code, out.buffer.getvalue(), err.buffer.getvalue().decode())

    return run
