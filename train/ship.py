"""Make a run the built-in checkpoint of its name: weights in float16, what they reach, unpicked samples, the run's log.

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
from sedd_cli.diffusion.names import Estimator
from sedd_cli.generation.self_test import record
from sedd_cli.models.defaults import authors_settings
from sedd_cli.models.folder import read_config, weights_files
from sedd_cli.models.names import DEFAULT_CHECKPOINT
from sedd_cli.text.corpus import read_documents
from sedd_cli.training.packed import PackedCorpus, pack

HOME = Path(__file__).parents[1]
CHECKPOINTS = HOME / "sedd_cli" / "checkpoints"
COLUMNS = ["step", "tokens", "seconds", "objective", "loss", "bound", "standard_error", "bits_per_byte"]
REPLICATES = 16
EVERY = 100
SEEDS = range(10)
DATA = "pieces of the TinyStories data set (13,658 stories, 11.4 MB), CDLA-Sharing-1.0"
RECIPES = {
    "tinystories": """`train/tinystories.toml`, then, with the blocks and tokens that
`train/grow.py` adds, by four runs of `train/tinystories-grown.toml`, as the mean of the
last three (`train/average.py`)""",
    "tinystories-sedd": "`train/tinystories-sedd.toml`",
}
FORMS = {
    "RADD": "RADD form (absorbing, no time conditioning)",
    "SEDD": "SEDD form (absorbing, time-conditioned; its score is learnt as it is, factor and all)",
}


@dataclass(frozen=True)
class Bound:
    """A figure for a validation text; `standard_error` is that of the estimate, not of the text as a sample."""

    estimator: Estimator
    nats_per_token: float
    standard_error: float
    bits_per_byte: float
    documents: int


def bound_of(checkpoint: Checkpoint, validation: Path, estimator: Estimator = "ao") -> Bound:
    """Of all canvases of the text: the any-order bound (RADD, equation 2.16), or another estimate."""
    assert checkpoint.tokenizer is not None
    with tempfile.TemporaryDirectory() as folder:
        pack(read_documents(validation), checkpoint.tokenizer, Path(folder) / "validation")
        data = PackedCorpus(Path(folder) / "validation", checkpoint.length, wrap=True)
        x0 = data.first(len(data))
        per_byte = data.tokens / (data.bytes + data.documents)
    found = estimate(
        checkpoint.model, checkpoint.process, checkpoint.noise, x0, estimator=estimator, replicates=REPLICATES
    )
    nats = float(found.nats.sum()) / x0.numel()
    error = found.standard_error / x0.numel()
    return Bound(estimator, nats, error, nats * per_byte / math.log(2), data.documents)


def put(run: Path, target: Path, validation: Path) -> tuple[Checkpoint, list[Bound]]:
    """Write the checkpoint's three files and the figures of its self-test, and load what was written."""
    target.mkdir(exist_ok=True)
    weights = {name: tensor.half() for file in weights_files(run) for name, tensor in load_file(file).items()}
    save_file(weights, target / "model.safetensors")
    # safetensors makes it readable by its owner alone.
    (target / "model.safetensors").chmod(0o644)
    shutil.copy(run / "tokenizer.json", target / "tokenizer.json")
    config = json.loads((run / "config.json").read_text())
    config["provenance"].pop("bound", None)
    config["provenance"] = in_all(config["provenance"])
    _write_config(target, config)
    written = load_checkpoint(str(target))
    estimators: tuple[Estimator, ...] = ("ao", "dwdse") if written.parameterization == "SEDD" else ("ao",)
    bounds = [bound_of(written, validation, estimator) for estimator in estimators]
    config["provenance"]["subject"] = "children's stories"
    config["provenance"]["data"] = DATA
    config["provenance"]["bound"] = {
        "nats_per_token": round(bounds[0].nats_per_token, 4),
        "standard_error": round(bounds[0].standard_error, 4),
        "bits_per_byte": round(bounds[0].bits_per_byte, 4),
        "form": "ao",
        "data": f"{bounds[0].documents} held-out TinyStories",
    }
    _write_config(target, config)
    shipped = load_checkpoint(str(target))
    if target.name == DEFAULT_CHECKPOINT:
        record(shipped)
    return shipped, bounds


def in_all(provenance: dict[str, Any]) -> dict[str, Any]:
    """Of a run that started from an earlier snapshot: steps, tokens and seconds are those of both."""
    rest = dict(provenance)
    if (start := rest.pop("start", None)) is None:
        return rest
    before = in_all(start)
    return rest | {key: before[key] + rest[key] for key in ("steps", "tokens", "seconds", "objectives")}


