"""Recipes for a text or a checkpoint: sizes follow from the amount of text; the duration is given."""

from pathlib import Path
from typing import Any

from sedd_cli.errors import UsageError
from sedd_cli.models.adaptation import is_autoregressive, read_start
from sedd_cli.models.names import find_checkpoint
from sedd_cli.text.corpus import Corpus
from sedd_cli.text.corpus_files import list_files
from sedd_cli.training.inherited import SHIFT, canvas_of
from sedd_cli.training.objective_table import DEFAULT_OBJECTIVES
from sedd_cli.training.recipe import Recipe

SIZES = [
    # bytes of text up to, vocabulary, width, blocks, heads, canvas
    (300_000, "bytes", 128, 4, 4, 128),
    (3_000_000, "bpe:1024", 192, 4, 4, 128),
    (40_000_000, "bpe:4096", 256, 6, 4, 256),
    (float("inf"), "bpe:8192", 384, 8, 6, 256),
]
"""Starting points by the amount of text, not tuned; the third row is the built-in checkpoint's."""

SHORT = 0.1
"""Share of steps with short canvases, as generating or scoring a sentence or two needs."""

ADAPTING = {"name": "adamw", "learning_rate": 3e-4, "betas": [0.9, 0.95]}
"""The optimiser that adapts an autoregressive network: what it knows is lost at the rates of fresh weights."""

AT_ONCE = 256
"""Canvas length above which micro-batches are smaller, so that memory does not grow."""


def recipe_for_text(source: Path, minutes: float, on_cpu: bool) -> dict[str, Any]:
    """The table of a recipe: an autoregressive start for a quarter of the time, then the objective `simple`."""
    size = Corpus(source).size()
    tokenizer, width, blocks, heads, length = next(row[1:] for row in SIZES if size <= row[0])
    return {
        **_common(source, on_cpu, length),
        "tokenizer": tokenizer,
        "model": {"hidden_size": width, "n_blocks": blocks, "n_heads": heads, "length": length},
        "phases": [
            {"objective": DEFAULT_OBJECTIVES["autoregressive"], "max_minutes": minutes / 4},
            {"objective": DEFAULT_OBJECTIVES["RADD"], "max_minutes": minutes * 3 / 4, "decay": 0.35},
        ],
    }


def recipe_from_checkpoint(init_from: str, source: Path, minutes: float, on_cpu: bool) -> dict[str, Any]:
    """The table of a recipe that starts from the checkpoint `init_from`, with its default objective."""
    folder = find_checkpoint(init_from)
    config = read_start(folder, SHIFT)
    list_files(source)  # raises before anything is made if there is no text
    return {
        **_common(source, on_cpu, canvas_of(config)),
        "start": init_from,
        **({"optimiser": dict(ADAPTING)} if is_autoregressive(folder) else {}),
        "phases": [{"objective": DEFAULT_OBJECTIVES[config.parameterization], "max_minutes": minutes, "decay": 0.75}],
    }


def recipe_of_run(recipe: Recipe, minutes: float | None) -> dict[str, Any]:
    """The table of a run's own recipe, so that resuming depends on neither the text nor the machine.

    `minutes`: new total of the phases with `max_minutes`; None leaves them. Raises `UsageError` if there are none.
    """
    table = recipe.model_dump(mode="json")
    timed = [phase for phase in table["phases"] if phase["max_minutes"] is not None]
    if minutes is not None and not timed:
        raise UsageError("the phases of this run have steps, not minutes", "Write --set phases.0.steps=N.")
    before = sum(phase["max_minutes"] for phase in timed)
    for phase in timed if minutes is not None else ():
        phase["max_minutes"] *= minutes / before
    return table


def _common(source: Path, on_cpu: bool, length: int) -> dict[str, Any]:
    batch = micro_batch = 16 if on_cpu else 64
    while micro_batch > 1 and micro_batch * length > batch * AT_ONCE:
        micro_batch //= 2
    return {
        "name": source.stem or source.resolve().name,
        "batch_size": batch,
        "micro_batch": micro_batch,
        "data": {"train": str(source), "short": SHORT},
    }
