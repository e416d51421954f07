"""PAD as one more state of a checkpoint, before training has taught what it means."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from pydantic import ValidationError
from torch import Tensor

from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.config import Config, pad_id_of
from sedd_cli.models.network import ScoreNetwork

SLOTS = 16
"""Slots of the gap on which a new PAD state is balanced."""


def with_pad(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with a PAD state, whose rows are those of the mean token; one that has it is returned as it is.

    Where no PAD is visible its conditionals are the same. Where one is, PAD is about as likely as all words together
    if the head has biases, so that not all of training's first steps go to that. Raises `UsageError` unless it is of
    RADD form.
    """
    if checkpoint.config.pad_id is not None:
        return checkpoint
    tokens, mask_id = checkpoint.config.tokens + 1, checkpoint.config.mask_id
    table = checkpoint.config.model_dump() | {"tokens": tokens, "pad_id": pad_id_of(tokens, mask_id)}
    try:
        config = Config.model_validate(table)
    except ValidationError:
        raise UsageError(
            f"{checkpoint.name}, of form {checkpoint.parameterization}, cannot have a PAD state",
            "Gaps are padded by networks of RADD form that see the whole canvas. Leave data.padding out.",
        ) from None
    with torch.device("cpu"):
        model = ScoreNetwork(config, checkpoint.model.autocast)
    rows, expected = checkpoint.model.backbone.state_dict(), model.backbone.state_dict()
    grown = [name for name, tensor in rows.items() if tensor.shape != expected[name].shape]
    mask_row = checkpoint.process.mask_id
    assert config.pad_id is not None and mask_row is not None
    model.backbone.load_state_dict(
        {**rows, **{name: _with_mean_row(rows[name], config.pad_id, mask_row) for name in grown}}
    )
    _balance(model.eval().requires_grad_(False), [name for name in grown if rows[name].dim() == 1])
    return replace(checkpoint, config=config, model=model.to(checkpoint.device))


def _balance(model: ScoreNetwork, biases: Sequence[str]) -> None:
    """Set PAD's bias to where PAD has half the chances at the slots of a closed gap that is all MASK."""
    backbone = model.backbone
    x = torch.full((1, SLOTS + 1), model.process.mask_id or 0, device="cpu")
    x[0, -1] = pad_id = model.pad_id or 0
    logits = model.process.columns(backbone(x, torch.ones(1, device="cpu")))[0, :-1]
    for bias in map(backbone.get_parameter, biases):
        bias[pad_id] += (logits[:, :-1].logsumexp(-1) - logits[:, -1]).mean()


def _with_mean_row(rows: Tensor, at: int, mask_row: int) -> Tensor:
    """The rows (V, ...) and, as row `at`, the mean of all but MASK's: (V + 1, ...)."""
    mean = torch.cat([rows[:mask_row], rows[mask_row + 1 :]]).mean(0, keepdim=True)
    return torch.cat([rows[:at], mean, rows[at:]])
