"""D3PM and autoregressive checkpoints, from the recipe to the commands: each works with them, or says why not."""

import json
import math
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch
from textual.message import Message

from sedd_cli import Checkpoint, UsageError, generate, infill, load_checkpoint, score, stream
from sedd_cli.generation.alternatives import alternatives
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.recipe import Recipe, make_recipe
from sedd_cli.training.session import TrainingSession
from sedd_cli.tui import messages
from sedd_cli.tui.engine import Engine
from tests.conftest import Sedd

TEXT = "abcabcab\n\n" * 40
KINDS = {
    "causal": ("causal", "radd", "autoregressive"),
    "d3pm-absorb": ("absorb", "radd", "d3pm-hybrid"),
    "d3pm-uniform": ("uniform", "sedd", "d3pm-vb"),
}


def recipe(text: Path, kind: str, *changes: str) -> Recipe:
    process, form, objective = KINDS[kind]
    table = {
        "name": kind,
        "tokenizer": "bytes",
        "batch_size": 8,
        "micro_batch": 4,
        "data": {"train": str(text)},
        "model": {"process": process, "form": form, "hidden_size": 16, "n_blocks": 1, "n_heads": 2, "length": 12},
        "d3pm": {"steps": 6, "mixture": "joint"},
        "phases": [{"objective": objective, "steps": 60, "warmup": 5}],
        "report": {"canvases": 4, "replicates": 2},
    }
    return make_recipe({"dtype": "float32", **table}, list(changes), "test")


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A checkpoint of each kind, as a run leaves it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "text.txt").write_text(TEXT)
    for _ in TrainingSession(recipe(folder / "text.txt", request.param), folder / "run", torch.device("cpu")).events():
        pass
    return load_checkpoint(folder / "run")


def test_the_config_says_what_it_is(trained: Checkpoint) -> None:
    text = (trained.folder / "config.json").read_text()
    config = json.loads(text)
    kind = config["model"]["name"]
    assert config["graph"] == {"type": KINDS[kind][0]} and "null" not in text
    if kind == "causal":
        assert trained.parameterization == "autoregressive" and "d3pm" not in config
    else:
        assert trained.parameterization == "D3PM" and config["d3pm"] == {"steps": 6, "mixture": "joint"}


def test_it_learns_and_its_bound_is_the_one_of_its_kind(trained: Checkpoint) -> None:
    form = "autoregressive" if trained.parameterization == "autoregressive" else "d3pm"
    result = score(trained, "abcabcabcabc")
    assert result.form == form
    assert float(result.per_token.sum()) == pytest.approx(result.nats)
    if form == "autoregressive":
        assert (result.standard_error, result.replicates) == (0, 0)
    else:
        assert result.standard_error > 0
    assert result.nats / 12 < math.log(257) - 1
    assert trained.validation_bound is not None


def test_samples_are_a_function_of_seed_and_row(trained: Checkpoint) -> None:
    samplers = ["left-to-right"] if trained.parameterization == "autoregressive" else ["ancestral", "tweedie"]
    for sampler in samplers:
        options = {"sampler": sampler, "steps": 5, "length": 10}
        together = generate(trained, num_samples=3, seed=1, batch_size=3, **options)  # type: ignore[arg-type]
        alone = generate(trained, row=2, seed=1, **options)[0]  # type: ignore[arg-type]
        assert torch.equal(together[2].ids, alone.ids) and int(alone.ids.max()) < 257
        if sampler == "ancestral":
            assert alone.nfe <= 6 if trained.mask_id is not None else alone.nfe == 6
        if sampler == "left-to-right":
            assert alone.nfe == 10
    default = Run(trained, Request(seed=0)).request
    assert default.sampler == ("left-to-right" if trained.parameterization == "autoregressive" else "tweedie")


