"""What is known before the first run: of the checkpoint while it loads, and of what a run will do. Needs no torch."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sedd_cli.diffusion.names import BY_NAME
from sedd_cli.errors import SeddError
from sedd_cli.models.names import DEFAULT_CHECKPOINT, PUBLIC_CHECKPOINTS, built_in_names, find_checkpoint
from sedd_cli.ranges import counted, size_label

_ORDERS = {"left-to-right": " from left to right", "random": " all over at once"}


@dataclass(frozen=True)
class CheckpointFacts:
    """What is known of a checkpoint without its weights. `size`: of the network, "" if unknown.

    `length`: tokens of the canvases that it was trained on, None if unknown or if there were none. `writes`: "story"
    for the checkpoints of this package, "text" for others.
    """

    name: str
    size: str = ""
    length: int | None = None
    writes: str = "text"

    @property
    def label(self) -> str:
        return f"{self.name} {self.size}".rstrip()


def named_facts(model: str | None) -> CheckpointFacts:
    """What the name of a checkpoint (None: the default) says, without a look at its files."""
    model = model or DEFAULT_CHECKPOINT
    if model in built_in_names():
        return CheckpointFacts(model, writes="story")
    public = PUBLIC_CHECKPOINTS.get(model)
    return (
        CheckpointFacts(model, public.parameters, public.context or None) if public else CheckpointFacts(_last(model))
    )


def checkpoint_facts(model: str | None) -> CheckpointFacts:
    """What the files of a checkpoint (None: the default) say; loading it reports what is wrong with them."""
    # pydantic would delay the first paint.
    from sedd_cli.models.folder import count_parameters, read_config

    facts = named_facts(model)
    with suppress(SeddError, OSError, ValueError):
        folder = find_checkpoint(model)
        count, config = count_parameters(folder), read_config(folder)
        return CheckpointFacts(
            facts.name,
            facts.size if count is None else size_label(count),
            config.model.length if config.trained_canvas else None,
            facts.writes,
        )
    return facts


def _last(model: str) -> str:
    """A path by its last part; the name of a repository as it is."""
    return Path(model).name if Path(model).is_dir() else model


def run_sentence(writes: str, length: int | None, steps: int, sampler: str, order: str, blocks: bool = False) -> str:
    """What a run on an empty canvas of `length` tokens (None: not known yet) will do.

    `blocks`: whether the network writes block after block.
    """
    size = f" of {counted(length, 'token')}" if length else ""
    grid = BY_NAME[sampler].grid
    if blocks:
        how = " block by block"
    elif grid == "token by token" and order == "random":
        how = " one token at a time"
    else:
        how = _ORDERS.get(order, ", the surest words first")
    # A chain has steps of its own.
    most = {"steps": min(steps, length or steps), "token by token": length, "chain": None}[grid]
    in_steps = f", in up to {counted(most, 'step')}" if most else ""
    return f"A {writes}{size} is written{how}{in_steps}; stop it, go back, change a word, go on."
