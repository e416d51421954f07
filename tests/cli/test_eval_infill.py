"""`sedd eval infill`, run in this process: table, JSON, report and plot, partial figures, and wrong requests."""

import json
from pathlib import Path

import pytest

from sedd_cli.generation.infill import Infilling
from tests.conftest import TASKS, Sedd

QUICK = ("eval", "infill", "--steps", "4", "--no-nats")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture
def data(tmp_path: Path) -> str:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "story.txt").write_text("Once upon a time there was a dog. He ran to the park. He saw a cat there.\n" * 3)
    (folder / "code.py").write_text("def add(a, b):\n    total = a + b\n    return total\n")
    return str(folder)


def test_figures_as_a_table_json_report_and_plot(sedd: Sedd, data: str, tmp_path: Path) -> None:
    report, plot = tmp_path / "report.md", tmp_path / "plot.svg"
    options = ("--data", data, "-n", "1", "--spans", "words,line", "--lengths", "true,2")
    result = sedd(*QUICK, *options, "--report", str(report), "--plot", str(plot))
    lines = result.stdout.decode().splitlines()
    assert result.code == 0 and lines[0].split() == [
        *("length", "gaps", "exact", "token", "F1", "edit", "similarity", "length", "ratio", "within", "1.5"),
        *("balanced", "fits", "parses", "seconds", "NFE"),
    ]
    rows = [line.split()[:3] for line in lines[1:9]]
    assert [row[0] for row in rows] == [kind for kind in ("python,", "prose,") for _ in range(4)]
    assert ["complete", "yes"] in [line.split() for line in lines] and "2 documents, 8 fillings" in result.stderr
    assert f"![Token F1 by kind of span](<{plot.name}>)" in report.read_text() and b"<svg" in plot.read_bytes()
    record = json.loads(sedd(*QUICK, *options, "--json").stdout)
    assert record["complete"] and len(record["rows"]) == 8 and len(record["gaps"]) == 4
    texts = {path.name: path.read_text() for path in Path(data).iterdir()}
    for gap in record["gaps"]:
        assert texts[gap["document"]][gap["start"] : gap["end"]] == gap["truth"]
        assert [filling["length"] for filling in gap["fillings"]] == ["true", 2]


def test_a_length_that_is_chosen_is_compared_with_the_true_one(sedd: Sedd, data: str) -> None:
    options = ("--data", f"{data}/story.txt", "-n", "1", "--spans", "word", "--lengths", "auto", "--json")
    record = json.loads(sedd(*QUICK, *options).stdout)
    ((gap,), (row,)) = record["gaps"], record["rows"]
    (filling,) = gap["fillings"]
    assert 1 <= filling["tokens"] <= 32 and row["ratio"] == pytest.approx(filling["tokens"] / gap["tokens"])
    assert row["near"] == (2 / 3 <= row["ratio"] <= 1.5)


def test_a_stop_reports_whole_gaps(sedd: Sedd, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, calls = Infilling.steps, []

    def stopped(self: Infilling):  # type: ignore[no-untyped-def]
        calls.append(self)
        if len(calls) == 4:
            raise KeyboardInterrupt
        yield from steps(self)

    monkeypatch.setattr(Infilling, "steps", stopped)
    options = ("--data", data, "-n", "3", "--spans", "word", "--lengths", "true,2", "--json")
    result = sedd(*QUICK, *options)
    record = json.loads(result.stdout)
    assert (result.code, record["complete"], len(record["gaps"])) == (130, False, 1)
    assert "the figures are partial" in result.stderr
    calls[:] = [None] * 3
    none = sedd(*QUICK, *options)
    assert (none.code, none.stdout) == (130, b"") and "stopped before the first result" in none.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--lengths", "true,some"), 2, "'some' is no length"),
        (("--spans", "word,page"), 2, "'page' is no kind of span"),
        (("--data", "gone.txt"), 3, "cannot read gone.txt"),
        (("--spans", "block", "-n", "0"), 2, "must be at least 1"),
        (("--execute",), 2, "documents have none"),
    ],
)
def test_what_cannot_be_done_is_told(sedd: Sedd, data: str, options: tuple[str, ...], code: int, message: str) -> None:
    result = sedd(*QUICK, "--data", data, *options)
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr


def test_the_tests_of_tasks_are_run_if_asked_for(sedd: Sedd, tmp_path: Path) -> None:
    single, *_ = map(json.loads, TASKS.read_text().splitlines())
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps(single))
    options = ("--data", str(file), "-n", "1", "--lengths", "true")
    record = json.loads(sedd(*QUICK, *options, "--execute", "--json").stdout)
    ((gap,), (row,)) = record["gaps"], record["rows"]
    assert (gap["outcome"], gap["span_kind"], gap["fillings"][0]["outcome"]) == ("passed", "single-line", "failed")
    assert row["passed"] == {"value": 0.0, "error": None} and "of 1 true text 1 pass" in record["card"]["pass@1"]
    assert json.loads(sedd(*QUICK, *options, "--json").stdout)["rows"][0]["passed"] is None
    file.write_text(json.dumps({**single, "test": None}))
    none = sedd(*QUICK, *options, "--execute")
    assert none.code == 2 and f"{single['task_id']} has no test and entry_point" in none.stderr


def test_documents_without_such_spans_are_told(sedd: Sedd, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Hello.")
    result = sedd(*QUICK, "--data", str(tmp_path / "short.txt"), "--spans", "block")
    assert result.code == 2 and "none of the documents holds a span" in result.stderr
