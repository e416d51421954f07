"""Warnings that commands and the interface share, as sentences."""

from collections.abc import Iterator

from sedd_cli.generation.job import Job
from sedd_cli.generation.ood import ood_ratio
from sedd_cli.generation.request import LAW_OPTIONS, Request
from sedd_cli.models.checkpoint import Checkpoint

FAR = 2.0
"""The ratio (`ood_ratio`) from which a text is reported as unlike the checkpoint's."""


def length_warning(
    checkpoint: Checkpoint, what: str, length: int, consequence: str = "the text may fall apart"
) -> Iterator[str]:
    """Yield a warning if `what` ("a canvas") of `length` tokens is longer than what the checkpoint was trained on."""
    if length > checkpoint.length:
        yield f"{what} of {length} tokens, but {checkpoint.name} was trained on {checkpoint.length}: {consequence}"


def sampling_warnings(checkpoint: Checkpoint, request: Request, given: str | None) -> Iterator[str]:
    """Yield what makes samples other than the model's own; `given`: the text that they depend on, if any."""
    if request.logits_processor().changes_law:
        *others, last = (entry.label for entry in LAW_OPTIONS)
        yield f"{', '.join(others)} and {last} change the law: these are no samples of the model itself"
    if checkpoint.mask_id is None and given:
        yield f"with the uniform process {given} is only approximately taken into account"


def ood_warning(checkpoint: Checkpoint, what: str, text: str) -> Iterator[str]:
    """Yield a warning if `text`, a "prompt" or "document", is unlike what the checkpoint was trained on."""
    ratio = ood_ratio(checkpoint, text)
    if ratio is not None and ratio > FAR:
        yield (
            f"{checkpoint.name} knows {checkpoint.subject}; this {what} surprises it {ratio:.1f} times as much: "
            "expect odd words"
        )


def job_ood_warning(job: Job) -> Iterator[str]:
    """Yield a warning if what a job goes by, a prompt or a document, is unlike what its checkpoint was trained on."""
    yield from ood_warning(job.checkpoint, *job.context())
