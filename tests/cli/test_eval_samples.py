"""`sedd eval samples`, run in this process: the table or JSON on stdout, the rest on stderr, and the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, generate
from sedd_cli.evaluation import samples as module
from tests.conftest import PARITY, Sedd
from tests.hub import Server
from tests.judges import make_judge

QUICK = ("eval", "samples", "-n", "2", "--length", "32")
STORIES = [
    f"Once upon a time there was a {what}. He liked to play in the park. " * 3 for what in ("dog", "cat", "fox", "boy")
]

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_judge(tmp_path_factory.mktemp("judge") / "tiny", context=512))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reference") / "stories.txt"
    path.write_text("\n\n".join(STORIES))
    return str(path)


def test_without_a_judge_there_are_the_figures_that_need_none(sedd: Sedd) -> None:
    result = sedd(*QUICK, "--steps", "2,4")
    lines = result.stdout.decode().splitlines()
    assert result.code == 0
    assert lines[0].split() == [
        "texts",
        "NFE",
        "seconds",
        "entropy",
        "distinct-1",
        "distinct-2",
        "distinct-3",
        "repetition",
    ]
    assert [line.split()[:3] for line in lines[1:3]] == [["2", "steps", "2"], ["4", "steps", "2"]]
    assert lines[4].split() == ["complete", "yes"] and ["judge", "none,"] in [line.split()[:2] for line in lines]
    assert "no judge: no perplexity and no MAUVE" in result.stderr and "no reference" in result.stderr
    assert "2 steps: 2 texts" in result.stderr and "4 steps: 2 texts" in result.stderr
    assert b"\x1b" not in result.stdout and "\x1b" not in result.stderr
    assert sedd(*QUICK, "--steps", "2", "-q").stderr == ""


def test_one_call_and_one_text_are_no_plurals(sedd: Sedd) -> None:
    result = sedd("eval", "samples", "--num", "1", "--steps", "1", "--length", "8")
    assert "1 network call\n" in result.stderr and "1 step: 1 text, " in result.stderr
    assert "row 0 of seed 0, canvases of 8 tokens" in result.stdout.decode()


def test_json_holds_settings_judge_rows_and_texts(
    sedd: Sedd, built_in: Checkpoint, judge: str, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    result = sedd(*QUICK, "--steps", "4", "--judge", judge, "--reference", reference, "--json", "--top-p", "0.9")
    record = json.loads(result.stdout)
    assert (result.code, record["schema_version"], record["complete"]) == (0, 1, True)
    assert record["model"] == {"name": built_in.name, "sha256": built_in.hash}
    settings = {"steps": [4], "seed": 0, "num_samples": 2, "length": 32, "top_p": 0.9, "rejections": "none"}
    settings |= {"precision": "float32", "device": "cpu", "entropy_unit": "nats", "whole_canvas": False}
    assert record["settings"].items() >= settings.items()
    assert record["judge"]["name"] == "tiny" and record["judge"]["origin"].startswith("sha256 ")
    drawn, real = record["rows"]
    samples = generate(built_in, steps=4, seed=0, num_samples=2, length=32, top_p=0.9)
    assert [s["text"] for s in drawn["samples"]] == [s.text for s in samples]
    assert (drawn["label"], drawn["steps"], real["label"], real["steps"]) == ("4 steps", 4, "real text", None)
    assert real["samples"][1]["text"].startswith("Once upon a time there was a cat.")
    nats, tokens = (sum(s[name] for s in drawn["samples"]) for name in ("nats", "judged_tokens"))
    assert drawn["judged_tokens"] == tokens and drawn["perplexity"]["value"] == pytest.approx(
        2.718281828 ** (nats / tokens)
    )
    assert 0 < drawn["mauve"]["value"] <= 1 and drawn["mauve"]["texts"] == [2, 2]
    assert "do not follow the model's own law" in result.stderr and "loading the judge" in result.stderr


def test_report_and_plot_are_files(sedd: Sedd, reference: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page, plot = tmp_path / "page.md", tmp_path / "pictures" / "plot.svg"
    plot.parent.mkdir()
    args = ("--steps", "2", "--reference", reference, "--report", str(page), "--plot", str(plot))
    result = sedd(*QUICK, *args, "-o", str(tmp_path / "out.txt"))
    assert (result.code, result.stdout) == (0, b"")
    assert plot.read_bytes().startswith(b"<?xml") and b"entropy" in plot.read_bytes()
    assert "![Quality against network calls](<pictures/plot.svg>)" in page.read_text()
    card = (tmp_path / "out.txt").read_text().partition("\n\n")[2]
    assert card.startswith("complete") and f"```text\n{card}```\n" in page.read_text()


def test_a_sweep_has_a_row_for_each_setting_and_number_of_steps(
    sedd: Sedd, shallow: Checkpoint, judge: str, reference: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    page, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    args = ("--steps", "2,4", "--sweep", "temperature=0.5,1", "--sweep", "order=random,confidence", "--json")
    files = ("--report", str(page), "--plot", str(plot))
    result = sedd(*QUICK, *args, "--judge", judge, "--reference", reference, *files)
    record = json.loads(result.stdout)
    assert result.code == 0
    assert record["settings"]["sweep"] == {"temperature": [0.5, 1.0], "order": ["random", "confidence"]}
    *drawn, real = record["rows"]
    settings = [(t, order, steps) for t in (0.5, 1.0) for order in ("random", "confidence") for steps in (2, 4)]
    assert [(*row["setting"].values(), row["steps"]) for row in drawn] == settings
    assert drawn[3]["label"] == "temperature 0.5, order confidence, 4 steps"
    for row, (temperature, order, steps) in zip(drawn, settings, strict=True):
        samples = generate(shallow, steps=steps, seed=0, num_samples=2, length=32, temperature=temperature, order=order)  # type: ignore[arg-type]
        assert [s["text"] for s in row["samples"]] == [s.text for s in samples]
        assert row["nfe"] == sum(s.nfe for s in samples) / 2 and row["perplexity"] and row["entropy"]
    # All stories are of the same words but one.
    assert (real["setting"], real["unknown_words"]) == ({}, pytest.approx(1000 / 14, rel=0.5))
    facts = record["card"]
    assert facts["sweep"] == "temperature 0.5, 1; order random, confidence: each combination"
    assert facts["temperature"] == "swept, top-k off, top-p off"
    assert "| temperature 0.5, order random, 2 steps |" in page.read_text()
    picture = plot.read_text()
    for written in ("2 steps, 2 network calls", "order confidence", "real text", "share of 4-grams repeated"):
        assert written in picture


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (["order=random,confidence", "remask=none,cap"], "order confidence, remask cap: remask cap chooses its own"),
        (["order=random,likely"], "order likely: unknown order 'likely'"),
        (["temperature=1,-1"], "temperature -1: temperature must be a number, 0 or more"),
        (["temperature=1,hot"], "--sweep temperature: 'hot' is no number"),
        (["per-call=1.5"], "--sweep per-call: '1.5' is no whole number"),
        (["sampler=tweedie,first-hitting"], "steps of first-hitting cannot be chosen"),
        (["length=8,16"], "--sweep 'length=8,16' is no option and its values"),
        (["temperature"], "--sweep 'temperature' is no option and its values"),
        (["temperature=1", "temperature=0.5"], "--sweep names temperature twice"),
        (["temperature=1,1.0"], "the values of the sweep's temperature must be distinct"),
        (["top-p=0.5,0.9"], "top-p is swept, and given by itself too"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_by_name(sedd: Sedd, sweep: list[str], message: str) -> None:
    given = [part for each in sweep for part in ("--sweep", each)]
    result = sedd(*QUICK, "--steps", "2,4", "--top-p", "0.8", *given)
    assert (result.code, result.stdout) == (2, b"")
    assert message in result.stderr and "Traceback" not in result.stderr and "texts, " not in result.stderr


@pytest.mark.parametrize("form", ["prefix", "infill"])
def test_conditional(sedd: Sedd, judge: str, reference: str, form: str) -> None:
    args = ("--steps", "4", "--judge", judge, "--reference", reference, "--conditional", form, "--prompt-tokens", "8")
    result = sedd(*QUICK, *args, "--json")
    record = json.loads(result.stdout)
    assert result.code == 0 and record["settings"]["given"] == ([8, 0] if form == "prefix" else [4, 4])
    drawn, real = (row["samples"] for row in record["rows"])
    for one, other in zip(drawn, real, strict=True):
        assert one["text"] != other["text"] and one["text"][:12] == other["text"][:12] == "Once upon a "
    assert form in record["card"]["given"]


def test_a_reference_in_json_has_its_key(sedd: Sedd, tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    path.write_text('{"id": "none", "tale": "Once upon a time there was a dog."}\n' * 3)
    args = ("eval", "samples", "-n", "1", "--length", "8", "--steps", "1", "--reference", str(path))
    guessed = sedd(*args)
    assert guessed.code == 2 and "Its keys are id, tale: name that of the text by --text-key." in guessed.stderr
    assert sedd(*args, "--text-key", "tale").code == 0


def test_fewer_documents_than_texts_are_told_of(sedd: Sedd, reference: str) -> None:
    result = sedd("eval", "samples", "-n", "5", "--length", "8", "--steps", "1", "--reference", reference)
    assert "stories.txt has only 4 documents for 5 texts" in result.stderr
    assert [line.split()[2] for line in result.stdout.decode().splitlines()[1:3]] == ["5", "4"]


@pytest.mark.slow
def test_a_judge_of_the_hub_is_fetched_once(judge: str, tmp_path: Path) -> None:
    """In a process of its own: where the hub is, is read once."""
    server = Server()
    try:
        files = {file.name: file.read_bytes() for file in Path(judge).iterdir()}
        commit = server.hub.add("someone/judge", files)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SEDD_")) and "proxy" not in k.lower()}
        kept |= {"HF_ENDPOINT": server.hub.endpoint, "HF_HOME": str(tmp_path / "home")}
        for variables in ({}, {"HF_HUB_OFFLINE": "1"}):
            asked = len(server.hub.asked)
            done = subprocess.run(
                [sys.executable, "-m", "sedd_cli", *QUICK, "--steps", "1", "--judge", "someone/judge", "--json"],
                env={**kept, **variables},
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr.decode()
            record = json.loads(done.stdout)
            assert (record["judge"]["name"], record["judge"]["origin"]) == ("someone/judge", f"commit {commit}")
            assert b"Loading weights" not in done.stderr and b"\r" not in done.stderr
        assert len(server.hub.asked) == asked and server.hub.gets("cdn")
    finally:
        server.close()


def stopped(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ctrl-C when so many texts were looked at."""
    look, calls = module.Evaluation._evaluate, []

    def interrupted(self: module.Evaluation, *args: object) -> object:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return look(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(module.Evaluation, "_evaluate", interrupted)


def test_control_c_reports_what_is_done(sedd: Sedd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stopped(monkeypatch, 3)
    result = sedd(*QUICK, "--steps", "2,4", "--json", "--report", str(tmp_path / "page.md"))
    record = json.loads(result.stdout)
    assert result.code == 130 and not record["complete"] and record["card"]["complete"].startswith("NO")
    assert [(row["label"], row["texts"]) for row in record["rows"]] == [("2 steps", 2), ("4 steps", 1)]
    assert "stopped early" in result.stderr
    assert "NO: stopped early" in (tmp_path / "page.md").read_text()


def test_control_c_before_anything_is_done(sedd: Sedd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stopped(monkeypatch, 0)
    result = sedd(*QUICK, "--plot", str(tmp_path / "plot.png"))
    assert (result.code, result.stdout) == (130, b"") and "before the first result" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--steps", "2,x"], 2, "'2,x' are no whole numbers"),
        (["--steps", "4,4"], 2, "must be distinct"),
        (["--steps", "0"], 2, "steps must be at least 1"),
        (["-n", "0"], 2, "number of samples must be at least 1"),
        (["--judge", "/no/such/judge"], 3, "'/no/such/judge' is no judge"),
        (["--reference", "/no/such/file"], 3, "no corpus at /no/such/file"),
        (["--conditional", "prefix"], 2, "fills the canvas of 32"),
        (["--conditional", "prefix", "--prompt-tokens", "8"], 2, "Give them with --reference"),
        (["--plot", "plot.jpg"], 2, "a plot is no .jpg"),
        (["--report", "same.txt", "-o", "./same.txt"], 2, "-o and --report both write to same.txt"),
        (["--plot", "/no/such/folder/plot.png"], 1, "cannot write"),
        (["--report", "/no/such/folder/page.md"], 1, "cannot write"),
        (["-m", str(PARITY / "radd"), "--judge", "smollm2"], 2, "which no judge can read"),
        (["-m", "gpt5"], 3, "no checkpoint 'gpt5'"),
    ],
)
def test_errors_say_what_and_exit_before_anything_is_drawn(
    sedd: Sedd, arguments: list[str], code: int, message: str
) -> None:
    result = sedd(*QUICK, *arguments)
    assert (result.code, result.stdout) == (code, b"")
    assert message in result.stderr and "Traceback" not in result.stderr and "texts, " not in result.stderr
