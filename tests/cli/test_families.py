"""Every command takes a checkpoint of every family."""

import json
from pathlib import Path

import pytest

from tests.conftest import Sedd
from tests.models.other_families import OF_EACH_KIND, save_family

TEXT = "One day a dog ran home.\nIt was late."


@pytest.fixture(params=OF_EACH_KIND)
def family(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(save_family(tmp_path / request.param, request.param))


def test_every_command_takes_it(family: str, sedd: Sedd, tmp_path: Path) -> None:
    trace, document = tmp_path / "run.jsonl", tmp_path / "story.txt"
    document.write_text(TEXT)
    common = ("-m", family, "--seed", "3")

    def done(*arguments: str) -> bytes:
        result = sedd(*arguments)
        assert result.code == 0, result.stderr
        return result.stdout

    written = done("generate", "A dog", *common, "--steps", "4", "--length", "32", "--trace", str(trace))
    assert written.startswith(b"A dog") and done("replay", str(trace)) == written
    page = tmp_path / "run.html"
    done("export", str(trace), str(page))
    assert "<html" in page.read_text()
    filled = done("infill", str(document), "--mask", "8:13", *common, "--steps", "4").decode()
    assert filled.startswith(TEXT[:8]) and filled.endswith(TEXT[13:]) and filled != TEXT
    score = json.loads(done("score", str(document), *common, "--replicates", "2", "--json"))
    assert 0 < score["bits_per_byte"] < 30
    assert json.loads(done("proof", str(document), "-m", family, "--below", "1", "--json"))["findings"]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"{TEXT}\n<|endoftext|>\n" * 4)
    figures = json.loads(
        done("eval", "perplexity", *common, "--data", str(corpus), "--length", "16", "--replicates", "2", "--json")
    )
    assert 0 < figures["bits_per_byte"] < 30
    rounded = json.loads(done("generate", *common, "--steps", "4", "--length", "32", "--dtype", "int8", "--json"))
    assert rounded["model"]["precision"] == "int8" and len(rounded["samples"][0]["ids"]) == 32
    shown = json.loads(done("models", "show", family, "--json"))
    assert shown["mask"] == (257 if "mdlm" in family else 259)
    assert shown["logits"].endswith("next position") == family.endswith(("dream", "open-dcoder"))
