"""The mean of the weights of checkpoints of one network, such as runs that went on from each other.

    python train/average.py CHECKPOINT=0.4 CHECKPOINT=0.6 -o FOLDER

(Izmailov et al., 1803.05407: with a learning rate that rises and falls again, each run ends elsewhere in one valley.)
Configuration, tokenizer and settings are those of the last.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
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
    return {name: torch.stack([share / total * w[name].float() for w, share in parts]).sum(0) for name in first}


def part(text: str) -> tuple[str, float]:
    """`CHECKPOINT=SHARE`, a share above zero."""
    name, _, share = text.rpartition("=")
    if not name or not float(share) > 0:
        raise ValueError
    return name, float(share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", type=part, metavar="CHECKPOINT=SHARE", help="built-in names or folders")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    parts = [(load_checkpoint(name), share) for name, share in args.parts]
    weights = average([(checkpoint.model.backbone.state_dict(), share) for checkpoint, share in parts])
    last = parts[-1][0].folder
    args.output.mkdir(parents=True)
    save_file(weights, args.output / "model.safetensors")
    for name in ("tokenizer.json", "generation_config.json"):
        if (last / name).is_file():
            shutil.copy(last / name, args.output / name)
    table = json.loads((last / "config.json").read_text())
    table["provenance"].pop("bound", None)
    (args.output / "config.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
