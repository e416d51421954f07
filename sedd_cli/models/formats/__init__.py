"""Public folder layouts: how a config.json is recognised, what it means, and how its weights are named.

Importing this needs no torch. A layout is a module of this folder with a `Format`, and an entry in `FORMATS`. Code that
a folder brings (`auto_map`) is never run.
"""

from collections.abc import Mapping

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.formats.bd3lm import BD3LM
from sedd_cli.models.formats.facts import Facts, Format
from sedd_cli.models.formats.llada import LLADA
from sedd_cli.models.formats.mdlm import MDLM
from sedd_cli.models.formats.qwen import A2D, DREAM, OPEN_DCODER

FORMATS: tuple[Format, ...] = (MDLM, BD3LM, LLADA, DREAM, A2D, OPEN_DCODER)

AUTOREGRESSIVE = ("qwen2", "qwen3", "llama")


def find_format(facts: Facts) -> Format | None:
    """Return the layout of a config; None if it is that of SEDD and RADD folders, with nested sections.

    Raises `NotLoadableError` for a config of another kind: what it is, and why it is not read.
    """
    table = facts.config
    if isinstance(table.get("model"), Mapping) or "model_type" not in table:
        return None
    _refuse(facts)
    for format in FORMATS:
        if format.recognises(facts):
            if facts.first("block_size") and not format.by_blocks:
                raise NotLoadableError(
                    f"{facts.folder} is a {format.name} that denoises block by block (block_size)",
                    f"sedd reads {' and '.join(f.name for f in FORMATS if f.by_blocks)} by blocks.",
                )
            return format
    kind = table["model_type"]
    if kind in AUTOREGRESSIVE:
        raise NotLoadableError(
            f"{facts.folder} is an autoregressive {kind}: no mask_token_id says which token is MASK",
            "If it was trained as a masked diffusion model, put its mask_token_id into generation_config.json.",
        )
    known = ", ".join(sorted({name for format in FORMATS for name in format.model_types}))
    raise NotLoadableError(
        f"{facts.folder} has model_type {kind!r}, which is no masked diffusion model that sedd reads",
        f"Those it reads: {known}, and the nested configs of SEDD and RADD.",
    )


def _refuse(facts: Facts) -> None:
    table = facts.config
    kind = str(table["model_type"])
    if "quantization_config" in table:
        method = table["quantization_config"].get("quant_method", "a quantised format")
        raise NotLoadableError(
            f"the weights in {facts.folder} are quantised ({method})",
            "Take the checkpoint that they were made from; --dtype int8 makes it small.",
        )
    if "moe" in kind.lower() or any(table.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
        raise NotLoadableError(f"{facts.folder} is a mixture of experts ({kind})", "sedd reads dense networks only.")
