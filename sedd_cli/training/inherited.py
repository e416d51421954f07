"""What a recipe inherits from the checkpoint named by its `start`: architecture, process, schedule and tokenizer.

The recipe keeps its objectives, their length and the length of the canvases.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sedd_cli.errors import UsageError
from sedd_cli.models.adaptation import is_autoregressive, read_start
from sedd_cli.models.config import Config, NetworkConfig
from sedd_cli.models.names import find_checkpoint

FROM_CHECKPOINT = "start"
"""The value of a recipe's `tokenizer` that means the tokenizer of its `start`."""

SHIFT = True
"""The default of `model.shift` where the checkpoint is autoregressive."""

CANVAS = 256
"""Tokens of a canvas by default where the checkpoint had no canvas of its own."""

BACKBONE_TYPES = {"sedd": "ddit", "radd": "ddit_wot"}
"""The backbone type of each `model.form` of a recipe."""


def inherit(table: dict[str, Any], resume_dir: Path | None, source: str) -> None:
    """Add to a recipe's table the values that its `start` determines; those of the run in `resume_dir` if given, which
    does not need the first checkpoint any more.

    Raises `UsageError` if the table has other values, `NotLoadableError` if there is no such checkpoint.
    """
    given = table["model"] if isinstance(table.get("model"), dict) else {}
    folder = resume_dir or find_checkpoint(table["start"])
    config = read_start(folder, given.get("shift", SHIFT) is not False)
    if config.model.block_size is not None:
        raise UsageError(
            f"{table['start']} denoises by blocks of {config.model.block_size}: such networks are not trained by sedd",
            "Start from a checkpoint that sees the whole canvas.",
        )
    sections = sections_of(config)
    if "shift" in given or is_autoregressive(folder):
        sections["model"]["shift"] = config.model.leading_id is not None
    if isinstance(table.get("data"), dict) and table["data"].get("padding"):
        sections["model"]["pad"] = True  # also of a start without PAD, which is given one
    if conflicts := list(_merge(table, {**sections, "tokenizer": FROM_CHECKPOINT})):
        raise UsageError(
            f"{source}: {', '.join(conflicts)} must be as in {table['start']}, the checkpoint to start from",
            "Leave these keys out: they are taken from it. To replace a recipe's own tokenizer: "
            f"--set tokenizer={FROM_CHECKPOINT}.",
        )
    if isinstance(table["model"], dict):
        table["model"].setdefault("length", canvas_of(config))


def canvas_of(config: Config) -> int:
    """Tokens of a canvas of a run that starts from a checkpoint, where its recipe gives none."""
    return config.model.length if config.trained_canvas else min(config.model.length, CANVAS)


def sections_of(config: Config) -> dict[str, Any]:
    """The sections of a recipe that describe a checkpoint's config."""
    model, noise = config.model, config.noise
    sections: dict[str, Any] = {
        "model": {
            "form": "sedd" if model.time_conditioned else "radd",
            "process": config.graph.type,
            **model.model_dump(include={"hidden_size", "n_blocks", "n_heads", "cond_dim", "scale_by_sigma"}),
        },
        "noise": noise.model_dump(include={"type", "sigma_min", "sigma_max"}),
    }
    if model.type != BACKBONE_TYPES[sections["model"]["form"]]:
        sections["model"]["type"] = model.type
    own = type(model).model_fields.keys() - NetworkConfig.model_fields.keys()
    if own or model.leading_id is not None:
        sections["model"]["network"] = model.model_dump(include=own | {"leading_id"})
    if config.mask_id is not None:
        sections["model"]["mask_id"] = config.mask_id
    if config.pad_id is not None:
        sections["model"]["pad"] = True
    if config.d3pm is not None:
        sections["d3pm"] = config.d3pm.model_dump(include={"steps", "mixture"})
    return sections


def _merge(table: dict[str, Any], inherited: dict[str, Any]) -> Iterator[str]:
    """Add inherited values to a table, and yield the keys that conflict. A value in place of a section is left for the
    recipe's validation."""
    for key, value in inherited.items():
        present = table.setdefault(key, {} if isinstance(value, dict) else value)
        if isinstance(value, dict) and isinstance(present, dict):
            yield from (f"{key}.{inner}" for inner in _merge(present, value))
        elif not isinstance(value, dict) and present != value:
            yield key
