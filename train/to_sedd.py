"""A RADD checkpoint's network in SEDD form: a start for training it with the time and by score entropy.

    python train/to_sedd.py CHECKPOINT --data train.txt -o FOLDER

RADD's network says `p(x0 | x)` up to a factor of its own at each position; SEDD's says the score itself, and has to
know that factor (SEDD, 2310.16834, section 4; RADD, 2406.03736, theorem 1). The log of the factor is fitted here, as an
affine function of the features that the head reads, and the head takes it off: what is left of it is to be trained.
"""

import argparse
import json
import math
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.corpus import read_documents
from sedd_cli.training.packed import PackedCorpus, pack

COND_DIM = 64
CANVASES, AT_ONCE = 512, 16
RIDGE = 1.0


def with_time(radd: ScoreNetwork, fresh: ScoreNetwork, normaliser: Tensor) -> dict[str, Tensor]:
    """Weights with which a `fresh` time-conditioned network computes what `radd` does, at every noise.

    Biases of the layer norms become shifts that no noise changes yet. `normaliser` (D + 1,) is an affine function of
    the features that the head reads, weights then bias, for `log sum_y e^logit_y`.
    """
    weights = fresh.backbone.state_dict()
    given = radd.backbone.state_dict()
    biases = {name: given.pop(name) for name in list(given) if "norm" in name and name.endswith("bias")}
    weights |= given
    zero = torch.zeros(len(normaliser) - 1)
    for i in range(len(fresh.backbone.blocks)):
        shifts = (biases[f"blocks.{i}.norm{n}.bias"] for n in (1, 2))
        modulation = torch.cat([torch.cat([shift, zero, zero + 1]) for shift in shifts])
        _set_modulation(weights, f"blocks.{i}", modulation)
    _set_modulation(weights, "output_layer", torch.cat([biases["output_layer.norm_final.bias"], zero]))
    # `scale_by_sigma` takes log(V - 1) off again, V counting MASK.
    weights["output_layer.linear.weight"] = given["output_layer.linear.weight"] - normaliser[:-1]
    weights["output_layer.linear.bias"] = (
        given["output_layer.linear.bias"] - normaliser[-1] + math.log(fresh.process.tokens)
    )
    return weights


def _set_modulation(weights: dict[str, Tensor], of: str, bias: Tensor) -> None:
    weights[f"{of}.adaLN_modulation.weight"].zero_()
    weights[f"{of}.adaLN_modulation.bias"] = bias


@torch.no_grad()
def fit_normaliser(radd: Checkpoint, x0: Tensor) -> Tensor:
    """Least squares at masked positions of canvases (B, L), each masked at a level of its own: (D + 1,)."""
    parts = zip(x0.split(AT_ONCE), _masked(x0).split(AT_ONCE), strict=True)
    features = torch.cat([_features(radd, *part) for part in parts])
    logits = (radd.model.backbone.head(part) for part in features.split(AT_ONCE**2))
    log_z = torch.cat([part.logsumexp(-1) for part in logits]).double()
    terms = torch.cat([features, torch.ones(len(features), 1)], 1).double()
    # A ridge: a layer norm's outputs depend on each other, and without it the weights run into the thousands.
    square = terms.T @ terms + RIDGE * torch.eye(terms.shape[1], dtype=torch.float64)
    found: Tensor = torch.linalg.solve(square, terms.T @ log_z)
    rest = log_z - terms @ found
    print(f"log factor: {log_z.mean():.2f} +- {log_z.std():.2f}, left after the fit: +- {rest.std():.2f}")
    return found.float()


def _masked(x0: Tensor) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    level = (torch.randperm(len(x0), generator=draws) + 0.5) / len(x0)
    return torch.rand(x0.shape, generator=draws) < level[:, None]


def _features(radd: Checkpoint, x0: Tensor, masked: Tensor) -> Tensor:
    """What RADD's head reads at masked positions, whatever the noise: (N, D)."""
    return radd.model.backbone.features(torch.where(masked, radd.config.tokens, x0), torch.ones(len(x0)), where=masked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="one in RADD form: built-in name, folder or hub id")
    parser.add_argument("--data", type=Path, required=True, help="stories to fit the factor on")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    radd = load_checkpoint(args.checkpoint)
    assert radd.parameterization == "RADD" and radd.tokenizer is not None
    with tempfile.TemporaryDirectory() as folder:
        pack(read_documents(args.data), radd.tokenizer, Path(folder) / "data")
        x0 = PackedCorpus(Path(folder) / "data", radd.length).first(CANVASES)
    table = radd.config.model_dump()
    table["model"] |= {"type": "ddit", "cond_dim": COND_DIM}
    fresh = ScoreNetwork(Config(**table))
    weights = with_time(radd.model, fresh, fit_normaliser(radd, x0))
    args.output.mkdir(parents=True)
    save_file(weights, args.output / "model.safetensors")
    shutil.copy(radd.folder / "tokenizer.json", args.output)
    (args.output / "config.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
