"""Runs that make a masked diffusion network of an autoregressive one."""

import json
import math
import random
from pathlib import Path

import pytest
import torch

from sedd_cli import UsageError, generate, infill, load_checkpoint, score
from sedd_cli.models.adaptation import MASK, load_start
from sedd_cli.training.automatic import recipe_from_checkpoint
from sedd_cli.training.loop import StepReport, make_network
from sedd_cli.training.objectives import NoiseDraws, make_objective
from sedd_cli.training.recipe import Recipe, differing_keys, make_recipe
from sedd_cli.training.session import TrainingSession
from tests.conftest import Sedd
from tests.models.autoregressive import TOKENS, save_autoregressive
from tests.training.test_session import CPU, finish, same


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_autoregressive(tmp_path_factory.mktemp("start") / "llama", "llama", tie_word_embeddings=True)


def recipe(text: Path, start: Path, steps: int, *changes: str) -> Recipe:
    table = {
        "start": str(start),
        "batch_size": 8,
        "micro_batch": 8,
        "data": {"train": str(text)},
        "model": {"length": 32},
        "optimiser": {"name": "adamw", "learning_rate": 1e-2},
        "phases": [{"objective": "simple", "steps": steps, "warmup": 5}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2, "sample": False},
    }
    return make_recipe({"dtype": "float32", **table}, list(changes), "test")


def falls(session: TrainingSession) -> bool:
    losses = [event.loss for event in finish(session) if isinstance(event, StepReport)]
    return sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("shift", [True, False])
def test_an_autoregressive_network_is_adapted(start: Path, text: Path, tmp_path: Path, shift: bool) -> None:
    run = tmp_path / "run"
    session = TrainingSession(recipe(text, start, 16, f"model.shift={json.dumps(shift)}"), run, CPU)
    assert falls(session)
    adapted = load_checkpoint(run)
    assert adapted.config.model.leading_id == (0 if shift else None) and adapted.config.end_ids == (0,)
    assert adapted.tokenizer is not None and adapted.tokenizer.id_to_token(TOKENS) == MASK
    assert (adapted.mask_id, adapted.length, adapted.config.trained_canvas) == (TOKENS, 32, True)
    assert len(generate(adapted, prompt="a cat", seed=0, steps=4)[0].ids) == 32
    filling = infill(adapted, "a cat sat on", [(2, 5)], seed=0, steps=8)[0].text
    assert filling.startswith("a ") and filling.endswith(" sat on") and MASK not in filling
    assert score(adapted, "a cat sat", replicates=2).nats > 0


def test_an_interrupted_adaptation_resumes_bit_for_bit(start: Path, text: Path, tmp_path: Path) -> None:
    wanted = recipe(text, start, 8)
    assert wanted.model.shift is True
    for name, stop_at in (("whole", None), ("parts", 3)):
        finish(TrainingSession(wanted, tmp_path / name, CPU), stop_at)
    again = make_recipe(json.loads((tmp_path / "parts" / "recipe.json").read_text()), [], "test", tmp_path / "parts")
    finish(TrainingSession(again, tmp_path / "parts", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "parts")
    assert load_checkpoint(tmp_path / "parts").config.end_ids == (0,)


def test_keys_of_a_network_that_came_later_do_not_stop_a_run(start: Path, text: Path) -> None:
    new = recipe(text, start, 8)
    table = new.model_dump(mode="json")
    table["model"]["network"] |= {"a_key_without_value": None}
    assert differing_keys(Recipe.model_validate(table), new) == []
    table["model"]["network"] |= {"rope_theta": 1.0}
    assert differing_keys(Recipe.model_validate(table), new) == ["model.network"]


def test_the_command_takes_a_text_alone(start: Path, text: Path, tmp_path: Path, sedd: Sedd) -> None:
    table = recipe_from_checkpoint(str(start), text, 3, on_cpu=True)
    made = make_recipe(table, ["optimiser.learning_rate=1e-3"], "test")
    assert (made.optimiser.name, made.optimiser.learning_rate, made.micro_batch) == ("adamw", 1e-3, 16)
    assert recipe_from_checkpoint(str(start), text, 3, on_cpu=True)["optimiser"]["learning_rate"] == 3e-4
    run = str(tmp_path / "run")
    small = [part for key in ("model.length=16", "report.canvases=4", "report.sample=false") for part in ("--set", key)]
    done = sedd("train", str(text), "--from", str(start), "-o", run, "--minutes", "0.001", *small)
    assert done.code == 0, done.stderr
    origin = load_checkpoint(run).config.provenance["start"]
    assert isinstance(origin, dict) and origin["checkpoint"] == "llama"
    assert sedd("generate", "-m", run, "--steps", "4", "--seed", "1").code == 0


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("model.hidden_size=64", "model.hidden_size"),
        ("model.process=causal", "model.process"),
        ("model.form=sedd", "model.form"),
        ("tokenizer=bytes", "tokenizer"),
        ("noise.type=cosine", "noise.type"),
        ("model.shift=often", "model.shift"),
    ],
)
def test_a_recipe_that_contradicts_it(start: Path, text: Path, change: str, key: str) -> None:
    with pytest.raises(UsageError, match=f"test: {key} must be as in .*llama, the checkpoint to start from"):
        recipe(text, start, 1, change)


