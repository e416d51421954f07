"""BD3-LM (kuleshov-group/bd3lms, 2503.09573): MDLM's network, denoising block by block."""

from typing import TYPE_CHECKING, Any

from sedd_cli.models.formats import mdlm
from sedd_cli.models.formats.facts import Facts, Format

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.models.config import Config

BUFFERS = ("sampling_eps_min", "sampling_eps_max")
"""Of the noise of its training; the network does not use them."""


def _sections(facts: Facts) -> dict[str, Any]:
    sections, size = mdlm.sections(facts), facts.config["block_size"]
    sections["opens_with_end"] = True
    # One block of the whole canvas is MDLM, and so is attention that blocks do not restrict.
    by_blocks = facts.config.get("cross_attn", True) and size < sections["model"]["length"]
    sections["model"]["block_size"] = size if by_blocks else None
    return sections


def fold(weights: "dict[str, Tensor]", config: "Config") -> None:
    """As `mdlm.fold`; without adaptive norms (`adaln`) plain ones get the bias that they lack."""
    for name in BUFFERS:
        weights.pop(name, None)
    if any(name.startswith("sigma_map.") for name in weights):
        mdlm.fold(weights, config)
        return
    for name in [name for name in weights if ".norm" in name]:
        weights[name.removesuffix("weight") + "bias"] = weights[name].new_zeros(len(weights[name]))


BD3LM = Format(
    name="BD3-LM",
    model_types=("bd3lm",),
    recognises=lambda facts: facts.config["model_type"] == "bd3lm",
    sections=_sections,
    rename=mdlm.rename,
    fold="sedd_cli.models.formats.bd3lm:fold",
    by_blocks=True,
)
