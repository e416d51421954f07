"""`sedd eval perplexity` and `sedd eval compare`, run in this process: figures, how they were come by, and files."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sedd_cli import Checkpoint
from sedd_cli.evaluation.blocks import make_blocks
from sedd_cli.evaluation.likelihoods import LikelihoodEvaluation, LikelihoodRequest
from sedd_cli.ranges import counted
from tests.conftest import PARITY, Sedd

STORIES = [
    "Once upon a time there was a little dog. He liked to play in the garden with his friend.",
    "Lily had a red ball. She gave it to Tom, and they played until the sun went down.",
    "The bird could not fly. A kind girl made it a warm bed, and it was happy.",
]
QUICK = ("--length", "16", "--replicates", "2")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "stories.txt"
    path.write_text("\n<|endoftext|>\n".join(STORIES) + "\n")
    return str(path)


def fields(stdout: bytes) -> dict[str, str]:
    return dict(re.split(" +", line, maxsplit=1) for line in stdout.decode().splitlines())


def test_the_figures_are_the_librarys_and_every_choice_is_printed(sedd: Sedd, shallow: Checkpoint, data: str) -> None:
    assert shallow.tokenizer is not None
    blocks = make_blocks(STORIES, shallow.tokenizer, 16)
    evaluation = LikelihoodEvaluation([shallow], blocks, LikelihoodRequest(replicates=2))
    assert list(evaluation.calls())
    (expected,) = evaluation.results()
    result = sedd("eval", "perplexity", "--data", data, *QUICK)
    assert result.code == 0, result.stderr
    told = fields(result.stdout)
    assert told["nats"] == f"{expected.nats:.6g}" and told["form"] == "ao"
    assert told["bits_per_byte"] == f"{expected.nats / math.log(2) / blocks.num_bytes:.6g}"
    assert told["perplexity"] == f"{math.exp(expected.nats / blocks.num_tokens):.6g}"
    assert (told["documents"], told["detokeniser"], told["separator"]) == ("3", "none", "end-of-text")
    assert told["remainder"] == f"drop ({counted(blocks.dropped, 'token')})"
    assert (told["block_length"], told["precision"], told["device"]) == ("16", "float32", "cpu")
    assert told["model"] == shallow.name and told["sha256"] == shallow.hash
    assert "stories.txt" in told["source"] and "any-order" in told["meaning"]
    assert f"{evaluation.calls_needed:,} network calls" in result.stderr


def test_json_has_the_contracts_keys_and_says_how(
    sedd: Sedd, built_in: Checkpoint, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    record = json.loads(sedd("eval", "perplexity", "--data", data, *QUICK, "--form", "lambda", "--json").stdout)
    for key in ("nats", "num_tokens", "bits_per_byte", "perplexity", "standard_error", "form", "complete"):
        assert key in record
    assert (record["form"], record["complete"], record["replicates"]) == ("lambda", True, 2)
    assert record["settings"]["remainder"].startswith("drop") and record["model"]["precision"] == "float32"
    assert (record["model"]["name"], record["model"]["sha256"]) == (built_in.name, built_in.hash), "the default"
    assert sum(band["nats_per_token"] for band in record["curve"]) == pytest.approx(record["nats_per_token"])


def test_as_many_replicates_are_told_as_were_run(sedd: Sedd, shallow: Checkpoint, data: str) -> None:
    # Of two replicates the error is a matter of luck, and those that a part of it needs may be hundreds.
    command = ("eval", "perplexity", "--data", data, "--length", "16", "--replicates", "6")
    target = 0.9 * float(fields(sedd(*command).stdout)["error_per_token"])
    told = fields(sedd(*command, "--until-error", str(target)).stdout)
    assert int(told["replicates"]) > 6 and float(told["error_per_token"]) <= target
    name = str(shallow.folder)
    pair = ("eval", "compare", name, name, "--dtype-b", "int8", *command[2:])
    target = 0.9 * float(fields(sedd(*pair).stdout)["difference_standard_error"])
    assert int(fields(sedd(*pair, "--until-error", str(target)).stdout)["replicates"]) > 6


def test_blocks_left_out_are_told_of(sedd: Sedd, data: str) -> None:
    command = ("eval", "perplexity", "--data", data, *QUICK)
    whole, some = (fields(sedd(*command, *more).stdout) for more in ((), ("--blocks", "2")))
    assert "limited_to" not in whole and some["limited_to"] == f"the first 2 of {whole['blocks']} blocks"


def test_the_curve_of_blocks_of_two_lengths_adds_up_too(sedd: Sedd, data: str) -> None:
    options = ("--length", "48", "--remainder", "keep", "--replicates", "2", "--form", "lambda", "--json")
    record = json.loads(sedd("eval", "perplexity", "--data", data, *options).stdout)
    assert record["num_tokens"] % 48 and record["blocks"] > 1
    assert sum(band["nats_per_token"] for band in record["curve"]) == pytest.approx(record["nats_per_token"])


def test_files_of_one_name_are_told_apart(sedd: Sedd, data: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / Path(data).name
    other.write_text(STORIES[0] * 3)
    picture = tmp_path / "bands.svg"
    pytest.importorskip("matplotlib")
    assert sedd("eval", "perplexity", "--data", data, "--data", str(other), *QUICK, "--plot", str(picture)).code == 0
    drawn = picture.read_text()
    assert data in drawn and str(other) in drawn


def test_what_is_read_is_not_written_over(sedd: Sedd, data: str) -> None:
    before = Path(data).read_bytes()
    for option in ("-o", "--report"):
        result = sedd("eval", "perplexity", "--data", data, *QUICK, option, data)
        assert result.code == 2 and "would write over" in result.stderr
        assert sedd("eval", "compare", "tinystories", "tinystories", "--data", data, option, data).code == 2
        assert sedd("eval", "samples", "-n", "1", "--reference", data, option, data).code == 2
    assert Path(data).read_bytes() == before


def test_report_and_plot_go_to_stdout(sedd: Sedd, data: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    files = "-o", str(tmp_path / "figures"), "--report"
    page = sedd("eval", "perplexity", "--data", data, *QUICK, *files, "-", "--plot", str(tmp_path / "plot.svg"))
    assert page.code == 0 and page.stdout.startswith(b"# How likely") and b"plot.svg>)" in page.stdout
    picture = sedd("eval", "perplexity", "--data", data, *QUICK, *files, str(tmp_path / "page.md"), "--plot", "-")
    assert picture.code == 0 and capfd.readouterr().out == (tmp_path / "plot.svg").read_text()
    assert "](" not in (tmp_path / "page.md").read_text()


def test_several_data_sets_stand_side_by_side(sedd: Sedd, data: str, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(STORIES[0] * 3)
    both = ("--data", data, "--data", str(other))
    record = json.loads(sedd("eval", "perplexity", *both, *QUICK, "--json").stdout)
    assert [one["settings"]["data"] for one in record["results"]] == ["stories.txt", "other.txt"]
    alone = json.loads(sedd("eval", "perplexity", "--data", str(other), *QUICK, "--json").stdout)
    assert record["results"][1]["nats"] == alone["nats"]
    assert sedd("eval", "perplexity", *both, *QUICK).stdout.count(b"\nform ") == 2


def test_a_report_and_pictures(sedd: Sedd, data: str, tmp_path: Path) -> None:
    for plot in ("curve.svg", "curve.png"):
        files = ("--report", str(tmp_path / "report.md"), "--plot", str(tmp_path / plot))
        assert sedd("eval", "perplexity", "--data", data, *QUICK, *files).code == 0
    report = (tmp_path / "report.md").read_text()
    assert "| stories.txt |" in report and "share of the tokens masked" in report and "sha256" in report
    assert "share of the tokens masked" in (tmp_path / "curve.svg").read_text()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_checkpoint_without_a_tokenizer_is_refused(sedd: Sedd, data: str) -> None:
    result = sedd("eval", "perplexity", "-m", str(PARITY / "absorb"), "--data", data, *QUICK)
    assert result.code == 2 and "has no tokenizer" in result.stderr


def test_int8_says_what_it_costs(sedd: Sedd, data: str) -> None:
    record = json.loads(sedd("eval", "perplexity", "--data", data, *QUICK, "--dtype", "int8", "--json").stdout)
    assert record["model"]["precision"] == "int8"
    fidelity = record["fidelity"]
    assert 0 < abs(fidelity["bound_difference"]) < 0.05
    assert 0 <= fidelity["tokens_in_agreement"] <= 1 and 0 < fidelity["variation"] < 0.1
    exact = json.loads(sedd("eval", "perplexity", "--data", data, *QUICK, "--json").stdout)
    assert record["nats_per_token"] == pytest.approx(exact["nats_per_token"], abs=0.1) and "fidelity" not in exact


def test_compare_pairs_the_noise(sedd: Sedd, shallow: Checkpoint, data: str, tmp_path: Path) -> None:
    report, plot = tmp_path / "report.md", tmp_path / "curves.svg"
    name = str(shallow.folder)
    files = ("--report", str(report), "--plot", str(plot))
    result = sedd("eval", "compare", name, name, "--data", data, *QUICK, "--json", *files)
    assert result.code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["difference"]["nats_per_token"] == 0 == record["difference"]["standard_error"]
    assert record["a"]["nats"] == record["b"]["nats"] > 0
    assert f"A: {shallow.name}" in report.read_text() and f"B: {shallow.name}" in plot.read_text()
    lines = fields(sedd("eval", "compare", name, name, "--data", data, *QUICK).stdout)
    assert lines["difference_nats_per_token"] == "0"
    assert lines["a_model"] == lines["b_model"] == shallow.name


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the first chunk of blocks."""
    calls = LikelihoodEvaluation.calls

    def some(self: LikelihoodEvaluation) -> Iterator[int]:
        yield next(calls(self))
        raise KeyboardInterrupt

    monkeypatch.setattr(LikelihoodEvaluation, "calls", some)


