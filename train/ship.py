"""Make a run the built-in checkpoint: weights in float16, the bound they reach, unpicked samples, the run's log.

    python train/ship.py RUN --validation validation.txt
    python train/ship.py CHECKPOINT --validation validation.txt --only-bound

The bound is taken of the weights as they are shipped, on every canvas of the validation text.
"""

import argparse
import csv
import json
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from sedd_cli import Checkpoint, generate, load_checkpoint
from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.generation.self_test import record
from sedd_cli.text.corpus import read_documents
from sedd_cli.training.packed import Packed, pack

HOME = Path(__file__).parents[1]
TARGET = HOME / "sedd_cli" / "checkpoints" / "tinystories"
LOG = HOME / "train" / "tinystories.csv"
REPLICATES = 16
EVERY = 100
SEEDS = range(10)


@dataclass(frozen=True)
class Bound:
    """The any-order bound (RADD, equation 2.16) on a validation text."""

    nats_per_token: float
    standard_error: float
    bits_per_byte: float
    documents: int


def bound_of(checkpoint: Checkpoint, validation: Path) -> Bound:
    """Of all canvases of the text; `standard_error` is that of the estimate, not of the text as a sample."""
    assert checkpoint.tokenizer is not None
    with tempfile.TemporaryDirectory() as folder:
        pack(read_documents(validation), checkpoint.tokenizer, Path(folder) / "validation")
        data = Packed(Path(folder) / "validation", checkpoint.length, wrap=True)
        x0 = data.first(len(data))
        per_byte = data.tokens / (data.bytes + data.documents)
    found = estimate(checkpoint.model, checkpoint.process, checkpoint.noise, x0, form="ao", replicates=REPLICATES)
    nats = float(found.nats.sum()) / x0.numel()
    return Bound(nats, found.standard_error / x0.numel(), nats * per_byte / math.log(2), data.documents)


def put(run: Path, validation: Path) -> tuple[Checkpoint, Bound]:
    """Write the checkpoint's three files and the figures of its self-test, and load what was written."""
    weights = {name: tensor.half() for name, tensor in load_file(run / "model.safetensors").items()}
    save_file(weights, TARGET / "model.safetensors")
    shutil.copy(run / "tokenizer.json", TARGET / "tokenizer.json")
    config = json.loads((run / "config.json").read_text())
    config["provenance"].pop("bound", None)
    config["provenance"] = in_all(config["provenance"])
    _write_config(config)
    bound = bound_of(load_checkpoint(str(TARGET)), validation)
    config["provenance"]["data"] = "TinyStories pieces, 13,658 stories, 2.8M tokens, CDLA-Sharing-1.0"
    config["provenance"]["bound"] = {
        "nats_per_token": round(bound.nats_per_token, 4),
        "standard_error": round(bound.standard_error, 4),
        "bits_per_byte": round(bound.bits_per_byte, 4),
        "form": "ao",
        "data": f"{bound.documents} held-out TinyStories",
    }
    _write_config(config)
    shipped = load_checkpoint(str(TARGET))
    record(shipped)
    return shipped, bound


def in_all(provenance: dict[str, Any]) -> dict[str, Any]:
    """Of a run that started from an earlier snapshot: steps, tokens and seconds are those of both."""
    rest = dict(provenance)
    if (start := rest.pop("start", None)) is None:
        return rest
    before = in_all(start)
    return rest | {key: before[key] + rest[key] for key in ("steps", "tokens", "seconds", "objectives")}


def _write_config(config: dict[str, object]) -> None:
    (TARGET / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def card(checkpoint: Checkpoint, bound: Bound) -> str:
    """The model card: what it is, what it was made of, what it can and cannot do."""
    model, made = checkpoint.config.model, checkpoint.config.provenance
    steps, tokens, seconds = (int(str(made[key])) for key in ("steps", "tokens", "seconds"))
    samples = "\n\n".join(
        f"### Seed {seed}\n\n```\n{generate(checkpoint, steps=256, seed=seed)[0].text.strip()}\n```" for seed in SEEDS
    )
    return f"""# tinystories

RADD form (absorbing, no time conditioning): {model.n_blocks} blocks, width {model.hidden_size}, {model.n_heads} heads,
{checkpoint.parameters / 1e6:.2f}M parameters, canvas of {model.length} tokens, byte-level BPE of
{checkpoint.config.tokens:,} tokens. Float16 on disk. Made by `train/tinystories.toml`.

- Data: pieces of the TinyStories data set (13,658 stories, 2.8M tokens), CDLA-Sharing-1.0.
- Training: {steps:,} steps, {tokens / 1e6:.1f}M tokens, {seconds / 3600:.1f} hours on two CPU cores that other work
  shared; the log is `train/tinystories.csv`.
- Bound on {bound.documents} held-out stories (any-order, {REPLICATES} replicates): {bound.nats_per_token:.3f} +-
  {bound.standard_error:.3f} nats a token, {bound.bits_per_byte:.3f} bits a byte.
- Limits: it knows children's stories only, in simple English. It loses the thread, confuses who did what, and writes
  words that do not fit. It was trained on canvases of {model.length} tokens and, seldom, fewer; longer ones fall apart.

## Samples

`sedd generate --steps 256 --seed N`, N from {SEEDS[0]} to {SEEDS[-1]}, none left out.

{samples}
"""


def write_log(run: Path) -> None:
    """Every hundredth step of the run's metrics, and every validation; after those of the run it started from."""
    start = json.loads((run / "config.json").read_text())["provenance"].get("start")
    before = {"steps": 0, "tokens": 0, "seconds": 0} if start is None else in_all(start)
    with LOG.open(newline="") as file:
        header, *rows = csv.reader(file)
    with LOG.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(row for row in rows if int(row[0]) <= before["steps"])
        last: dict[str, Any] = {}
        for line in (run / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "train":
                last = record
                if record["step"] % EVERY == 0:
                    table.writerow([*_progress(record, before), f"{record['smoothed']:.4f}", "", ""])
            else:
                row = [*_progress({**last, **record}, before), ""]
                table.writerow([*row, f"{record['nats_per_token']:.4f}", f"{record['standard_error']:.4f}"])


def _progress(record: dict[str, Any], before: dict[str, Any]) -> list[object]:
    tokens = before["tokens"] + record["canvases"] * 256 - record.get("cut", 0)
    return [before["steps"] + record["step"], tokens, round(before["seconds"] + record["seconds"]), record["objective"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run's folder; with --only-bound any checkpoint")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--only-bound", action="store_true")
    args = parser.parse_args()
    if args.only_bound:
        print(bound_of(load_checkpoint(args.run), args.validation))
        return
    checkpoint, bound = put(Path(args.run), args.validation)
    (TARGET / "README.md").write_text(card(checkpoint, bound))
    write_log(Path(args.run))
    print(bound)


if __name__ == "__main__":
    main()
