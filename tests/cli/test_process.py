"""The command as a process of its own: imports, signals, closed pipes."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.test_help import PAGES

SEDD = [sys.executable, "-m", "sedd_cli"]
SHORT = ["generate", "--steps", "4", "--length", "16"]
LONG = ["generate", "--steps", "256", "--seed", "1", "--sampler", "first-hitting"]


LIGHT = """
import json, sys
from sedd_cli.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["sedd", *arguments]
    try: main()
    except SystemExit as end: assert not end.code, (arguments, end.code)
    heavy = {"torch", "textual", "numpy", "tokenizers", "safetensors"} & set(sys.modules)
    assert not heavy, (arguments, heavy)
"""


def run_light(*commands: list[str]) -> None:
    """Run commands in one process of their own, none of which may import what takes seconds."""
    # The shell of --show-completion is named: a test runner need not descend from one.
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, json.dumps(commands)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_no_torch_and_no_textual_without_need() -> None:
    run_light(
        ["--help"],
        ["--version"],
        *([*page.split(), "--help"] for page in PAGES),
        ["--show-completion", "bash"],
        ["models", "list"],
        ["models", "list", "--names"],
        ["models", "show", "tinystories"],
    )


def test_shell_completion_offers_choices() -> None:
    environment = {**os.environ, "_SEDD_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "sedd generate --sampler "}
    done = subprocess.run([*SEDD], capture_output=True, text=True, env=environment)
    assert "first-hitting" in done.stdout


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    with subprocess.Popen([*SEDD, *SHORT], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode == 0
    assert "Traceback" not in errors and "Broken" not in errors


@pytest.mark.usefixtures("shallow_by_default")
def test_control_c_prints_what_is_there(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    # Its trace grows once it runs.
    process = subprocess.Popen(
        [*SEDD, *LONG, "--length", "1024", "-q", "--trace", str(trace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None and not any(p.stat().st_size > 12_000 for p in tmp_path.iterdir()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate()
    assert process.returncode == 130
    assert b"[[" in out and out.endswith(b"\n") and errors == b""
    assert [p.name for p in tmp_path.iterdir()] == ["trace.jsonl"]


def test_one_module_alone_writes_to_stderr() -> None:
    package = Path(__file__).parents[2] / "sedd_cli"
    writers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"sys\.stderr|stderr=True|(?<![\w.\[])print\(", path.read_text())
    }
    assert writers <= {"cli/terminal.py"}
    assert "sys.stderr" in (package / "cli" / "terminal.py").read_text()