def test_a_shift_is_chosen_once(start: Path, text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text, start, 1, "model.shift=false"), tmp_path / "run", CPU))
    recipe(text, tmp_path / "run", 1, "model.shift=false")
    with pytest.raises(UsageError, match=r"model\.shift must be as in"):
        recipe(text, tmp_path / "run", 1, "model.shift=true")
    with pytest.raises(UsageError, match=r"model\.shift needs a start"):
        make_recipe({"model": {"shift": True}, "phases": [{"objective": "simple", "steps": 1}]}, [], "test")


@pytest.mark.slow
def test_a_toy_language_is_learnt_to_its_entropy(tmp_path: Path) -> None:
    """A document is one of four letters, seven times: log 4 nats in eight tokens, in whatever order they are read."""
    start = save_autoregressive(tmp_path / "start", "llama", tie_word_embeddings=True, initializer_range=0.05)
    text = tmp_path / "toy.txt"
    text.write_text("\n\n".join(random.Random(0).sample([7 * letter for letter in "abcd"] * 120, k=480)))
    changes = ("model.length=8", "data.held_out=0.25", "report.canvases=60", "report.replicates=16")
    learning = ("batch_size=16", "micro_batch=16", "phases.0.decay=0.7", "optimiser.ema=0.9")
    wanted = recipe(text, start, 300, *changes, *learning, "optimiser.learning_rate=1e-2")
    finish(TrainingSession(wanted, tmp_path / "run", CPU))
    bound = load_checkpoint(tmp_path / "run").config.provenance["bound"]
    assert isinstance(bound, dict)
    assert bound["nats_per_token"] == pytest.approx(math.log(4) / 8, abs=3 * bound["standard_error"])


def test_recomputed_blocks_give_the_same_gradients(start: Path, text: Path) -> None:
    x0 = torch.randint(TOKENS, (2, 12), generator=torch.Generator().manual_seed(0))
    draws = NoiseDraws(
        torch.tensor([0.4, 0.8]).double(), torch.rand(2, 12, generator=torch.Generator().manual_seed(1)).double()
    )
    found = []
    for change in ("false", "true"):
        wanted = recipe(text, start, 1, f"model.checkpointing={change}")
        network = make_network(wanted, TOKENS, CPU).train()
        network.backbone.load_state_dict(load_start(str(start), shift=True).model.backbone.state_dict())
        calls: list[object] = []
        network.backbone.blocks[0].register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        make_objective("simple", 0.0)(network, wanted.config(TOKENS).schedule(), x0, draws).sum().backward()
        found.append((len(calls), [p.grad for p in network.parameters()]))
    (once, plain), (twice, recomputed) = found
    assert (once, twice) == (1, 2)
    assert all(a is not None and b is not None and torch.equal(a, b) for a, b in zip(plain, recomputed, strict=True))
