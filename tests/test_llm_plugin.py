"""The plugin in llm itself, as a process with a user folder of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, generate
from sedd_cli.models.defaults import authors_settings

PROMPT = "Once upon a time"
OPTIONS = {"steps": 16, "length": 24, "seed": 3}
IN_CACHE = "someone/stories"
LISTING = "import llm, sys; print(*(m.model_id for m in llm.get_models()), 'torch' in sys.modules)"

pytestmark = pytest.mark.slow
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(shallow: Checkpoint, tmp_path: Path) -> Python:
    """Run Python, where the default checkpoint is `shallow`, a copy of which is in the hub's cache too."""
    pytest.importorskip("llm", reason="needs the package llm")
    repository = tmp_path / "hub" / "models--someone--stories"
    shutil.copytree(shallow.folder, repository / "snapshots" / "c0ffee")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    own = {"LLM_USER_PATH": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub"), "SEDD_MODEL": str(shallow.folder)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, timeout=300, input="")

    return run


def as_arguments(**options: object) -> list[str]:
    return [part for name, value in options.items() for part in ("-o", name, str(value))]


def test_models_are_those_that_need_no_download_and_listing_them_needs_no_torch(python: Python) -> None:
    *names, torch_imported = python("-c", LISTING).stdout.split()
    assert {"sedd", "sedd/tinystories", "sedd/tinystories-sedd", f"sedd/{IN_CACHE}"} <= set(names)
    assert torch_imported == "False"


def test_a_response_is_what_generate_writes_and_a_conversation_goes_on(python: Python, shallow: Checkpoint) -> None:
    (sample,) = generate(shallow, prompt=PROMPT, **OPTIONS, defaults="checkpoint")  # type: ignore[arg-type]
    done = python("-m", "llm", "-m", "sedd", PROMPT, *as_arguments(**OPTIONS))
    assert (done.stdout, done.stderr) == (f"{sample.text.removeprefix(PROMPT)}\n", "")
    (logged,) = json.loads(python("-m", "llm", "logs", "--json").stdout)
    assert logged["options_json"] == OPTIONS
    assert logged["response_json"]["settings"].items() >= {**OPTIONS, **authors_settings(shallow)}.items()
    assert (logged["response_json"]["nfe"], logged["response_json"]["checkpoint"]) == (sample.nfe, shallow.name)

    whole = f"{sample.text} Then"
    (sample,) = generate(shallow, prompt=whole, **{**OPTIONS, "length": 40}, defaults="checkpoint")  # type: ignore[arg-type]
    done = python("-m", "llm", "-c", "Then", *as_arguments(**{**OPTIONS, "length": 40}))
    assert done.stdout == f"{sample.text.removeprefix(whole)}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (as_arguments(steps=0), "steps\n  Input should be greater than or equal to 1"),
        (as_arguments(length=3), "a prompt of 4 tokens leaves no room on a canvas of 3"),
        (as_arguments(chat=1), "shallow has no chat template"),
        (["--system", "Be brief."], "--system is for a dialogue\nAdd -o chat 1"),
    ],
)
def test_errors_name_what_to_do(python: Python, arguments: list[str], named: str) -> None:
    done = python("-m", "llm", "-m", f"sedd/{IN_CACHE}", PROMPT, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Error: {named}" in done.stderr.replace(IN_CACHE, "shallow") and "Traceback" not in done.stderr
