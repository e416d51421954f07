"""Training by several processes: the same losses, and nothing lost. Gloo, on this machine."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import tomlkit
import torch

from sedd_cli import UsageError
from sedd_cli.distributed import World
from sedd_cli.training.recipe import Recipe, make_recipe
from sedd_cli.training.session import TrainingSession
from tests.processes import TORCHRUN, by_two, torchrun


def recipe(text: Path, *changes: str) -> Recipe:
    table = {
        "tokenizer": "bytes",
        "batch_size": 8,
        "micro_batch": 2,
        "data": {"train": str(text)},
        "model": {"form": "sedd", "hidden_size": 16, "n_blocks": 2, "n_heads": 2, "length": 16},
        "phases": [
            {"objective": "autoregressive", "steps": 4, "warmup": 2},
            {"objective": "lambda-dce", "steps": 8, "warmup": 2},
        ],
        "report": {"steps": 1, "canvases": 4, "replicates": 2, "sample": False},
    }
    return make_recipe({"dtype": "float32", **table}, list(changes), "test")


def command(recipe: Recipe, run: Path, *more: str) -> list[str]:
    path = run.with_suffix(".toml")
    path.write_text(tomlkit.dumps(recipe.model_dump(mode="json", exclude_none=True)))
    return ["train", str(path), "-o", str(run), "--device", "cpu", *more]


def alone(recipe: Recipe, run: Path, *, resume: bool = False) -> None:
    for _ in TrainingSession(recipe, run, torch.device("cpu"), resume=resume).events():
        pass


def losses(run: Path) -> dict[int, float]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {r["step"]: r["loss"] for r in records if r["kind"] == "train"}


def bounds(run: Path) -> list[float]:
    """What the averaged weights reached: the last, for a run that was gone on with has several."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [r["nats_per_token"] for r in records if r["kind"] == "validation"][-1:]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_does_and_one_goes_on_from_two(text: Path, tmp_path: Path, how: str) -> None:
    alone(recipe(text), tmp_path / "whole")
    run, shorter = tmp_path / "run", recipe(text, f"parallel={how}", "phases.1.steps=3")
    arguments = command(shorter, run)
    # DDP imports the compiler.
    done = torchrun(arguments) if how == "fsdp" else by_two(arguments, "torch._dynamo", "sedd_cli.render.training")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("held out") == 1, "one process talks"
    assert "Warning" not in done.stderr
    alone(recipe(text), run, resume=True)
    assert losses(run) == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)
    assert bounds(run) == pytest.approx(bounds(tmp_path / "whole"), rel=1e-4)


@pytest.mark.slow
def test_two_processes_go_on_from_one(text: Path, tmp_path: Path) -> None:
    alone(recipe(text), tmp_path / "whole")
    run = tmp_path / "run"
    alone(recipe(text, "phases.1.steps=3"), run)
    done = torchrun(command(recipe(text, "parallel=fsdp"), run, "--resume"))
    assert done.returncode == 0, done.stderr
    assert losses(run) == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)
    assert bounds(run) == pytest.approx(bounds(tmp_path / "whole"), rel=1e-4)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_job_and_nothing_is_lost(text: Path, tmp_path: Path) -> None:
    long = recipe(text, "phases.1.steps=100000", "save.minutes=0.0000001")
    run = tmp_path / "run"
    with subprocess.Popen([*TORCHRUN, *command(long, run)], stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        while not (run / "metrics.jsonl").exists():
            assert job.poll() is None
        os.kill(process_of_rank(job.pid, 1), signal.SIGKILL)
        told = job.stderr.read()
    assert job.returncode == 1
    assert "process 0 of 2 lost the connection to another" in told and "--resume" in told
    step = max(losses(run))
    alone(recipe(text, f"phases.1.steps={step}"), run, resume=True)
    assert max(losses(run)) == step + 4


def process_of_rank(parent: int, rank: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (pid,) = [c for c in children if f"\0RANK={rank}\0".encode() in Path(f"/proc/{c}/environ").read_bytes()]
    return int(pid)


def test_a_batch_that_cannot_be_shared_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3 processes cannot share batches of 8 canvases equally"):
        TrainingSession(recipe(text), tmp_path / "run", torch.device("cpu"), world=World(0, 3))
    assert not (tmp_path / "run").exists()
