"""What `sedd eval perplexity` and `sedd eval compare` share: data to blocks, blocks to figures, told of on the way."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.names import Format, Remainder, Separator, Split

if TYPE_CHECKING:
    from sedd_cli.evaluation.blocks import Blocks
    from sedd_cli.evaluation.datasets import DataSet
    from sedd_cli.evaluation.fidelity import Fidelity
    from sedd_cli.evaluation.likelihoods import Measuring
    from sedd_cli.models.checkpoint import Checkpoint

COMPARED = 16
"""Blocks on which a precision is held against float32."""
LONG = 10
"""Seconds; what takes longer is said beforehand."""


@dataclass(frozen=True)
class Cutting:
    """How data become blocks, as the options say."""

    format: Format | None
    split: Split | None
    detokenise: bool
    separator: Separator
    length: int | None
    remainder: Remainder
    blocks: int | None

    def __post_init__(self) -> None:
        if self.blocks is not None and self.blocks < 1:
            raise UsageError(f"--blocks must be at least 1, not {self.blocks}")

    def read(self, what: str, terminal: Terminal) -> "DataSet":
        from sedd_cli.evaluation.datasets import read_dataset

        return read_dataset(
            what,
            format=self.format,
            split=self.split,
            detokenise=self.detokenise,
            fetching=terminal.counting_bytes,
        )

    def blocks_of(self, data: "DataSet", checkpoint: "Checkpoint", length: int) -> "Blocks":
        """Raises `UsageError` where they cannot be made."""
        from sedd_cli.evaluation.blocks import make_blocks

        if checkpoint.tokenizer is None:
            raise UsageError(
                f"{checkpoint.name} has no tokenizer, so it reads no text",
                "Put its tokenizer.json beside config.json (GPT-2's for the public checkpoints).",
            )
        blocks = make_blocks(
            data.documents,
            checkpoint.tokenizer,
            length,
            separator=self.separator,
            remainder=self.remainder,
        )
        return blocks if self.blocks is None else blocks.first(self.blocks)


def names_of(data: Sequence[str], sets: Sequence["DataSet"]) -> list[str]:
    """What each data set is called; files of one name are told apart by their paths."""
    names = [one.name for one in sets]
    return [what if names.count(name) > 1 else name for what, name in zip(data, names, strict=True)]


def warn_of_length(checkpoint: "Checkpoint", length: int, terminal: Terminal) -> None:
    if length > checkpoint.length:
        terminal.warn(
            f"blocks of {length} tokens, but {checkpoint.name} was trained on {checkpoint.length}: "
            "the figures may be poor"
        )


def carry_out(measuring: "Measuring", name: str, terminal: Terminal) -> bool:
    """Whether it came to its end; interrupted, what is done is in its results."""
    from sedd_cli.render.training import duration

    blocks, started, told = measuring.blocks, time.monotonic(), False
    terminal.note(
        f"{name}: {blocks.num_tokens:,} tokens in {len(blocks):,} blocks, "
        f"{'at least ' if measuring.request.until_error else ''}{measuring.calls_needed:,} network calls"
    )
    try:
        with terminal.counting() as count:
            for done in measuring.calls():
                count(name, done, measuring.calls_needed)
                left = (time.monotonic() - started) * (measuring.calls_needed / done - 1)
                if not told and left > LONG:
                    told = True
                    terminal.note(f"about {duration(left)} left; Ctrl-C reports what is known by then")
    except KeyboardInterrupt:
        terminal.note("stopped early: the figures are partial, of what was done by then")
        return False
    return True


def beside(
    twin: "Checkpoint", checkpoint: "Checkpoint", measuring: "Measuring", terminal: Terminal
) -> "Fidelity | None":
    """What a precision costs on some of the blocks: the same network in float32 (`twin`) beside it. None if stopped."""
    from sedd_cli.evaluation.fidelity import fidelity

    request = measuring.request
    some = measuring.blocks.groups[0][:COMPARED]
    terminal.note(f"{checkpoint.precision} beside float32, on {len(some)} blocks")
    try:
        return fidelity(twin, checkpoint, some, estimator=request.estimator_for(checkpoint), seed=request.seed)
    except KeyboardInterrupt:
        return None


def checkpoint_length(checkpoints: Sequence["Checkpoint"], length: int | None) -> int:
    """The block's: what was asked for, else the shortest of the checkpoints' canvases."""
    return length if length is not None else min(checkpoint.length for checkpoint in checkpoints)
