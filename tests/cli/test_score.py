"""`sedd score`, run in this process: figures on stdout, the rest on stderr, and the exit code."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, score
from sedd_cli.evaluation import score as module
from sedd_cli.evaluation.verdict import rounded, verdict
from sedd_cli.render.heat import BANDS, heat, legend
from tests.conftest import PARITY, Sedd

TEXT = "Once upon a time there was a little dog. He liked to play.\n"
QUICK = ("--replicates", "2")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "story.txt"
    path.write_bytes(TEXT.encode())
    return str(path)


def figures(stdout: bytes) -> dict[str, str]:
    lines = stdout.decode().split("\n\n")[-1].splitlines()
    return {name: value.strip() for name, value in (line.split(maxsplit=1) for line in lines)}


def test_a_sentence_then_one_figure_a_line(
    sedd: Sedd, built_in: Checkpoint, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    expected = score(built_in, TEXT, replicates=2)
    result = sedd("score", document, *QUICK)
    assert result.code == 0
    value, error = (figures(result.stdout)["nats"]).split(" ± ")
    assert abs(float(value) - expected.nats) < expected.standard_error / 10
    assert float(error) == pytest.approx(expected.standard_error, rel=0.05)
    assert figures(result.stdout) == {
        "nats": f"{value} ± {error}",
        "form": "ao, the bound over all orders of writing: the true figures are at most these",
        "bits_per_byte": figures(result.stdout)["bits_per_byte"],
        "num_tokens": str(expected.num_tokens),
        "num_bytes": str(len(TEXT)),
    }
    assert result.stdout.startswith(b"perplexity ") and b"children's stories that tinystories" in result.stdout
    assert "seed 0, 2 replicates" in result.stderr and "16 network calls" in result.stderr
    assert b"\x1b" not in result.stdout and "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.5, "more predictable than the children's stories"),
        (1.0, "about as predictable as the children's stories"),
        (1.5, "less predictable than the children's stories"),
        (3.0, "3.0 times as surprising as the children's stories"),
    ],
)
def test_the_sentence_compares_with_the_validation_text(built_in: Checkpoint, ratio: float, words: str) -> None:
    assert built_in.validation_bound is not None
    scored = replace(score(built_in, TEXT, replicates=2), standard_error=0.0)
    scaled = replace(scored, per_token=torch.full((10,), ratio * built_in.validation_bound, dtype=torch.float64))
    assert words in verdict(scaled, built_in)
    unknown = replace(built_in, config=built_in.config.model_copy(update={"provenance": {}}))
    assert verdict(scaled, unknown) == f"perplexity {rounded(scaled.perplexity, 0.0)}"


def test_numbers_are_rounded_by_their_error() -> None:
    assert [rounded(153.218, 4.31), rounded(0.93412, 0.0213), rounded(153.218, 0.0), rounded(8123.4, 210.0)] == [
        "153.2",
        "0.934",
        "153.2",
        "8123",
    ]


def test_stdin_and_output_file_give_the_same(sedd: Sedd, document: str, tmp_path: Path) -> None:
    expected = sedd("score", document, *QUICK).stdout
    result = sedd("score", "-", *QUICK, "-o", str(tmp_path / "out"), stdin=TEXT.encode())
    assert (result.code, result.stdout) == (0, b"")
    assert (tmp_path / "out").read_bytes() == expected


def test_json(sedd: Sedd, shallow: Checkpoint, document: str) -> None:
    expected = score(shallow, TEXT, context="Ben said: ", replicates=2, seed=3, pseudo=True, length=8, overlap=2)
    options = ("--json", "--pseudo", "--seed", "3", "--length", "8", "--overlap", "2", "--context", "Ben said: ")
    record = json.loads(sedd("score", document, *options, *QUICK).stdout)
    assert record["schema_version"] == 1
    assert record["model"] == {"name": shallow.name, "sha256": shallow.hash, "precision": "float32"}
    assert record["settings"] == {
        "order": "any",
        "context": "Ben said: ",
        "seed": 3,
        "until_error": None,
        "length": 8,
    }
    for name in ("nats", "standard_error", "form", "bits_per_byte", "perplexity", "num_tokens", "num_bytes"):
        assert record[name] == getattr(expected, name), name
    assert (record["replicates"], record["windows"], record["overlap"]) == (2, expected.windows, 2)
    assert record["complete"] and record["windows"] > 1
    assert expected.pseudo is not None and record["pseudo_nats"] == float(expected.pseudo.sum())
    # The blank that ends the context belongs to the token of the first word.
    assert "".join(token["text"] for token in record["tokens"]) == " " + TEXT
    assert [token["nats"] for token in record["tokens"]] == expected.per_token.tolist()
    assert [token["pseudo"] for token in record["tokens"]] == expected.pseudo.tolist()


def test_left_to_right_is_exact(sedd: Sedd, document: str) -> None:
    result = sedd("score", document, "--order", "left-to-right")
    told = figures(result.stdout)
    assert told["form"] == "left-to-right, exact for this order" and "±" not in result.stdout.decode()
    assert "replicates" not in result.stderr


def test_windows_and_overlap_are_told(sedd: Sedd, document: str) -> None:
    errors = sedd("score", document, "--length", "8", *QUICK).stderr
    assert "windows of 8" in errors and "shares at least 4 tokens with the one before" in errors


def test_until_error(sedd: Sedd, document: str) -> None:
    record = json.loads(sedd("score", document, "--json", "--until-error", "0.2", *QUICK).stdout)
    assert record["standard_error"] / record["num_tokens"] <= 0.2


def test_heat_is_drawn_where_asked_for(sedd: Sedd, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sedd("score", document, *QUICK, "--no-heat").stdout
    heated = sedd("score", document, *QUICK, "--heat").stdout.decode()
    sentence, table = plain.decode().split("\n\n")
    assert heated.startswith(sentence) and heated.endswith(table)
    assert "nats a token:" in heated and "8 or more" in heated and "\x1b[30;48;5;" in heated and "↵" in heated
    for options, environment in ((("--color", "never"), {}), ((), {"NO_COLOR": "1"})):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        colourless = sedd("score", document, *QUICK, "--heat", *options).stdout.decode()
        assert "48;5" not in colourless and "\x1b[1;4m" in colourless


def test_heat_of_the_pseudo_likelihood_too(sedd: Sedd, document: str) -> None:
    heated = sedd("score", document, "--heat", "--pseudo", "--order", "left-to-right").stdout.decode()
    assert "nats a token given all others:" in heated


def test_heat_counts_a_character_of_many_tokens_whole() -> None:
    text = heat(["a", "", "", "🌍", " b\n"], [0.0, 3.0, 3.0, 3.0, 0.0])
    assert text.plain == "a🌍 b↵\n"
    assert [(text.plain[span.start : span.end], span.style) for span in text.spans if span.style] == [
        ("🌍", BANDS[-1][1])
    ]
    assert legend("nats a token").plain.startswith("nats a token:  under 1  1 to 2")


def test_a_hostile_document_is_shown_inert(sedd: Sedd) -> None:
    hostile = b"[/red]\x1b]0;owned\x07 [bold]"
    result = sedd("score", "-", *QUICK, "--heat", stdin=hostile)
    assert result.code == 0
    assert b"\x1b]0" not in result.stdout and "␛".encode() in result.stdout and b"\x07" not in result.stdout
    assert "\x1b" not in result.stderr


def interrupted(after: int) -> Callable[..., object]:
    """`estimate`, with Ctrl-C after so many rounds."""
    estimate, calls = module.estimate, []

    def fake(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return estimate(*args, **kwargs)  # type: ignore[arg-type]

    return fake


def test_control_c_reports_what_there_is(sedd: Sedd, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = json.loads(sedd("score", document, "--json", "--replicates", "4").stdout)
    monkeypatch.setattr(module, "estimate", interrupted(2))
    result = sedd("score", document, "--json", "--until-error", "1e-6")
    record = json.loads(result.stdout)
    assert result.code == 130 and not record["complete"]
    assert (record["nats"], record["replicates"]) == (expected["nats"], 4)


def test_control_c_spares_a_file_that_is_there(
    sedd: Sedd, document: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    old.write_text("kept")
    monkeypatch.setattr(module, "estimate", interrupted(2))
    result = sedd("score", document, "--json", "--until-error", "1e-6", "-o", str(old))
    assert result.code == 130 and not json.loads(result.stdout)["complete"]
    assert f"{old} was left as it is" in result.stderr
    assert old.read_text() == "kept" and len(list(tmp_path.iterdir())) == 2


def test_control_c_before_anything_is_known(sedd: Sedd, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "estimate", interrupted(0))
    result = sedd("score", document)
    assert (result.code, result.stdout) == (130, b"") and "before the first result" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["/no/such/file"], b"", 3, "cannot read /no/such/file"),
        (["-"], b"\x7fELF\0", 2, "binary"),
        (["-"], b"", 2, "empty"),
        (["-"], b"caf\xe9 au lait", 2, "byte 0xe9 at offset 3"),
        (["-"], None, 2, "stdin is closed"),
        (
            ["-", "-m", str(PARITY / "uniform"), "--order", "left-to-right"],
            b"ab",
            2,
            "needs a checkpoint of the absorbing",
        ),
        (["-", "-m", str(PARITY / "uniform"), "--pseudo"], b"ab", 2, "needs a checkpoint of the absorbing"),
        (["-", "-m", str(PARITY / "absorb")], b"ab", 2, "has no tokenizer"),
        (["-", "-m", "gpt5"], b"ab", 3, "no checkpoint 'gpt5'"),
        (["-", "--order", "random"], b"ab", 2, "random"),
        (["-", "--replicates", "1"], b"ab", 2, "replicates must be at least 2"),
        (["-", "--until-error", "0"], b"ab", 2, "until_error must be above 0"),
        (["-", "--overlap", "256"], b"ab", 2, "cannot overlap by 256"),
        (["-", "--json", "--heat"], b"ab", 2, "--json and --heat"),
        (["-", "-o", "/no/such/folder/out"], b"ab", 1, "cannot write"),
        ([], b"", 2, "FILE"),
    ],
)
def test_errors_say_what_and_exit(
    sedd: Sedd, arguments: list[str], stdin: bytes | None, code: int, message: str
) -> None:
    result = sedd("score", *arguments, stdin=stdin)
    assert (result.code, result.stdout) == (code, b"")
    assert message in result.stderr and "Traceback" not in result.stderr


def test_the_document_is_not_written_over(sedd: Sedd, tmp_path: Path) -> None:
    story, link = tmp_path / "story.txt", tmp_path / "link"
    story.write_text("Once upon a time")
    link.symlink_to(story)
    for place in (story, link):
        result = sedd("score", str(story), "-o", str(place))
        assert result.code == 2 and "would write over" in result.stderr and story.read_text() == "Once upon a time"


def test_a_context_that_is_too_long_is_given_in_part(sedd: Sedd, document: str) -> None:
    result = sedd("score", document, *QUICK, "--length", "20", "--context", "Ben and Mia had a red ball. They played.")
    assert result.code == 0 and "of the context the last 10 tokens are given" in result.stderr
