"""`sedd replay`: the text that the command printed, and the live view where somebody sees it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli.test_process import run_light
from tests.conftest import Sedd
from tests.traces import STORY

QUICK = ("--length", "24", "--steps", "8", "--seed", "7")
SEDD = [sys.executable, "-m", "sedd_cli"]


@pytest.fixture(scope="module")
def recorded(sedd: Sedd, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recorded") / "run.jsonl"
    assert sedd("generate", "A 🌍", "--trace", str(path), *QUICK).code == 0
    return path.read_bytes()


@pytest.fixture
def trace(recorded: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(recorded)
    return path


def test_the_last_step_is_what_the_command_printed(sedd: Sedd, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    printed = sedd("generate", "Once", "-n", "3", "--trace", str(path), *QUICK).stdout.split(b"<|endoftext|>\n")
    assert [sedd("replay", str(path), "--row", str(row)).stdout for row in range(3)] == printed
    result = sedd("replay", str(path))
    assert result.stdout == printed[0] and "row 0, the first of 3: choose another with --row" in result.stderr
    assert "\x1b" not in result.stderr
    sedd("replay", str(path), "-o", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_bytes() == printed[0]


def test_a_document_is_printed_byte_for_byte(sedd: Sedd, tmp_path: Path) -> None:
    document, path = tmp_path / "story.txt", tmp_path / "run.jsonl"
    document.write_bytes(("\ufeff" + STORY + "\tlast").encode())
    gaps = ("--mask", "21:34", "--mask", "241:263", "--length", "32", "--steps", "8", "--seed", "5")
    printed = sedd("infill", str(document), *gaps, "--trace", str(path)).stdout
    assert sedd("replay", str(path)).stdout == printed
    start = sedd("replay", str(path), "--step", "0").stdout.decode()
    assert re.fullmatch(r"\[\[\d+\]\]", start[21 : start.index("]]") + 2]) and start.endswith("\tlast")


def test_one_step_and_a_part(sedd: Sedd, trace: Path) -> None:
    assert sedd("replay", str(trace), "--step", "0").stdout.startswith("A 🌍[[".encode())
    half = sedd("replay", str(trace), "--step", "3").stdout
    assert half.count(b"[[") > 0 and sedd("replay", str(trace), "--from", "1", "--to", "3").stdout == half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", "99"], "there is no step 99: this text has steps 0 to"),
        (["--step", "-1"], "there is no step -1"),
        (["--from", "4", "--to", "2"], "--from 4 is after --to 2"),
        (["--step", "1", "--speed", "2"], "--step shows a single step"),
        (["--speed", "0"], "the speed must be"),
        (["--speed", "inf"], "the speed must be"),
        (["--row", "3"], "holds row 0, not 3"),
    ],
)
def test_what_cannot_be_asked_for(sedd: Sedd, trace: Path, arguments: list[str], message: str) -> None:
    result = sedd("replay", str(trace), *arguments)
    assert (result.code, result.stdout) == (2, b"") and message in result.stderr


def test_a_trace_is_never_written_over(sedd: Sedd, trace: Path) -> None:
    before = trace.read_bytes()
    assert sedd("replay", str(trace), "-o", str(trace)).code == 2
    assert trace.read_bytes() == before


def test_what_is_no_trace_or_only_its_beginning(sedd: Sedd, trace: Path, tmp_path: Path) -> None:
    missing = sedd("replay", str(tmp_path / "none"))
    assert missing.code == 3 and "cannot read" in missing.stderr
    data = trace.read_bytes()
    lines = data.splitlines(keepends=True)
    trace.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    cut = sedd("replay", str(trace))
    assert cut.code == 0 and b"[[" in cut.stdout and "is cut short in line 6: this is what came before" in cut.stderr
    newer = json.loads(lines[0]) | {"version": 2}
    trace.write_bytes(json.dumps(newer).encode() + b"\n")
    other = sedd("replay", str(trace))
    assert other.code == 3 and "a trace of version 2" in other.stderr
    trace.write_bytes(b"".join([*lines[:3], b"{}\n", *lines[3:]]))
    broken = sedd("replay", str(trace))
    assert broken.code == 3 and "line 4: no 'row'" in broken.stderr


def test_hostile_names_stay_inert_in_messages(sedd: Sedd, tmp_path: Path) -> None:
    result = sedd("replay", str(tmp_path / "no\x1b[31m[/red]such"))
    assert result.code == 3 and "\x1b" not in result.stderr


def on_a_terminal(arguments: list[str], interrupt_after: float | None = None) -> tuple[int, str, bytes]:
    """Exit code, what was shown on a terminal (stderr), and stdout, which is a pipe."""
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60", "LINES": "14"}
    process = subprocess.Popen(
        [*SEDD, *arguments], stdout=subprocess.PIPE, stderr=side, stdin=subprocess.DEVNULL, env=environment
    )
    os.close(side)
    shown: list[bytes] = []

    def watch() -> None:
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:
                return
            shown.append(data)

    watching = threading.Thread(target=watch)
    watching.start()
    if interrupt_after is not None:
        while b"\x1b[?1049h" not in b"".join(shown):
            assert process.poll() is None, b"".join(shown)
            time.sleep(0.02)
        time.sleep(interrupt_after)
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    watching.join()
    os.close(main)
    return process.returncode, b"".join(shown).decode(), out


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_it_plays_on_a_terminal_and_leaves_it_as_it_was(sedd: Sedd, trace: Path) -> None:
    text = sedd("replay", str(trace)).stdout
    code, shown, out = on_a_terminal(["replay", str(trace), "--speed", "20"])
    assert (code, out) == (0, text)
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1
    assert "step " in shown and "masks " in shown and "···" in shown
    code, shown, out = on_a_terminal(["replay", str(trace), "--no-live"])
    assert (code, out) == (0, text) and "\x1b" not in shown
    code, shown, out = on_a_terminal(["replay", str(trace), "--step", "2"])
    assert code == 0 and b"[[" in out and "\x1b[?1049h" not in shown and "···" in shown and "calls 2/" in shown


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_control_c_ends_it_and_prints_the_text(sedd: Sedd, trace: Path) -> None:
    text = sedd("replay", str(trace)).stdout
    code, shown, out = on_a_terminal(["replay", str(trace), "--speed", "0.05"], interrupt_after=0.3)
    assert (code, out) == (130, text) and "\x1b[?1049l" in shown and "Traceback" not in shown


def test_replaying_needs_no_torch(trace: Path) -> None:
    exports = [["export", str(trace), str(trace.with_name(f"run.{kind}"))] for kind in ("svg", "html", "cast")]
    run_light(["replay", str(trace)], *exports)
