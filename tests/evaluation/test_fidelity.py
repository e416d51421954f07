"""A checkpoint beside itself in another precision."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.fidelity import agreement, fidelity
from tests.conftest import PARITY

TEXT = "Once upon a time, there was a little girl named Lily. She liked to play in the park with her red ball. One day"


def canvases(ckpt: Checkpoint, length: int) -> torch.Tensor:
    assert ckpt.tokenizer is not None
    ids = torch.tensor(ckpt.tokenizer.encode(TEXT))
    return ids[: len(ids) // length * length].view(-1, length)


def test_int8_costs_the_built_in_checkpoint_next_to_nothing(built_in: Checkpoint) -> None:
    x0 = canvases(built_in, 12)
    result = fidelity(built_in, load_checkpoint(dtype="int8"), x0, estimator="ao", replicates=16, steps=8)
    assert 0 < result.standard_error < 0.01
    assert abs(result.difference) < 0.02
    assert 0 < result.mean < 0.15 and result.mean < result.largest
    assert result.variation is not None and 0 < result.variation < 0.05
    its = estimate(built_in.model, built_in.process, built_in.noise, x0, estimator="ao", replicates=16)
    assert result.bound == pytest.approx(float(its.nats.sum()) / x0.numel(), rel=1e-9)
    # Far below what the bound itself is uncertain by: the noise is the same on both sides.
    assert result.standard_error < its.standard_error / x0.numel() / 5


@pytest.mark.parametrize("name", ["absorb", "uniform", "radd"])
def test_a_checkpoint_beside_itself(name: str) -> None:
    ckpt = load_checkpoint(PARITY / name)
    x0 = torch.arange(20).view(2, 10) % ckpt.config.tokens
    result = fidelity(ckpt, ckpt, x0, estimator="dwdse", replicates=2, steps=4)
    assert (result.difference, result.standard_error, result.largest, result.mean) == (0.0, 0.0, 0.0, 0.0)
    assert result.variation == (None if name == "uniform" else 0.0)
    assert result.agreement.same == 1.0 and result.agreement.parted_at is None and result.agreement.calls <= 5


def test_an_autoregressive_checkpoint_beside_itself_and_in_eight_bits(tmp_path: Path) -> None:
    folder = shutil.copytree(PARITY / "radd", tmp_path / "causal")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "graph": {"type": "causal"}}))
    exact, x0 = load_checkpoint(folder), torch.arange(20).view(2, 10)
    itself, eight = (
        fidelity(exact, load_checkpoint(folder, dtype=dtype), x0, estimator="autoregressive", replicates=2, steps=4)
        for dtype in ("float32", "int8")
    )
    assert (itself.difference, itself.largest, itself.variation) == (0.0, 0.0, 0.0)
    assert 0 < abs(eight.difference) < 0.1 and eight.variation is not None and 0 < eight.variation < 0.1


def test_a_fault_is_found() -> None:
    """A head whose logits are doubled: log c is off by what that does, and the texts part."""
    exact, faulty = load_checkpoint(PARITY / "radd"), load_checkpoint(PARITY / "radd")
    faulty.model.backbone.output_layer.linear.weight.mul_(2)
    faulty.model.backbone.output_layer.linear.bias.mul_(2)
    x0 = torch.arange(1, 11)[None]
    result = fidelity(exact, faulty, x0, estimator="lambda", replicates=4, steps=8)
    assert result.largest > 0.1 and result.variation is not None and result.variation > 0.05
    assert abs(result.difference) > 0.01 and math.isfinite(result.standard_error)
    parted = agreement(exact, faulty, length=64, steps=8, seed=0)
    assert parted.same < 1 and parted.parted_at is not None and 1 <= parted.parted_at <= parted.calls


def test_a_canvas_of_one_token() -> None:
    ckpt = load_checkpoint(PARITY / "radd")
    assert fidelity(ckpt, ckpt, torch.tensor([[3]]), estimator="ao", replicates=2, steps=1).largest == 0.0


def test_two_vocabularies_are_not_compared(built_in: Checkpoint) -> None:
    with pytest.raises(UsageError, match="not of one vocabulary and process"):
        fidelity(built_in, load_checkpoint(PARITY / "radd"), torch.zeros(1, 4, dtype=torch.int64), estimator="ao")
