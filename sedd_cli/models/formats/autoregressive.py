"""Autoregressive Qwen and Llama folders as the start of a masked diffusion network: MASK is one state more."""

from functools import partial
from typing import TYPE_CHECKING, Any

from sedd_cli.models.formats.facts import ROWS_OF_TOKENS, Facts, Format
from sedd_cli.models.formats.qwen import SPLIT, rename, sections

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.models.config import Config

TYPES = ("qwen2", "qwen3", "llama")
ROWS = "rows"
"""The key of the rows of a network's vocabulary, beside those of a `Config`."""


def _sections(facts: Facts, shift: bool) -> dict[str, Any]:
    """MASK is the tokenizer's mask token, if it has one, else the state behind all rows of the vocabulary."""
    mask_id, rows = facts.special_id("mask"), facts.config["vocab_size"]
    table = {**sections(facts, shift=shift, mask_id=mask_id), ROWS: rows}
    return table if mask_id is not None else {**table, "tokens": rows}


def add_mask(weights: "dict[str, Tensor]", config: "Config") -> None:
    """Make MASK's row, and those of states beyond the network's own, the mean of its rows, in place."""
    import torch

    own = min((config.model_extra or {})[ROWS], config.tokens + 1)
    for name in ROWS_OF_TOKENS & weights.keys():
        rows = weights[name].float()
        if len(rows) < own:  # it is refused for its shape
            continue
        mean = rows.mean(0)
        weights[name] = torch.cat([rows, mean.expand(config.tokens + 1 - len(rows), -1)])
        weights[name][config.mask_id] = mean


AUTOREGRESSIVE = {
    shift: Format(
        name="autoregressive",
        split=SPLIT,
        model_types=TYPES,
        recognises=lambda facts: facts.config["model_type"] in TYPES,
        sections=partial(_sections, shift=shift),
        rename=rename,
        fold="sedd_cli.models.formats.autoregressive:add_mask",
    )
    for shift in (True, False)
}
"""By whether the logits at a position stay those of the next one."""
