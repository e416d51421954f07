"""Self-test: the built-in checkpoint against figures recorded when it was shipped.

It checks the arithmetic of this machine and its torch, and the integrity of the weights. That the network is the
papers' is checked by the tests, against figures of the original code.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from sedd_cli.errors import SeddError
from sedd_cli.generation.engine import generate
from sedd_cli.models.checkpoint import Checkpoint, load_checkpoint
from sedd_cli.models.names import DEFAULT_CHECKPOINT, find_checkpoint

RECORD = "self_test.json"
SIGMA, LENGTH = 1.0, 64
TOLERANCE = 1e-3
"""Nats. Rounding differs between machines by a hundredth of this; a wrong kernel, or half precision, by more."""


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    detail: str


def figures(checkpoint: Checkpoint) -> list[float]:
    """Log scores of one token at each masked position of a canvas that is made up, a third of it MASK."""
    tokens, at = checkpoint.config.tokens, torch.arange(LENGTH, device="cpu")
    masked = at % 3 == 0
    ids = torch.where(masked, tokens, at * 37 % tokens)
    log_score = checkpoint.model.log_score(ids[None], torch.tensor([SIGMA], device="cpu"))[0].cpu()
    found: list[float] = log_score[at[masked], at[masked] * 11 % tokens].tolist()
    return found


def record(checkpoint: Checkpoint) -> None:
    """Write down a checkpoint's figures beside its weights. Raises `OSError` if its folder cannot be written."""
    told = {"sha256": checkpoint.hash, "log_score": [round(value, 6) for value in figures(checkpoint)]}
    (checkpoint.folder / RECORD).write_text(json.dumps(told, indent=1) + "\n")


def self_test(device: str = "cpu") -> Iterator[Check]:
    """The checks, in float32, as they are made; one that cannot be made has failed. Never raises `SeddError`."""
    try:
        folder = find_checkpoint(DEFAULT_CHECKPOINT)
        expected = json.loads((folder / RECORD).read_bytes())
        checkpoint = load_checkpoint(DEFAULT_CHECKPOINT, device, "float32")
        yield _weights(checkpoint, expected["sha256"])
        yield _log_scores(checkpoint, expected["log_score"])
        yield _rows(checkpoint)
    except SeddError as error:
        yield Check("checkpoint", False, error.message)
    except (OSError, ValueError, KeyError) as error:
        yield Check("record", False, f"cannot read {Path(DEFAULT_CHECKPOINT) / RECORD}: {error}")


def _weights(checkpoint: Checkpoint, expected: str) -> Check:
    same = checkpoint.hash == expected
    return Check("weights", same, "whole, as shipped" if same else f"SHA-256 is {checkpoint.hash}, not {expected}")


def _log_scores(checkpoint: Checkpoint, expected: list[float]) -> Check:
    found = torch.tensor(figures(checkpoint), dtype=torch.float64, device="cpu")
    error = float((found - torch.tensor(expected, dtype=torch.float64, device="cpu")).abs().max())
    # Not `error > TOLERANCE`: that is false of NaN.
    return Check("log scores", error <= TOLERANCE, f"within {error:.1e} of those recorded (allowed: {TOLERANCE:g})")


def _rows(checkpoint: Checkpoint) -> Check:
    """A text does not depend on what it is drawn together with; promised on a CPU."""
    settings = {"length": 32, "steps": 8, "seed": 0}
    together = generate(checkpoint, num_samples=2, **settings)[1]  # type: ignore[arg-type]
    alone = generate(checkpoint, row=1, **settings)[0]  # type: ignore[arg-type]
    same = together.ids.tolist() == alone.ids.tolist()
    detail = "a text drawn alone and in a batch is the same" if same else "a text drawn alone and in a batch differ"
    if not same and checkpoint.device.type != "cpu":
        return Check("rows", True, f"{detail}, which is promised on a CPU only")
    return Check("rows", same, detail)
