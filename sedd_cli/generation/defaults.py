"""Defaults from the checkpoint: options that are not given are taken from how its authors draw."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from sedd_cli.diffusion.names import GRIDLESS
from sedd_cli.diffusion.samplers import default_sampler, make_sampler
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.generation.options import TABLE, SamplingKeywords, SamplingOptions
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.defaults import OURS, SHARED, authors_settings

KNOWN = (*OURS, *SHARED, "top_k")
"""The options that may be a checkpoint's own."""


@dataclass(frozen=True)
class Defaulted:
    """Options with the checkpoint's defaults, the names of those `taken`, and why others were left out."""

    options: Request
    taken: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def notes(self, name: str) -> list[str]:
        """Sentences for a person; `name`: the checkpoint's."""
        notes = [f"the setting {reason}" for reason in self.left_out]
        if self.taken:
            values = ", ".join(f"{TABLE[n].label} {getattr(self.options, n)}" for n in self.taken)
            notes.insert(0, f"{values}: the settings of {name}; --exact draws from its own law")
        return notes


def with_defaults(
    checkpoint: Checkpoint, options: SamplingOptions, given: Collection[str], *, filling: bool = False
) -> Defaulted:
    """Take what is not `given` (names of options) from the checkpoint, as far as it fits what is.

    `filling`: for the gaps of a document. Nothing of it fails: a setting that is unknown, or excludes what is given, is
    left out and named. Nothing is taken where what is given fits neither by itself nor with the checkpoint's order,
    which the run reports.
    """
    try:
        settings = authors_settings(checkpoint, filling=filling)
    except SeddError as error:
        reason = f"file of {checkpoint.name} is left out: {error.message}"
        return Defaulted(Request(**asdict(options)), left_out=(reason,))
    values, taken, left_out = asdict(options), list[str](), list[str]()
    if _misfit(checkpoint, values):
        # A threshold, for example, needs an order.
        ordered = {name: value for name, value in settings.items() if name == "order" and name not in given}
        if not ordered or _misfit(checkpoint, values | ordered):
            return Defaulted(Request(**values))
        values, taken = values | ordered, [*ordered]
    # Revise goes with a truncation, whichever comes first in the file.
    for name, value in sorted(settings.items(), key=lambda item: item[0] == "revise"):
        if name in given or name in taken:
            continue
        if name not in KNOWN:
            left_out.append(f"{name} {value!r} of {checkpoint.name} is left out: there is none of this name")
            continue
        changed = {**values, name: value}
        reason = _misfit(checkpoint, changed)
        if not reason and name == "sampler" and value in GRIDLESS and "steps" in given:
            reason = "it has no use for steps"
        if reason:
            left_out.append(f"{TABLE[name].label} {value} of {checkpoint.name} is left out: {reason}")
        else:
            values = changed
            taken.append(name)
    return Defaulted(Request(**values), tuple(taken), tuple(left_out))


def request_of(
    checkpoint: Checkpoint,
    options: SamplingKeywords,
    defaults: Literal["checkpoint"] | None,
    *,
    filling: bool = False,
) -> Request:
    """A request of the library's keywords; `filling`: for the gaps of a document.

    Raises `UsageError` for a value out of range.
    """
    if defaults not in (None, "checkpoint"):
        raise UsageError(f"unknown defaults {defaults!r}", 'They are None or "checkpoint".')
    if defaults is None:
        return Request(**options)
    return with_defaults(checkpoint, SamplingOptions(**options), options, filling=filling).options


def _misfit(checkpoint: Checkpoint, values: Mapping[str, Any]) -> str:
    """Why options do not fit the checkpoint or each other; "" if they do."""
    try:
        request = Request(**values)
        make_sampler(
            checkpoint.process,
            checkpoint.noise,
            name=request.sampler or default_sampler(checkpoint.process),
            score=request.score,
            steps=request.steps,
            free=torch.ones(1, dtype=torch.bool, device="cpu"),
            logits_processor=request.logits_processor(),
            unmasking=request.unmasking(),
            trained_block=checkpoint.blocks.size if checkpoint.blocks else None,
        )
    except UsageError as error:
        return error.message
    except TypeError:
        return "it has another type"
    return ""
