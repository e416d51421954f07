"""Starting from a checkpoint that exists: what that decides of a recipe, and the weights.

Architecture, process, schedule and tokenizer are the checkpoint's. What is learnt, how long, and on which canvases is
the recipe's. A run that has begun is such a checkpoint itself, and needs the first one no more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.models.checkpoint import Checkpoint, load_checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.folder import read_config
from sedd_cli.models.names import find_checkpoint
from sedd_cli.text.byte_level import END_OF_TEXT

if TYPE_CHECKING:
    from sedd_cli.training.recipe import Recipe

OBJECTIVES = {"RADD": "simple", "SEDD": "dwdse", "D3PM": "d3pm-hybrid", "autoregressive": "autoregressive"}
"""What goes on with a checkpoint of each form where no recipe says it."""

BY_FORM = {"sedd": "ddit", "radd": "ddit_wot"}
"""The backbone type of each `model.form` of a recipe."""

FROM_CHECKPOINT = "start"
"""A recipe's `tokenizer`: that of its `start`."""


def complete(table: dict[str, Any], resume_dir: Path | None, source: str) -> None:
    """Add to a recipe's table all that its `start` decides, as the run in `resume_dir` has it, if there is one.

    Raises `UsageError` where the table says otherwise, `NotLoadableError` if there is no such checkpoint.
    """
    config = read_config(resume_dir or find_checkpoint(table["start"]))
    decided = {**_sections(config), "tokenizer": FROM_CHECKPOINT}
    if faults := list(_merge(table, decided)):
        raise UsageError(
            f"{source}: {', '.join(faults)} must be as in {table['start']}, from which the run is to start",
            f"Leave them out: they come with it. If the recipe names a tokenizer: --set tokenizer={FROM_CHECKPOINT}.",
        )
    if isinstance(table["model"], dict):
        table["model"].setdefault("length", config.model.length)


def _sections(config: Config) -> dict[str, Any]:
    model, noise = config.model, config.noise
    sections: dict[str, Any] = {
        "model": {
            "form": "sedd" if model.time_conditioned else "radd",
            "process": config.graph.type,
            "hidden_size": model.hidden_size,
            "n_blocks": model.n_blocks,
            "n_heads": model.n_heads,
            "cond_dim": model.cond_dim,
            "scale_by_sigma": model.scale_by_sigma,
        },
        "noise": {"type": noise.type, "sigma_min": noise.sigma_min, "sigma_max": noise.sigma_max},
    }
    if model.type != BY_FORM[sections["model"]["form"]]:
        sections["model"]["type"] = model.type
    if config.mask_id is not None:
        sections["model"]["mask_id"] = config.mask_id
    if config.d3pm is not None:
        sections["d3pm"] = {"steps": config.d3pm.steps, "mixture": config.d3pm.mixture}
    return sections


def _merge(table: dict[str, Any], decided: dict[str, Any]) -> Iterator[str]:
    """Put what is decided into a table; the keys that say something else. What is no section is left to be refused."""
    for key, value in decided.items():
        there = table.setdefault(key, {} if isinstance(value, dict) else value)
        if isinstance(value, dict) and isinstance(there, dict):
            yield from (f"{key}.{inner}" for inner in _merge(there, value))
        elif not isinstance(value, dict) and there != value:
            yield key


def load_initial_checkpoint(recipe: "Recipe", folder: Path) -> Checkpoint:
    """The checkpoint from which a run in `folder` is to start.

    Raises `UsageError` if its weights would mean something else there or the run would take its place, and what
    `load_checkpoint` does.
    """
    assert recipe.start is not None
    checkpoint = load_checkpoint(recipe.start)
    if checkpoint.folder.resolve() == folder.resolve():
        raise UsageError(f"the run would overwrite {recipe.start}, from which it is to start", "Choose another -o.")
    theirs, ours = (_meaning(config) for config in (checkpoint.config, recipe.config(checkpoint.config.tokens)))
    if differing := [key for key, value in theirs.items() if value != ours[key]]:
        fitting = (
            f"The objective {OBJECTIVES[checkpoint.parameterization]} fits it."
            if differing == ["d3pm"]
            else "Start from another."
        )
        raise UsageError(
            f"this recipe cannot go on from {recipe.start}, of form {checkpoint.parameterization}: they differ in "
            + ", ".join(f"{key} ({ours[key]}, not {theirs[key]})" for key in differing),
            fitting,
        )
    if checkpoint.tokenizer is None:
        raise NotLoadableError(
            f"there is no tokenizer for {recipe.start}, from which the run is to start",
            f"Put its tokenizer.json into {checkpoint.folder}.",
        )
    if checkpoint.tokenizer.end_of_text_id is None:
        raise NotLoadableError(
            f"the tokenizer of {recipe.start} has no {END_OF_TEXT} token, which ends documents",
            "Add it as a special token, or start from another checkpoint.",
        )
    # Before anything else: the run that it may be saves every few minutes.
    _ = checkpoint.hash
    return checkpoint


def _meaning(config: Config) -> dict[str, object]:
    """All that decides what the weights compute."""
    return {"noise.eps": config.noise.eps, "d3pm": None, **_sections(config)}
