"""Runs that start from a checkpoint."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sedd_cli import NotLoadableError, SeddError, UsageError, load_checkpoint
from sedd_cli.training.automatic import recipe_for
from sedd_cli.training.loop import make_network
from sedd_cli.training.recipe import Recipe, make_recipe
from sedd_cli.training.session import Session
from sedd_cli.training.vocabulary import make_tokenizer
from tests.conftest import PARITY, Sedd
from tests.training.test_session import CPU, finish, same
from tests.training.test_session import recipe as fresh


@pytest.fixture
def made(text: Path, tmp_path: Path) -> Path:
    """A checkpoint of 20 steps."""
    finish(Session(fresh(text), tmp_path / "made", CPU))
    return tmp_path / "made"


def onwards(text: Path, start: Path, *changes: str) -> Recipe:
    table = {
        "start": str(start),
        "batch_size": 4,
        "micro_batch": 2,
        "data": {"train": str(text)},
        "model": {"length": 16},
        "phases": [{"objective": "simple", "steps": 8, "warmup": 2}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    return make_recipe(table, list(changes), "test")


def test_weights_and_tokenizer_are_the_checkpoints(text: Path, made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    session = Session(onwards(text, made), run, CPU)
    events = session.events()
    next(events), next(events)  # prepared, saved
    before, after = load_file(made / "model.safetensors"), load_file(run / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert (run / "tokenizer.json").read_bytes() == (made / "tokenizer.json").read_bytes()
    for _ in events:
        pass
    learnt = load_checkpoint(run).config.provenance
    assert learnt["steps"] == 8
    assert learnt["start"] == {"checkpoint": "run", **load_checkpoint(made).config.provenance}


def test_it_is_needed_no_more_once_the_run_has_begun(text: Path, made: Path, tmp_path: Path) -> None:
    finish(Session(onwards(text, made), tmp_path / "whole", CPU))
    finish(Session(onwards(text, made), tmp_path / "parts", CPU), stop_at=3)
    shutil.rmtree(made / "state")
    (made / "model.safetensors").unlink()
    finish(Session(onwards(text, made), tmp_path / "parts", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (load_checkpoint(tmp_path / name).config.provenance["start"] for name in ("whole", "parts"))
    assert whole == parts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.hidden_size=32", "model.hidden_size must be as in"),
        ("model.form=sedd", "model.form must be as in"),
        ("noise.type=cosine", "noise.type must be as in"),
        ("tokenizer=bpe:300", "tokenizer must be as in"),
    ],
)
def test_what_it_decides_cannot_be_changed(text: Path, made: Path, change: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        onwards(text, made, change)
    assert onwards(text, made, "model.length=8", "model.dropout=0.2").model.length == 8


def test_an_objective_that_makes_another_thing_of_the_weights(text: Path, made: Path, tmp_path: Path) -> None:
    recipe = onwards(text, made, "phases.0.objective=d3pm-vb")
    with pytest.raises(UsageError, match="of form RADD: they differ in d3pm") as refused:
        finish(Session(recipe, tmp_path / "run", CPU))
    assert "simple fits it" in refused.value.hint


def test_a_network_without_a_tokenizer_cannot_be_gone_on_with(text: Path, tmp_path: Path) -> None:
    with pytest.raises(NotLoadableError, match="there is no tokenizer at"):
        finish(Session(onwards(text, PARITY / "radd"), tmp_path / "run", CPU))
    with pytest.raises(NotLoadableError, match="there is no checkpoint 'nosuch'"):
        onwards(text, Path("nosuch"))


@pytest.mark.parametrize(("name", "objective"), [("radd", "simple"), ("absorb", "dwdse"), ("uniform", "dwdse")])
def test_a_text_alone_is_learnt_by_what_fits_the_checkpoint(text: Path, name: str, objective: str) -> None:
    table = recipe_for(text, 3, True, str(PARITY / name))
    (phase,) = make_recipe(table, [], "test").phases
    assert (phase.objective, phase.max_minutes) == (objective, 3)


def test_the_command(sedd: Sedd, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ("model.length=16", "micro_batch=4", "batch_size=4", "report.canvases=4")
    changes = [part for change in small for part in ("--set", change)]
    done = sedd("train", str(text), "--from", "tinystories", "-o", str(run), "--minutes", "0.001", *changes)
    assert done.code == 0, done.stderr
    origin = load_checkpoint(run).config.provenance["start"]
    assert isinstance(origin, dict) and origin["checkpoint"] == "tinystories"
    assert sedd("train", str(text), "--from", "nosuch", "-o", str(run)).code == 3
    assert sedd("train", str(text), "--from", "tinystories", "--tokenizer", "bytes", "--dry-run").code == 2


def test_a_tokenizer_by_the_name_of_its_checkpoint(made: Path) -> None:
    built_in, of_a_folder = make_tokenizer("tinystories", []), make_tokenizer(str(made), [])
    assert (built_in.size, of_a_folder.size) == (4096, 257)
    for name, words in (("nosuch", "there is no tokenizer at"), ("some/one", "no such repository")):
        with pytest.raises(NotLoadableError, match=words):
            make_tokenizer(name, [])


def test_bfloat16_on_a_cpu(text: Path, tmp_path: Path) -> None:
    """As float32 but for rounding, in training, in the bound and in the samples of a run."""
    losses = {}
    for dtype in ("float32", "bfloat16"):
        run = tmp_path / dtype
        finish(Session(fresh(text, f"dtype={dtype}", "report.minutes=0.0000001"), run, CPU))
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses[dtype] = [r.get("loss", r.get("nats_per_token")) for r in records]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]
    assert make_network(fresh(text, "dtype=auto"), 257, CPU).autocast is None
    with pytest.raises(SeddError, match="dtype"):
        fresh(text, "dtype=float16")
