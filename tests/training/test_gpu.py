"""`train/gpu.py`: the newest snapshot stands in small files, and is a checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli import generate, load_checkpoint

SCRIPT = Path(__file__).parents[2] / "train" / "gpu.py"
SMALL = {
    "tokenizer": "bpe:300",
    "batch_size": 4,
    "micro_batch": 4,
    "model.hidden_size": 32,
    "model.n_blocks": 2,
    "model.n_heads": 2,
    "model.length": 32,
    "phases.0.max_minutes": 0.001,
    "phases.1.max_minutes": 0.05,
    "save.minutes": 0.01,
    "report.canvases": 4,
}


@pytest.mark.slow
def test_it_leaves_a_checkpoint(text: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    changes = [argument for key, value in SMALL.items() for argument in ("--set", f"{key}={value}")]
    command = [sys.executable, str(SCRIPT), "--data", str(text), "--validation", str(text), "--device", "cpu"]
    done = subprocess.run(
        [*command, "-o", str(snapshot), *changes], env=os.environ, capture_output=True, text=True, check=True
    )
    assert "nats_per_token" in done.stdout
    files = {path.name for path in snapshot.iterdir()}
    assert files == {"config.json", "tokenizer.json", "metrics.jsonl", "model.safetensors"}
    checkpoint = load_checkpoint(snapshot)
    assert checkpoint.config.provenance["recipe"] == "tinystories"
    assert generate(checkpoint, steps=4, seed=0)[0].text
