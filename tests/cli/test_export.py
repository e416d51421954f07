"""`sedd export`: the file that its name says, whole or not at all."""

from pathlib import Path

import pytest

from sedd_cli.generation.recording import read
from sedd_cli.render.export import export
from tests.conftest import Sedd


@pytest.fixture(scope="module")
def recorded(sedd: Sedd, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recorded") / "run.jsonl"
    options = ("-n", "2", "--length", "24", "--steps", "8", "--seed", "7")
    assert sedd("generate", "Once", "--trace", str(path), *options).code == 0
    return path.read_bytes()


@pytest.fixture
def trace(recorded: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    path.write_bytes(recorded)
    return path


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.svg", ["--step", "2", "--width", "40"], {"step": 2, "width": 40}),
        ("a.html", ["--speed", "3"], {"speed": 3.0}),
        ("A.CAST", ["--speed", "3"], {"speed": 3.0}),
    ],
)
def test_the_ending_says_what_is_made(
    sedd: Sedd, trace: Path, name: str, options: list[str], expected: dict[str, int]
) -> None:
    out = trace.with_name(name)
    result = sedd("export", str(trace), str(out), "--row", "1", *options)
    assert (result.code, result.stdout) == (0, b"")
    kind = name.rpartition(".")[2].lower()
    assert out.read_bytes() == export(read(trace).sample(1), kind, **expected)  # type: ignore[arg-type]
    assert f"{name}: " in result.stderr and "kB" in result.stderr
    assert sorted(p.name for p in trace.parent.iterdir()) == sorted([name, "run.jsonl"])


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("a.gif", [], 2, "ends in none of .svg, .html and .cast"),
        ("a", [], 2, "ends in none of .svg, .html and .cast"),
        ("a.svg", ["--speed", "2"], 2, "a picture has no speed"),
        ("a.cast", ["--step", "2"], 2, "a cast shows every step"),
        ("a.html", ["--step", "99"], 2, "there is no step 99"),
        ("a.html", ["--row", "5"], 2, "holds rows 0, 1, not 5"),
        ("a.html", ["--width", "0"], 2, "the width must be 20 to 500"),
        ("no/such/a.html", [], 1, "cannot write"),
    ],
)
def test_errors_say_what_and_leave_no_file(
    sedd: Sedd, trace: Path, name: str, options: list[str], code: int, message: str
) -> None:
    result = sedd("export", str(trace), str(trace.parent / name), *options)
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr
    assert [p.name for p in trace.parent.iterdir()] == ["run.jsonl"]


def test_stdout_takes_a_format(sedd: Sedd, trace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert sedd("export", str(trace), "-", "--format", "svg").code == 0
    assert capfd.readouterr().out.encode() == export(read(trace).sample(0), "svg")
    refused = sedd("export", str(trace), "-")
    assert refused.code == 2 and "--format" in refused.stderr


def test_a_trace_is_not_written_over_and_a_failed_export_spares_what_is_there(sedd: Sedd, trace: Path) -> None:
    disguised = trace.rename(trace.with_name("run.html"))
    before = disguised.read_bytes()
    assert sedd("export", str(disguised), str(disguised)).code == 2
    assert disguised.read_bytes() == before
    old = trace.with_name("old.svg")
    old.write_text("mine")
    disguised.write_bytes(b"garbage\n")
    assert sedd("export", str(disguised), str(old)).code == 3
    assert old.read_text() == "mine"


def test_a_trace_that_was_cut_is_exported_with_a_warning(sedd: Sedd, trace: Path) -> None:
    trace.write_bytes(trace.read_bytes()[:-20])
    result = sedd("export", str(trace), str(trace.with_name("a.html")))
    assert result.code == 0 and "is cut short in line" in result.stderr