def _write_config(target: Path, config: dict[str, object]) -> None:
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def card(checkpoint: Checkpoint, bounds: list[Bound]) -> str:
    """The model card: what it is, what it was made of, what it can and cannot do."""
    name, config = checkpoint.folder.name, checkpoint.config
    model, made = config.model, config.provenance
    steps, tokens, seconds = (int(str(made[key])) for key in ("steps", "tokens", "seconds"))
    told = "\n".join([*(_told(bound, checkpoint.parameterization) for bound in bounds), *_settings(checkpoint)])
    return f"""# {name}

{FORMS[checkpoint.parameterization]}: {model.n_blocks} blocks,
width {model.hidden_size}, {model.n_heads} heads, {checkpoint.parameters / 1e6:.2f}M parameters,
a canvas of {model.length} tokens, byte-level BPE of {config.tokens:,} tokens.
Float16 on disk. Made by {RECIPES[name]}.

- Data: {DATA}.
- Training: {steps:,} steps, {tokens / 1e6:.1f}M tokens, {seconds / 3600:.1f} hours in all on two CPU cores
  that other work shared; the log is `train/{name}.csv`.
{told}
- Limits: it knows children's stories only, in simple English. It loses the thread, confuses who did what, and writes
  words that do not fit. It was trained on canvases of {model.length} tokens and, seldom, fewer; longer ones fall apart.

{samples(checkpoint)}
"""


def _settings(checkpoint: Checkpoint) -> list[str]:
    """A line of the checkpoint's own settings, and those of gaps; none if it has none."""
    told, of_gaps = (
        ", ".join(f"{key} {value}" for key, value in authors_settings(checkpoint, filling=filling).items())
        for filling in (False, True)
    )
    return [f"- Its own settings: {told}; in the gaps of a document {of_gaps}."] if told or of_gaps else []


def samples(checkpoint: Checkpoint) -> str:
    """Texts with the checkpoint's own settings, if it has any, and exact ones; none is left out."""
    name = checkpoint.folder.name
    command = f"sedd generate{'' if name == DEFAULT_CHECKPOINT else f' -m {name}'} --steps 256"
    settings = ", ".join(f"{key} {value}" for key, value in authors_settings(checkpoint).items())
    parts = []
    for title, defaults, option in ((f"Samples at {settings}", "checkpoint", ""), ("Exact samples", None, " --exact")):
        if settings or defaults is None:
            texts = [generate(checkpoint, defaults=defaults, steps=256, seed=seed)[0].text.strip() for seed in SEEDS]  # type: ignore[arg-type]
            parts.append(
                f"## {title}\n\n`{command}{option} --seed N`, N from {SEEDS[0]} to {SEEDS[-1]}, none left out."
            )
            parts += [f"### Seed {seed}\n\n```\n{text}\n```" for seed, text in zip(SEEDS, texts, strict=True)]
    return "\n\n".join(parts)


def _told(bound: Bound, form: str) -> str:
    what = {"ao": "any-order", "dwdse": "DWDSE of the score as it stands, the papers' figure"}[bound.estimator]
    read = ", its score read as normalised" if form == "SEDD" and bound.estimator == "ao" else ""
    return f"""- On {bound.documents} held-out stories ({what}{read}; {REPLICATES} replicates):
  {bound.nats_per_token:.3f} +- {bound.standard_error:.3f} nats a token, {bound.bits_per_byte:.3f} bits a byte."""


def write_log(run: Path, log: Path) -> None:
    """Every hundredth step of the run's metrics, and every validation; after those of the run it started from.

    Bounds are in nats a token of the run's own vocabulary, and in bits a byte where the run recorded them so.
    """
    start = json.loads((run / "config.json").read_text())["provenance"].get("start")
    before = {"steps": 0, "tokens": 0, "seconds": 0} if start is None else in_all(start)
    earlier: list[list[str]] = []
    if log.exists():
        with log.open(newline="") as file:
            rows = [row for row in csv.reader(file) if row[0].isdigit() and int(row[0]) <= before["steps"]]
            earlier = [row + [""] * (len(COLUMNS) - len(row)) for row in rows]
    with log.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([COLUMNS, *earlier])
        last: dict[str, Any] = {}
        for line in (run / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "train":
                last = record
                if record["step"] % EVERY == 0:
                    table.writerow([*_progress(record, before), f"{record['smoothed']:.4f}", "", "", ""])
            else:
                figures = (record[key] for key in ("nats_per_token", "standard_error", "bits_per_byte"))
                table.writerow([*_progress({**last, **record}, before), "", *(f"{figure:.4f}" for figure in figures)])


def _progress(record: dict[str, Any], before: dict[str, Any]) -> list[object]:
    tokens = before["tokens"] + record["canvases"] * 256 - record.get("cut", 0)
    return [before["steps"] + record["step"], tokens, round(before["seconds"] + record["seconds"]), record["objective"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run's folder; with --only-bound any checkpoint")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--only-bound", action="store_true", help="measure, and ship nothing")
    args = parser.parse_args()
    if args.only_bound:
        print(bound_of(load_checkpoint(args.run), args.validation))
        return
    run = Path(args.run)
    name = read_config(run).model.name
    checkpoint, bounds = put(run, CHECKPOINTS / name, args.validation)
    (checkpoint.folder / "README.md").write_text(card(checkpoint, bounds))
    write_log(run, HOME / "train" / f"{name}.csv")
    print(*bounds, sep="\n")


if __name__ == "__main__":
    main()
