"""Steps that `sedd eval perplexity` and `sedd eval compare` share: data to blocks, blocks to figures, with progress."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.names import Format, Remainder, Separator, Split
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    from sedd_cli.evaluation.blocks import Blocks
    from sedd_cli.evaluation.datasets import DataSet
    from sedd_cli.evaluation.fidelity import Fidelity
    from sedd_cli.evaluation.likelihoods import LikelihoodEvaluation
    from sedd_cli.evaluation.tables import Value
    from sedd_cli.models.checkpoint import Checkpoint

FLOAT32_BLOCKS = 16
"""Blocks on which a precision is compared with float32."""
LONG_SECONDS = 10
"""Remaining seconds above which an estimate of them is reported."""


@dataclass(frozen=True)
class BlockOptions:
    """The options that determine the blocks of a data set."""

    format: Format | None
    split: Split | None
    detokenise: bool
    separator: Separator
    length: int | None
    remainder: Remainder
    blocks: int | None
    text_key: str | None

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
            text_key=self.text_key,
            progress=terminal.byte_progress,
        )

    def settings(self, data: "DataSet", evaluation: "LikelihoodEvaluation") -> dict[str, "Value"]:
        """All settings of an evaluation, for its report."""
        from sedd_cli.evaluation.likelihood_report import settings_of_data, settings_of_request

        of_data = settings_of_data(data, evaluation.blocks, self.separator, self.remainder)
        return {**of_data, **settings_of_request(evaluation.request)}

    def blocks_of(self, data: "DataSet", checkpoint: "Checkpoint", length: int) -> "Blocks":
        """Cut the data into blocks. Raises `UsageError` without a tokenizer, or if the data are too short."""
        from sedd_cli.evaluation.blocks import make_blocks
        from sedd_cli.text.tokenizer import require_tokenizer

        blocks = make_blocks(
            data.documents,
            require_tokenizer(checkpoint.tokenizer, "it cannot read text", checkpoint.name),
            length,
            separator=self.separator,
            remainder=self.remainder,
        )
        return blocks if self.blocks is None else blocks.first(self.blocks)


def names_of(data: Sequence[str], sets: Sequence["DataSet"]) -> list[str]:
    """The name of each data set; files of the same name go by their paths."""
    names = [dataset.name for dataset in sets]
    return [path if names.count(name) > 1 else name for path, name in zip(data, names, strict=True)]


def warn_of_length(checkpoint: "Checkpoint", length: int, terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import length_warning

    terminal.warn_each(length_warning(checkpoint, "blocks", length, "the figures may be poor"))


def run_evaluation(evaluation: "LikelihoodEvaluation", name: str, terminal: Terminal) -> bool:
    """Run an evaluation with progress on stderr. Returns False if interrupted; its results are then partial."""
    from sedd_cli.render.labels import duration

    blocks, started, announced = evaluation.blocks, time.monotonic(), False
    terminal.info(
        f"{name}: {counted(blocks.num_tokens, 'token')} in {counted(len(blocks), 'block')}, "
        f"{'at least ' if evaluation.request.until_error else ''}{counted(evaluation.calls_needed, 'network call')}"
    )
    try:
        with terminal.progress() as count:
            for done in evaluation.calls():
                count(name, done, evaluation.calls_needed)
                left = (time.monotonic() - started) * (evaluation.calls_needed / done - 1)
                if not announced and left > LONG_SECONDS:
                    announced = True
                    terminal.info(f"about {duration(left)} left; Ctrl-C reports the result so far")
        _warn_of_invisible(evaluation, name, terminal)
    except KeyboardInterrupt:
        terminal.info("stopped early: the figures are partial")
        return False
    return True


def _warn_of_invisible(evaluation: "LikelihoodEvaluation", name: str, terminal: Terminal) -> None:
    from sedd_cli.evaluation.invisible import invisible_note

    if not terminal.enabled:
        return
    for checkpoint, likelihood in zip(evaluation.checkpoints, evaluation.results(), strict=True):
        assert checkpoint.tokenizer is not None
        pieces = evaluation.blocks.pieces(checkpoint.tokenizer)
        nats = [nats for part in likelihood.per_token for nats in part.flatten().tolist()]
        if note := invisible_note(checkpoint.name, pieces, nats):
            terminal.warn(f"{name}: {note}")


def compare_with_float32(
    in_float32: "Checkpoint", checkpoint: "Checkpoint", evaluation: "LikelihoodEvaluation", terminal: Terminal
) -> "Fidelity | None":
    """Compare a checkpoint with the same network in float32 on a few blocks. Returns None if interrupted."""
    from sedd_cli.evaluation.fidelity import fidelity

    request = evaluation.request
    x0 = evaluation.blocks.groups[0][:FLOAT32_BLOCKS]
    terminal.info(f"comparing {checkpoint.precision} with float32 on {counted(len(x0), 'block')}")
    try:
        return fidelity(in_float32, checkpoint, x0, estimator=request.estimator_for(checkpoint), seed=request.seed)
    except KeyboardInterrupt:
        return None


def block_length(checkpoints: Sequence["Checkpoint"], length: int | None) -> int:
    """`length` if given, else the length of the checkpoints' shortest canvas."""
    return length if length is not None else min(checkpoint.length for checkpoint in checkpoints)
