"""Runs that start from a checkpoint."""

import json
import shutil
from pathlib import Path

import pytest
import tomlkit
import torch
from safetensors.torch import load_file

from sedd_cli import NotLoadableError, SeddError, UsageError, load_checkpoint
from sedd_cli.models.defaults import authors_settings
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.training.automatic import recipe_from_checkpoint
from sedd_cli.training.loop import make_network
from sedd_cli.training.recipe import Recipe, make_recipe
from sedd_cli.training.session import TrainingSession
from sedd_cli.training.vocabulary import make_tokenizer
from tests.conftest import PARITY, Sedd, enlarge_vocabulary
from tests.training.conftest import write_corpus
from tests.training.test_session import CPU, finish, same
from tests.training.test_session import recipe as fresh


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 20 steps."""
    folder = tmp_path_factory.mktemp("once")
    finish(TrainingSession(fresh(write_corpus(folder), "name=made"), folder / "made", CPU))
    return folder / "made"


@pytest.fixture
def made(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(made_once, tmp_path / "made"))


def onwards(text: Path, init_from: Path, *changes: str) -> Recipe:
    table = {
        "start": str(init_from),
        "batch_size": 4,
        "micro_batch": 2,
        "data": {"train": str(text)},
        "model": {"length": 16},
        "phases": [{"objective": "simple", "steps": 8, "warmup": 2}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    return make_recipe({"dtype": "float32", **table}, list(changes), "test")


def test_weights_and_tokenizer_are_the_checkpoints(text: Path, made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    session = TrainingSession(onwards(text, made), run, CPU)
    events = session.events()
    while not (run / "model.safetensors").exists():
        next(events)
    before, after = load_file(made / "model.safetensors"), load_file(run / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert (run / "tokenizer.json").read_bytes() == (made / "tokenizer.json").read_bytes()
    for _ in events:
        pass
    learnt = load_checkpoint(run).config.provenance
    assert learnt["steps"] == 8 and not (run / "generation_config.json").exists()
    start = load_checkpoint(made)
    assert learnt["start"] == {"checkpoint": "made", "sha256": start.hash, **start.config.provenance}


def test_it_is_needed_no_more_once_the_run_has_begun(sedd: Sedd, text: Path, made: Path, tmp_path: Path) -> None:
    """By the command, which a run is gone on with word for word."""
    recipe = tmp_path / "onwards.toml"
    recipe.write_text(tomlkit.dumps(onwards(text, made).model_dump(mode="json", exclude_none=True, exclude={"model"})))
    finish(TrainingSession(onwards(text, made), tmp_path / "whole", CPU))
    finish(TrainingSession(onwards(text, made), tmp_path / "parts", CPU), stop_at=3)
    shutil.rmtree(made)
    command = ["train", str(recipe), "-o", str(tmp_path / "parts"), "--device", "cpu"]
    assert sedd(*command).code == 3, "without --resume it is"
    done = sedd(*command, "--resume")
    assert done.code == 0, done.stderr
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


@pytest.mark.parametrize("change", ["noise=cosine", "model=5", "start=3"])
def test_sections_that_are_none(text: Path, made: Path, change: str) -> None:
    with pytest.raises(UsageError, match=change.split("=")[0]):
        onwards(text, made, change)


def test_an_objective_that_makes_another_thing_of_the_weights(text: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of form RADD: they differ in d3pm") as refused:
        TrainingSession(onwards(text, made, "phases.0.objective=d3pm-vb"), tmp_path / "run", CPU)
    assert "simple fits it" in refused.value.hint and not (tmp_path / "run").exists()


def test_a_schedule_that_no_recipe_can_say(text: Path, made: Path, tmp_path: Path) -> None:
    config = json.loads((made / "config.json").read_text())
    config["noise"]["eps"] = 0.01
    (made / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"they differ in noise.eps \(0.001, not 0.01\)"):
        TrainingSession(onwards(text, made), tmp_path / "run", CPU)


def test_what_cannot_be_gone_on_with(text: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(NotLoadableError, match="there is no tokenizer for") as refused:
        TrainingSession(onwards(text, PARITY / "radd"), tmp_path / "run", CPU)
    assert "tokenizer.json into" in refused.value.hint
    tokenizer = json.loads((made / "tokenizer.json").read_text())
    (made / "tokenizer.json").write_text(json.dumps(tokenizer).replace(END_OF_TEXT, "</s>"))
    with pytest.raises(NotLoadableError, match=r"has no <\|endoftext\|> token"):
        TrainingSession(onwards(text, made), tmp_path / "run", CPU)
    with pytest.raises(NotLoadableError, match="there is no checkpoint 'nosuch'"):
        onwards(text, Path("nosuch"))
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="the run would overwrite"):
        TrainingSession(onwards(text, made), made / ".." / "made", CPU)
    assert before == {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}


def test_a_start_that_is_replaced_once_it_is_read(text: Path, made: Path, tmp_path: Path) -> None:
    """A run that goes on saves every few minutes; packing a large text takes longer."""
    session = TrainingSession(onwards(text, made), tmp_path / "run", CPU)
    again = made / "again"
    shutil.copy(made / "model.safetensors", again)
    again.replace(made / "model.safetensors")
    finish(session, stop_at=1)
    assert load_checkpoint(tmp_path / "run").config.provenance["start"]


def test_more_tokens_than_its_tokenizer_has(text: Path, tmp_path: Path) -> None:
    """As in checkpoints whose vocabulary was rounded up."""
    start = Path(shutil.copytree(PARITY / "absorb", tmp_path / "start"))
    enlarge_vocabulary(start, 264)
    small = make_tokenizer("bytes", [])
    (start / "tokenizer.json").write_bytes(small.save())
    recipe = onwards(text, start, "phases.0.objective=dwdse", "report.sample=false")
    finish(TrainingSession(recipe, tmp_path / "run", CPU), stop_at=2)
    finish(TrainingSession(recipe, tmp_path / "run", CPU, resume=True))
    assert load_checkpoint(tmp_path / "run").config.tokens == 264 > small.size


@pytest.mark.parametrize(("name", "objective"), [("radd", "simple"), ("absorb", "dwdse"), ("uniform", "dwdse")])
def test_a_text_alone_is_learnt_by_what_fits_the_checkpoint(text: Path, name: str, objective: str) -> None:
    recipe = make_recipe(recipe_from_checkpoint(str(PARITY / name), text, 3, True), [], "test")
    (phase,) = recipe.phases
    assert (phase.objective, phase.max_minutes, recipe.micro_batch) == (objective, 3, 16)
    assert recipe.model.length == load_checkpoint(PARITY / name).length


@pytest.mark.parametrize(
    ("model", "first", "fits"),
    [
        ({"form": "sedd", "process": "uniform"}, "d3pm-simple", "d3pm-hybrid"),
        ({"form": "sedd"}, "d3pm-simple", "d3pm-hybrid"),
        ({"process": "causal"}, "autoregressive", "autoregressive"),
    ],
)
def test_chains_and_autoregressive_checkpoints(
    text: Path, tmp_path: Path, model: dict[str, str], first: str, fits: str
) -> None:
    changes = [f"model.{key}={value}" for key, value in model.items()]
    phases = f'phases=[{{objective="{first}",steps=2}}]'
    made = tmp_path / "made"
    finish(TrainingSession(fresh(text, phases, "d3pm.steps=7", "report.sample=false", *changes), made, CPU))
    table = recipe_from_checkpoint(str(made), text, 3, True)
    assert [phase["objective"] for phase in table["phases"]] == [fits]
    table["phases"] = [{"objective": fits, "steps": 2}]
    finish(
        TrainingSession(make_recipe(table, ["report.sample=false", "report.canvases=4"], "test"), tmp_path / "run", CPU)
    )
    before, after = (load_checkpoint(folder).config for folder in (made, tmp_path / "run"))
    assert (before.parameterization, before.d3pm) == (after.parameterization, after.d3pm)
    assert before.graph == after.graph


def test_longer_canvases_are_fewer_at_once(text: Path, made: Path) -> None:
    config = json.loads((made / "config.json").read_text())
    config["model"]["length"] = 1024
    (made / "config.json").write_text(json.dumps(config))
    recipes = [make_recipe(recipe_from_checkpoint(str(made), text, 3, on_cpu), [], "test") for on_cpu in (True, False)]
    assert [(r.batch_size, r.micro_batch) for r in recipes] == [(16, 4), (64, 16)]


def test_the_command(sedd: Sedd, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ("model.length=16", "micro_batch=4", "batch_size=4", "report.canvases=4")
    changes = [part for change in small for part in ("--set", change)]
    done = sedd("train", str(text), "--from", "tinystories", "-o", str(run), "--minutes", "0.001", *changes)
    assert done.code == 0, done.stderr
    origin = load_checkpoint(run).config.provenance["start"]
    assert isinstance(origin, dict) and origin["checkpoint"] == "tinystories"
    for filling in (False, True):
        theirs, ours = (authors_settings(load_checkpoint(name), filling=filling) for name in ("tinystories", str(run)))
        assert ours == theirs
    again = sedd("train", "moved.txt", "--from", "tinystories", "-o", str(run), "--resume", "--dry-run", *changes)
    assert again.code == 0 and f"goes on with {text}, with which it began: moved.txt is not read" in again.stderr
    other = sedd("train", str(text), "--from", "tinystories-sedd", "-o", str(run), "--resume")
    assert other.code == 2 and "started from tinystories, not from tinystories-sedd" in other.stderr
    assert sedd("train", str(text), "--from", "nosuch", "-o", str(run)).code == 3
    assert sedd("train", "nosuch.txt", "--from", "tinystories", "-o", str(tmp_path / "other")).code == 3
    assert not (tmp_path / "other").exists()
    assert sedd("train", str(text), "--from", "tinystories", "--tokenizer", "bytes", "--dry-run").code == 2


def test_bfloat16_on_a_cpu(text: Path, tmp_path: Path) -> None:
    """As float32 but for rounding, in training, in the bound and in the samples of a run."""
    losses = {}
    for dtype in ("float32", "bfloat16"):
        run = tmp_path / dtype
        finish(TrainingSession(fresh(text, f"dtype={dtype}", "report.minutes=0.0000001"), run, CPU))
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses[dtype] = [r.get("loss", r.get("nats_per_token")) for r in records]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]
    assert make_network(fresh(text, "dtype=auto"), 257, CPU).autocast is None
    with pytest.raises(SeddError, match="dtype"):
        fresh(text, "dtype=float16")
