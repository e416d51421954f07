"""Warnings that commands and the interface share, as sentences."""

from collections.abc import Collection, Iterator

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.generation.job import Job
from sedd_cli.generation.ood import ood_ratio
from sedd_cli.generation.request import LAW_OPTIONS, ORDER_OPTIONS, Request
from sedd_cli.models.checkpoint import Checkpoint

FAR = 2.0
"""The ratio (`ood_ratio`) from which a text is reported as unlike the checkpoint's."""


def length_warning(
    checkpoint: Checkpoint, what: str, length: int, consequence: str = "the text may fall apart"
) -> Iterator[str]:
    """Yield a warning if `what` ("a canvas") of `length` tokens is longer than what the checkpoint was trained on."""
    if length > checkpoint.length:
        yield f"{what} of {length} tokens, but {checkpoint.name} was trained on {checkpoint.length}: {consequence}"


def changes_of(request: Request, but: Collection[str] = ()) -> list[str]:
    """The options that change the law of the texts, but for some, with their values: "top-p 0.9"."""
    law = [e for e in LAW_OPTIONS if LogitsProcessor(**{e.name: getattr(request, e.name)}).changes_law]
    order = [e for e in ORDER_OPTIONS if getattr(request, e.name) != e.default and e.name != "correct"]
    return [f"{e.label} {getattr(request, e.name)}" for e in (*law, *order) if e.name not in but]


def law_note(request: Request, taken: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence on the options by which texts do not follow the model's own law, but for those `taken`.

    Those are the checkpoint's settings, which are named as such.
    """
    changes = changes_of(request, taken)
    if changes:
        yield f"{', '.join(changes)}: the texts do not follow the model's own law"


def sampling_warnings(checkpoint: Checkpoint, given: str | None) -> Iterator[str]:
    """Yield what makes samples other than they are asked for; `given`: the text that they depend on, if any."""
    if checkpoint.mask_id is None and given:
        yield f"with the uniform process {given} is only approximately taken into account"


def is_unlike(checkpoint: Checkpoint, text: str) -> bool:
    """Whether a text is unlike what a checkpoint was trained on, as far as that can be told."""
    ratio = ood_ratio(checkpoint, text)
    return ratio is not None and ratio > FAR


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
