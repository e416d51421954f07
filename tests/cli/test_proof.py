"""`sedd proof`, run in this process: its forms of output, exit codes, and every way to ask wrongly."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, proof
from sedd_cli.evaluation.proofreading import Proofreading
from sedd_cli.render.findings import percent
from tests.conftest import Sedd

TEXT = "\U0001f30d One day, the na\u00efve dgo ran ran.\r\nHe saw a bna cat.\r\n"
QUICK = ("--below", "0.02", "--length", "32")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture
def story(tmp_path: Path) -> str:
    path = tmp_path / "story.txt"
    path.write_bytes(TEXT.encode())
    return str(path)


def test_lines_for_editors_are_those_of_the_library(sedd: Sedd, story: str, shallow: Checkpoint) -> None:
    findings = proof(shallow, TEXT, below=0.02, length=32)
    result = sedd("proof", story, *QUICK)
    assert result.code == 0 and len(findings) > 2
    lines = result.stdout.decode().splitlines()
    for line, finding in zip(lines, findings, strict=True):
        number, column = 1 + TEXT.count("\n", 0, finding.start), TEXT.rfind("\n", 0, finding.start) + 1
        at = len(TEXT[column : finding.start].encode()) + 1
        assert line.startswith(f'{story}:{number}:{at}: "{finding.word}" is {percent(finding.probability)} likely')
    assert f"{len(findings)} of 12 words less likely than 2.0%" in result.stderr
    assert sedd("proof", "-", *QUICK, stdin=TEXT.encode()).stdout.startswith(b"stdin:1:")


def test_json_has_the_offsets_that_editors_count(sedd: Sedd, story: str) -> None:
    record = json.loads(sedd("proof", story, "--json", *QUICK).stdout)
    assert (record["schema_version"], record["complete"], record["words"]) == (1, True, 12)
    encoded, wide = TEXT.encode(), TEXT.encode("utf-16-le")
    for finding in record["findings"]:
        assert TEXT[finding["start"] : finding["end"]] == finding["word"]
        for key, (start, end) in (("utf8", finding["utf8"]), ("edit_utf8", finding["edit_utf8"])):
            assert encoded[start:end].decode().split() == [finding["word"]], key
        for start, end in (finding["utf16"], finding["edit_utf16"]):
            assert wide[2 * start : 2 * end].decode("utf-16-le").split() == [finding["word"]]
        assert TEXT[slice(*finding["edit"])].split() == [finding["word"]]
        assert TEXT.split("\n")[finding["line"] - 1][finding["column"] - 1 :].startswith(finding["word"])
    limited = json.loads(sedd("proof", story, "--json", "--limit", "1", *QUICK).stdout)
    assert limited["findings"] == [min(record["findings"], key=lambda f: f["probability"])]


def test_a_diff_can_be_applied(sedd: Sedd, story: str) -> None:
    result = sedd("proof", story, "--diff", *QUICK)
    patched = subprocess.run(
        ["patch", "--binary", "-o", "-", story], input=result.stdout, capture_output=True, check=True
    )
    suggested = {f["suggestion"] for f in json.loads(sedd("proof", story, "--json", *QUICK).stdout)["findings"]}
    assert patched.stdout != TEXT.encode() and all(word.encode() in patched.stdout for word in suggested)
    assert sedd("proof", story, "--diff", "--below", "1e-300").stdout == b""


def test_a_list_for_people(sedd: Sedd, story: str) -> None:
    listed = sedd("proof", story, "--format", "list", "--color", "always", *QUICK).stdout.decode()
    assert "\x1b[1;31mdgo\x1b[0m" in listed and "\x1b[1;32m" in listed
    plain = sedd("proof", story, "--format", "list", *QUICK).stdout.decode()
    assert re.search(r"1:\d+  .*dgo ran ran\.\n +under 0\.01%; \w+ \d", plain)


def test_exit_codes_and_files(sedd: Sedd, story: str, tmp_path: Path) -> None:
    assert sedd("proof", story, "--check", *QUICK).code == 1
    assert sedd("proof", story, "--check", "--below", "1e-300").code == 0
    out = tmp_path / "found"
    assert sedd("proof", story, "-o", str(out), *QUICK).stdout == b""
    assert out.read_bytes() == sedd("proof", story, *QUICK, "-q").stdout


def test_a_stop_prints_what_is_found(sedd: Sedd, story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Proofreading.steps

    def stopped(self: Proofreading):  # type: ignore[no-untyped-def]
        yield from steps(self)
        raise KeyboardInterrupt

    finished = sedd("proof", story, *QUICK)
    monkeypatch.setattr(Proofreading, "steps", stopped)
    result = sedd("proof", story, *QUICK)
    assert (result.code, result.stdout) == (130, finished.stdout) and "stopped early" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--below", "0"), 2, "below must be a number above 0, at most 1"),
        (("--json", "--diff"), 2, "--diff and --json are different forms of the same findings"),
        (("--format", "lines", "--json"), 2, "--format lines and --json"),
        (("--format", "xml"), 2, "is not one of 'list', 'lines'"),
        (("--limit", "0"), 2, "limit must be at least 1"),
        (("-m", "nothing-here"), 3, "nothing-here"),
    ],
)
def test_errors(sedd: Sedd, story: str, options: tuple[str, ...], code: int, message: str) -> None:
    result = sedd("proof", story, *options)
    assert result.code == code and message in result.stderr and not result.stdout


def test_percents_are_never_0_and_never_100() -> None:
    given = (1e-30, 0.0001, 0.0034, 0.05, 0.5, 0.987, 0.9986, 0.99999, 1.0)
    assert [percent(p) for p in given] == [
        *("under 0.01%", "0.01%", "0.34%", "5.0%", "50%", "99%", "99.9%", "over 99.9%", "over 99.9%")
    ]