def test_a_prompt_is_kept_and_gaps_are_filled_or_refused(trained: Checkpoint) -> None:
    sample = generate(trained, prompt="abc", seed=0, steps=4)[0]
    assert sample.text.startswith("abc")
    if trained.parameterization == "autoregressive":
        with pytest.raises(UsageError, match="left to right"):
            generate(trained, prompt="abc", suffix="abc", seed=0)
        with pytest.raises(UsageError, match="left to right"):
            infill(trained, "abcabc", [(2, 4)], seed=0)
        with pytest.raises(UsageError, match="MASK"):
            score(trained, "abc", pseudo=True)
        assert score(trained, "abc", order="left-to-right").form == "autoregressive"
        with pytest.raises(UsageError, match="does not fit"):
            generate(trained, sampler="tweedie")
        return
    for sampler in ("ancestral", "tweedie"):
        best, other = infill(trained, "abcabc", [(2, 4)], seed=0, num_samples=2, sampler=sampler, steps=4)  # type: ignore[arg-type]
        assert best.text.startswith("ab") and best.text.endswith("bc") and best.nats <= other.nats


def test_the_interface_takes_what_has_a_canvas_of_noise(trained: Checkpoint) -> None:
    said: SimpleQueue[Message] = SimpleQueue()
    threads = torch.get_num_threads()
    engine = Engine(said.put)
    engine.load(str(trained.folder), "cpu")
    while isinstance(message := said.get(timeout=60), messages.Loading):
        pass
    assert engine.close(60)
    torch.set_num_threads(threads)
    if trained.parameterization == "autoregressive":
        assert isinstance(message, messages.LoadFailed) and "autoregressive" in message.error.message
    else:
        assert isinstance(message, messages.Loaded)


def test_what_could_stand_somewhere_is_a_law(trained: Checkpoint) -> None:
    state = list(stream(trained, seed=0, steps=3, length=6))[1].state
    found = alternatives(trained, state, 2, count=300)
    assert sum(found.probability) == pytest.approx(1, abs=1e-6)


def test_the_command(trained: Checkpoint, sedd: Sedd, tmp_path: Path) -> None:
    folder = str(trained.folder)
    causal = trained.parameterization == "autoregressive"
    sampler = [] if causal else ["--sampler", "ancestral"]
    trace = tmp_path / "trace.jsonl"
    made = sedd("generate", "-m", folder, "--seed", "1", "--trace", str(trace), *sampler)
    assert made.code == 0 and ("takes the checkpoint's own 6 steps, not 256" in made.stderr) != causal
    assert sedd("replay", str(trace)).code == 0
    shown = sedd("models", "show", folder)
    assert shown.code == 0 and f"form: {trained.parameterization}".encode() in shown.stdout
    (tmp_path / "text.txt").write_text("abcabc")
    scored = sedd("score", str(tmp_path / "text.txt"), "-m", folder)
    assert scored.code == 0 and (b"autoregressive" if causal else b"d3pm") in scored.stdout
    filled = sedd("infill", str(tmp_path / "text.txt"), "--mask", "1:3", "-m", folder, "--steps", "3")
    assert (filled.code, "left to right" in filled.stderr) == ((2, True) if causal else (0, False))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("causal", ["phases.0.objective=ao"], "the objective ao needs noise"),
        ("causal", ["phases.0.objective=d3pm-vb"], "the objective d3pm-vb needs noise"),
        ("d3pm-uniform", ["phases.0.objective=lambda-dce"], "needs model.process absorb"),
        ("d3pm-absorb", ["d3pm.mixture=sum"], "d3pm.mixture"),
        ("d3pm-absorb", ["d3pm.steps=0"], "d3pm.steps"),
    ],
)
def test_recipes_that_make_no_sense_say_so(kind: str, changes: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        recipe(tmp_path, kind, *changes)


def test_every_objective_is_chosen_by_a_change(tmp_path: Path) -> None:
    for objective, info in OBJECTIVES.items():
        changed = recipe(tmp_path, "d3pm-absorb", f"phases.0.objective={objective}")
        assert (changed.config(5).d3pm is not None) == info.has_chain == objective.startswith("d3pm")
    uniform = recipe(tmp_path, "causal", "model.process=uniform", "model.form=sedd", "phases.0.objective=dcsm")
    assert uniform.config(5).graph.type == "uniform"
