"""Loading the checkpoint from whose weights a run starts."""

from pathlib import Path

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.models.adaptation import load_start
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.pad_state import with_pad
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.training.inherited import sections_of
from sedd_cli.training.objective_table import DEFAULT_OBJECTIVES
from sedd_cli.training.recipe import Recipe


def load_initial_checkpoint(recipe: Recipe, folder: Path) -> Checkpoint:
    """Load the checkpoint named by the recipe's `start`, for a run in `folder`.

    Raises `UsageError` if its weights would mean something else in this recipe or the run would overwrite it, and the
    errors of `load_start`.
    """
    assert recipe.start is not None
    checkpoint = load_start(recipe.start, bool(recipe.model.shift))
    if recipe.has_pad:
        checkpoint = with_pad(checkpoint)
    if checkpoint.folder.resolve() == folder.resolve():
        raise UsageError(f"the run would overwrite {recipe.start}, the checkpoint to start from", "Choose another -o.")
    theirs, ours = (_semantics(config) for config in (checkpoint.config, recipe.config(checkpoint.config.tokens)))
    if differing := [key for key, value in theirs.items() if value != ours[key]]:
        raise UsageError(
            f"this recipe cannot start from {recipe.start}, of form {checkpoint.parameterization}: they differ in "
            + ", ".join(f"{key} ({ours[key]}, not {theirs[key]})" for key in differing),
            f"The objective {DEFAULT_OBJECTIVES[checkpoint.parameterization]} fits it."
            if differing == ["d3pm"]
            else "Start from another checkpoint.",
        )
    if checkpoint.tokenizer is None:
        raise NotLoadableError(
            f"there is no tokenizer for {recipe.start}, the checkpoint to start from",
            f"Put its tokenizer.json into {checkpoint.folder}.",
        )
    if checkpoint.tokenizer.end_of_text_id is None:
        raise NotLoadableError(
            f"the tokenizer of {recipe.start} has no {END_OF_TEXT} token, which ends documents",
            "Add it as a special token, or start from another checkpoint.",
        )
    # The hash is computed now, before data are packed: the checkpoint may be a run that saves every few minutes.
    _ = checkpoint.hash
    return checkpoint


def _semantics(config: Config) -> dict[str, object]:
    """Everything in a config that determines what the weights compute."""
    return {"noise.eps": config.noise.eps, "d3pm": None, **sections_of(config)}
