"""BD3-LM (kuleshov-group/bd3lms, 2503.09573): MDLM's network, denoising block by block."""

from typing import TYPE_CHECKING, Any

from sedd_cli.models.formats import mdlm
from sedd_cli.models.formats.facts import Facts, Format

if TYPE_CHECKING:
    from torch import Tensor

BUFFERS = ("sampling_eps_min", "sampling_eps_max")
"""Of the noise of its training; the network does not use them."""


def _sections(facts: Facts) -> dict[str, Any]:
    sections, size = mdlm.sections(facts), facts.config["block_size"]
    sections["opens_with_end"] = True
    # One block of the whole canvas is MDLM.
    sections["model"]["block_size"] = size if size < sections["model"]["length"] else None
    return sections


def fold(weights: "dict[str, Tensor]") -> None:
    for name in BUFFERS:
        weights.pop(name, None)
    mdlm.fold(weights)


BD3LM = Format(
    name="BD3-LM",
    model_types=("bd3lm",),
    recognises=lambda facts: facts.config["model_type"] == "bd3lm",
    sections=_sections,
    rename=mdlm.rename,
    fold="sedd_cli.models.formats.bd3lm:fold",
    by_blocks=True,
)
