"""Run a recipe on an accelerator for a few minutes, with the newest snapshot always in a folder of small files.

    python train/gpu.py --data train.txt --validation validation.txt -o SNAPSHOT [--set key=value ...]

Before it trains, the tests marked `cuda` are run, where there is CUDA; what they print goes to SNAPSHOT/cuda.txt. The
snapshot is a checkpoint like any other (`sedd generate -m SNAPSHOT`, `train/ship.py SNAPSHOT`): averaged weights in
float16, in shards of less than 16 MiB, with the run's metrics beside them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file

from sedd_cli.models.device import resolve_device
from sedd_cli.training.loop import StepReport
from sedd_cli.training.recipe import read_recipe
from sedd_cli.training.session import SaveReport, TrainingSession, ValidationReport

HOME = Path(__file__).parents[1]
SHARD = 15 * 2**20
EVERY = 100


def write_snapshot(run: Path, target: Path) -> None:
    """Replace the snapshot in `target` by the run's checkpoint as it was last saved; until it is whole, beside it."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    weights = {name: tensor.half() for name, tensor in load_file(run / "model.safetensors").items()}
    save_torch_state_dict(weights, part, max_shard_size=SHARD)
    for name in ("config.json", "tokenizer.json", "metrics.jsonl"):
        if (run / name).is_file():
            shutil.copy(run / name, part / name)
    for old in target.glob("model*"):
        old.unlink()
    for file in part.iterdir():
        file.replace(target / file.name)
    part.rmdir()


def test_cuda(log: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-m", "cuda", "-q", str(HOME / "tests")]
    with log.open("w") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    print(f"tests marked cuda: {'passed' if status == 0 else f'exit code {status}'}, see {log}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=HOME / "train" / "gpu.toml")
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    changes = [f"data.train={json.dumps(args.data)}", f"data.validation={json.dumps(args.validation)}", *args.set]
    device = resolve_device(args.device)
    if device.type == "cuda":
        test_cuda(args.output / "cuda.txt")
        torch.set_float32_matmul_precision("high")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        for event in TrainingSession(read_recipe(args.recipe, changes), run, device).events():
            if isinstance(event, SaveReport):
                write_snapshot(run, args.output)
            elif isinstance(event, ValidationReport) or (
                isinstance(event, StepReport) and event.progress.step % EVERY == 0
            ):
                print(event, flush=True)


if __name__ == "__main__":
    main()