def test_interrupted_it_reports_what_is_done_and_says_that_it_is_partial(
    sedd: Sedd, interrupting: None, data: str
) -> None:
    result = sedd("eval", "perplexity", "--data", data, "--length", "2", "--replicates", "2", "--json")
    record = json.loads(result.stdout)
    assert (result.code, record["complete"], record["blocks"]) == (130, False, 32)
    assert "partial" in result.stderr


def test_interrupted_it_spares_what_is_there(sedd: Sedd, interrupting: None, data: str, tmp_path: Path) -> None:
    report, plot, out = tmp_path / "page.md", tmp_path / "plot.svg", tmp_path / "out.json"
    few = "--data", data, "--length", "2", "--replicates", "2", "--json"
    places = "-o", str(out), "--report", str(report), "--plot", str(plot)
    for old in report, plot, out:
        old.write_text("kept")
    result = sedd("eval", "perplexity", *few, *places)
    assert result.code == 130 and not json.loads(result.stdout)["complete"]
    assert [file.read_text() for file in (report, plot, out)] == ["kept"] * 3
    assert not list(tmp_path.glob(".*.part"))
    report.unlink()
    assert sedd("eval", "perplexity", *few, *places).code == 130
    assert "plot.svg" not in report.read_text() and plot.read_text() == "kept"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--data", "wikitext4"), 3, "Did you mean wikitext"),
        (("--data", "DATA", "--length", "4000"), 2, "fewer than one block of 4000"),
        (("--data", "DATA", "--form", "t-dce"), 2, "'t-dce'"),
        (("--data", "DATA", "--form", "elbo", "--length", "8"), 2, "'elbo' is infinite for the absorbing process"),
        (("--data", "DATA", "--plot", "curve.gif"), 2, "a plot is no .gif"),
        (("--data", "DATA", "--plot", "x.svg", "--report", "x.svg"), 2, "--report and --plot both write to x.svg"),
        (("--data", "DATA", "--report", "-"), 2, "the figures and --report both write to stdout"),
        (("--data", "DATA", "--separator", "eos"), 2, "'eos'"),
        (("--data", "DATA", "--blocks", "0"), 2, "--blocks must be at least 1"),
        (("--data", "DATA", "--split", "test"), 2, "no splits"),
        (("--data", "DATA", "--format", "lambada"), 2, "stories.txt:1 is not JSON"),
    ],
)
def test_what_cannot_be_measured(sedd: Sedd, data: str, options: tuple[str, ...], code: int, message: str) -> None:
    result = sedd("eval", "perplexity", *(data if option == "DATA" else option for option in options))
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr, result.stderr


def test_a_data_set_of_one_token(sedd: Sedd, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("a")
    result = sedd("eval", "perplexity", "--data", str(path))
    assert result.code == 2 and "hold 2 tokens, fewer than one block of 256" in result.stderr
    kept = sedd("eval", "perplexity", "--data", str(path), "--remainder", "keep", "--replicates", "2")
    assert kept.code == 0 and fields(kept.stdout)["num_tokens"] == "2"
