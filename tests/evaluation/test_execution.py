"""Programs in a process of their own: what passes, and what is refused or ended."""

import sys
from pathlib import Path

import pytest

from sedd_cli.evaluation.execution import Check, Outcome, run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits on processes")


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        (
            "import os\nprint(1)\nassert os.listdir() == ['program.py'] and set(os.environ) <= {'LANG', 'TMPDIR'}",
            "passed",
        ),
        ("open('a', 'w').write('b')\nimport os\nos.rename('a', 'c')\nos.remove('c')", "passed"),
        ("assert False", "failed"),
        ("def f(:", "failed"),
        ("import os\nos._exit(0)", "failed"),
        ("import socket\nsocket.socket()", "failed"),
        ("import subprocess\nsubprocess.run(['true'])", "failed"),
        ("import os\nos.fork()", "failed"),
        ("bytearray(2 << 30)", "failed"),
        # Flooding what the report is read from.
        ("import os\nwhile True: os.write(3, bytes(1 << 16))", "failed"),
        ("open('a', 'wb').write(bytes(2 << 20))", "failed"),
        pytest.param("while True: pass", "timed out", marks=pytest.mark.slow),
        pytest.param("import time\ntime.sleep(60)", "timed out", marks=pytest.mark.slow),
    ],
)
def test_what_a_program_may_do(source: str, outcome: Outcome) -> None:
    assert run_program(source, seconds=1) == outcome


@pytest.mark.parametrize("harm", ["open({!r}, 'w')", "import os\nos.remove({!r})", "import os\nos.rename({!r}, 'a')"])
def test_files_elsewhere_stay(harm: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("kept")
    assert run_program(harm.format(str(file)), seconds=5) == "failed" and file.read_text() == "kept"


def test_a_check_calls_the_entry_point() -> None:
    check = Check("def check(candidate):\n    assert candidate(2) == 4", "double")
    sources = ["def double(x):\n    return 2 * x\n", "def double(x):\n    return x\n"]
    assert [run_program(check.program(source)) for source in sources] == ["passed", "failed"]
