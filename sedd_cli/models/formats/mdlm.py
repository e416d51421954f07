"""MDLM (kuleshov-group/mdlm, 2406.07524): the network of SEDD, with its time held at 0.

Its adaptive norms then are plain ones: what they add and multiply is computed once, and goes into the weights.
"""

from typing import TYPE_CHECKING, Any

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.formats.facts import Facts, Format

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.models.config import Config


def sections(facts: Facts) -> dict[str, Any]:
    table = facts.config
    if table.get("time_conditioning"):
        raise NotLoadableError(
            f"the network in {facts.folder} depends on the time (time_conditioning)", "sedd reads MDLM without it."
        )
    return {
        "tokens": table["vocab_size"] - 1,
        "noise": {"type": "loglinear"},
        "model": {
            "type": "ddit_wot",
            "hidden_size": table["hidden_dim"],
            "length": table["model_length"],
            "n_blocks": table["n_blocks"],
            "n_heads": table["n_heads"],
            "scale_by_sigma": False,
        },
    }


def rename(name: str) -> str:
    return name.removeprefix("backbone.")


def fold(weights: "dict[str, Tensor]", _: "Config") -> None:
    """Put what the adaptive norms are at sigma = 0 into norms and the layers behind their gates, in place."""
    import torch
    import torch.nn.functional as F

    from sedd_cli.models.backbones.ddit import TimestepEmbedder

    embedder = {name: weights.pop(name) for name in list(weights) if name.startswith("sigma_map.")}
    with torch.device("cpu"):
        sigma_map = TimestepEmbedder(len(embedder["sigma_map.mlp.2.bias"]))
    sigma_map.load_state_dict({name.removeprefix("sigma_map."): tensor.float() for name, tensor in embedder.items()})
    with torch.no_grad():
        c = F.silu(sigma_map(torch.zeros(1, device="cpu")))

        def modulation(layer: str, parts: int) -> "tuple[Tensor, ...]":
            weight, bias = (weights.pop(f"{layer}.adaLN_modulation.{kind}").float() for kind in ("weight", "bias"))
            return F.linear(c, weight, bias)[0].chunk(parts)

        def fold_norm(norm: str, shift: "Tensor", scale: "Tensor") -> None:
            weights[f"{norm}.weight"] = weights[f"{norm}.weight"].float() * (1 + scale)
            weights[f"{norm}.bias"] = shift.clone()

        for block in sorted({name.rsplit(".", 2)[0] for name in weights if name.endswith(".norm1.weight")}):
            shift1, scale1, gate1, shift2, scale2, gate2 = modulation(block, 6)
            fold_norm(f"{block}.norm1", shift1, scale1)
            fold_norm(f"{block}.norm2", shift2, scale2)
            for layer, gate in ((f"{block}.attn_out.weight", gate1), (f"{block}.mlp.2.weight", gate2)):
                weights[layer] = weights[layer].float() * gate[:, None]
            weights[f"{block}.mlp.2.bias"] = weights[f"{block}.mlp.2.bias"].float() * gate2
        fold_norm("output_layer.norm_final", *modulation("output_layer", 2))


MDLM = Format(
    name="MDLM",
    model_types=("mdlm",),
    recognises=lambda facts: facts.config["model_type"] == "mdlm",
    sections=sections,
    rename=rename,
    fold="sedd_cli.models.formats.mdlm:fold",
)
