"""lm-evaluation-harness with our model, as a process: its figures are those of `sedd score`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sedd_cli import Checkpoint, generate, score
from sedd_cli.evaluation.score import ScoreEvaluation, ScoreRequest
from sedd_cli.lm_eval.__main__ import main
from tests.conftest import Sedd

TASKS = Path(__file__).parent / "data" / "lm_eval"
PROMPT_TAILS = {"Once upon a time": "Once upon a time", "Lily had a red ball. One day": " a red ball. One day"}
COMMAND = [sys.executable, "-m", "sedd_cli.lm_eval", "--model", "sedd", "--include_path", ".", "--log_samples"]


def harness(folder: Path, checkpoint: Checkpoint, tasks: str, **arguments: object) -> subprocess.CompletedProcess[str]:
    """Run tasks offline, with the harness's caches in a folder."""
    given = ",".join(f"{name}={value}" for name, value in {"model": checkpoint.folder, **arguments}.items())
    return subprocess.run(
        [*COMMAND, "--tasks", tasks, "--model_args", given, "--output_path", str(folder / "out")],
        capture_output=True,
        text=True,
        cwd=TASKS,
        env={**os.environ, "HF_HOME": str(folder), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(TASKS.parents[2])},
        timeout=300,
    )


def samples(folder: Path, task: str) -> list[dict[str, Any]]:
    """What the harness recorded of a task, one record a document."""
    (path,) = (folder / "out").rglob(f"samples_{task}_*.jsonl")
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda record: record["doc_id"])


def metrics(folder: Path) -> Mapping[str, Any]:
    (path,) = (folder / "out").rglob("results_*.json")
    results: Mapping[str, Any] = json.loads(path.read_text())["results"]
    return results


@pytest.mark.slow
def test_figures_are_those_of_score_and_texts_those_of_generate(
    shallow: Checkpoint, tmp_path: Path, sedd: Sedd
) -> None:
    pytest.importorskip("lm_eval", reason="needs sedd-cli[lm-eval]")
    done = harness(tmp_path, shallow, "sedd_endings,sedd_stories,sedd_prompts", replicates=2, steps=16)
    assert done.returncode == 0, done.stderr
    assert "loglikelihood: 6 scores, ao, 2 replicates of seed 0, standard error" in done.stderr
    right = 0
    for record in samples(tmp_path, "sedd_endings"):
        doc, nats = record["doc"], []
        for ending, ((value, greedy),) in zip(doc["endings"], record["resps"], strict=True):
            nats.append(score(shallow, ending, context=doc["begin"], replicates=2).nats)
            assert float(value) == -nats[-1]
            request = ScoreRequest(context=doc["begin"])
            assert greedy == str(ScoreEvaluation(shallow, ending, request).is_greedy())
        right += nats.index(min(nats)) == doc["right"]
    assert metrics(tmp_path)["sedd_endings"]["acc,none"] == pytest.approx(right / 3)

    scores = []
    for record in samples(tmp_path, "sedd_stories"):
        document = tmp_path / "story.txt"
        document.write_text(record["doc"]["text"])
        scores.append(
            json.loads(sedd("score", str(document), "--replicates", "2", "--json", "-m", str(shallow.folder)).stdout)
        )
        assert float(record["resps"][0][0]) == -scores[-1]["nats"]
    num_bytes = sum(result["num_bytes"] for result in scores)
    bits = sum(result["bits_per_byte"] * result["num_bytes"] for result in scores) / num_bytes
    assert metrics(tmp_path)["sedd_stories"]["bits_per_byte,none"] == pytest.approx(bits)

    assert shallow.tokenizer is not None
    for record in samples(tmp_path, "sedd_prompts"):
        prompt = record["doc"]["begin"]
        length = len(shallow.tokenizer.encode(prompt)) + 24
        (sample,) = generate(
            shallow, prompt=prompt, length=length, steps=16, seed=0, temperature=0, defaults="checkpoint"
        )
        assert record["resps"][0][0] == sample.text.removeprefix(prompt).partition(".")[0]


@pytest.mark.slow
def test_a_request_that_is_repeated_has_the_next_row_and_the_end_of_a_long_context(
    shallow: Checkpoint, tmp_path: Path
) -> None:
    pytest.importorskip("lm_eval", reason="needs sedd-cli[lm-eval]")
    done = harness(tmp_path, shallow, "sedd_retold", steps=4, length=12)
    assert done.returncode == 0, done.stderr
    # Of 4 and 8 tokens; half a canvas, 6, is left for the answer.
    assert "generate_until: 2 contexts too long, of which the end was taken" in done.stderr
    tails = [PROMPT_TAILS[record["doc"]["begin"]] for record in samples(tmp_path, "sedd_retold")]
    for record, tail in zip(samples(tmp_path, "sedd_retold"), tails, strict=True):
        options = {"prompt": tail, "length": 12, "steps": 4, "seed": 0, "temperature": 0.8, "num_samples": 2}
        texts = [s.text.removeprefix(tail) for s in generate(shallow, **options, defaults="checkpoint")]  # type: ignore[arg-type]
        assert record["resps"] == [texts] and texts[0] != texts[1]


@pytest.mark.slow
def test_errors_are_ours(shallow: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="needs sedd-cli[lm-eval]")
    done = harness(tmp_path, shallow, "sedd_stories", step=16)
    assert done.returncode == 2
    assert "error: the model sedd has no argument 'step'\nIt has model, dtype, seed," in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err.endswith("Install sedd-cli[lm-eval].\n")
