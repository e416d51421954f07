"""The mean of the weights of checkpoints of one network: of runs that went on from each other, better than the last.

    python train/average.py CHECKPOINT=0.4 CHECKPOINT=0.6 -o FOLDER

(Izmailov et al., 1803.05407: with a learning rate that rises and falls again, each run ends elsewhere in one valley.)
The other files are the last checkpoint's.
"""

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from sedd_cli import load_checkpoint

Weights = dict[str, Tensor]


def average(parts: list[tuple[Weights, float]]) -> Weights:
    """The mean of weights of the same names and shapes, in float32; the shares need not sum to one."""
    total = sum(share for _, share in parts)
    first, _ = parts[0]
    if any({name: t.shape for name, t in first.items()} != {n: t.shape for n, t in w.items()} for w, _ in parts):
        raise SystemExit("these are checkpoints of different networks")
    return {name: sum(share / total * weights[name].float() for weights, share in parts) for name in first}  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="+", metavar="CHECKPOINT=SHARE", help="built-in names or folders, the last one last"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    parts = [(name, float(share)) for name, _, share in (part.rpartition("=") for part in args.parts)]
    checkpoints = [load_checkpoint(name) for name, _ in parts]
    args.output.mkdir(parents=True)
    weights = average(
        [(c.model.backbone.state_dict(), share) for c, (_, share) in zip(checkpoints, parts, strict=True)]
    )
    save_file(weights, args.output / "model.safetensors")
    last = checkpoints[-1].folder
    shutil.copy(last / "tokenizer.json", args.output / "tokenizer.json")
    table = json.loads((last / "config.json").read_text())
    table["provenance"].pop("bound", None)
    (args.output / "config.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
