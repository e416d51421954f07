"""Public folder layouts: how a config.json is recognised, what it means, and how its weights are named.

Importing this needs no torch. A layout is a module of this folder with a `Format`, and an entry in `FORMATS`. Code that
a folder brings (`auto_map`) is never run.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.formats.autoregressive import AUTOREGRESSIVE
from sedd_cli.models.formats.bd3lm import BD3LM
from sedd_cli.models.formats.facts import Facts, Format
from sedd_cli.models.formats.llada import LLADA
from sedd_cli.models.formats.mdlm import MDLM
from sedd_cli.models.formats.qwen import A2D, DREAM, OPEN_DCODER

FORMATS: tuple[Format, ...] = (MDLM, BD3LM, LLADA, DREAM, A2D, OPEN_DCODER)

ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "deberta", "deberta-v2", "modernbert")
QUANTISED = (".qweight", ".qzeros", ".weight_packed", ".weight_scale", ".absmax", ".quant_map")
"""How names of tensors end that hold weights in few bits."""


def find_format(facts: Facts, shift: bool | None = None) -> Format | None:
    """Return the layout of a config; None if it is that of SEDD and RADD folders, with nested sections.

    `shift`: read an autoregressive network too, as one to be trained, with or without the shift of its logits. Raises
    `NotLoadableError` for a config of another kind: what it is, and why it is not read.
    """
    table = facts.config
    if isinstance(table.get("model"), Mapping):
        return None
    if table.get("model_type") is None:
        if architectures := table.get("architectures"):
            raise _unknown(facts, f"the architecture {architectures!r}")
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
    if AUTOREGRESSIVE[True].recognises(facts):
        if shift is not None:
            return AUTOREGRESSIVE[shift]
        keys = "mask_token_id" if kind in OPEN_DCODER.model_types[0] else f"mask_token_id and model_type a2d-{kind}"
        raise NotLoadableError(
            f"{facts.folder} is an autoregressive {kind}: no mask_token_id says which token is MASK",
            f"sedd train TEXT --from {facts.folder} makes a masked diffusion model of it. If it was trained as one, "
            f"put its {keys} into config.json.",
        )
    if kind in ENCODERS:
        raise NotLoadableError(
            f"{facts.folder} is an encoder ({kind}): it fills in single words, and was not trained to write texts",
            "sedd models list shows checkpoints that were.",
        )
    raise _unknown(facts, f"model_type {kind!r}")


def check_plain(names: Iterable[str], folder: Path) -> None:
    """Raises `NotLoadableError` for names of tensors that hold quantised weights."""
    if any(name.endswith(QUANTISED) for name in names):
        raise _quantised(folder, "as the names of its tensors show")


def _unknown(facts: Facts, what: str) -> NotLoadableError:
    known = ", ".join(sorted({name for format in FORMATS for name in format.model_types}))
    return NotLoadableError(
        f"{facts.folder} has {what}, which is no masked diffusion model that sedd reads",
        f"Those it reads: {known}, and the nested configs of SEDD and RADD.",
    )


def _quantised(folder: Path, how: str) -> NotLoadableError:
    return NotLoadableError(
        f"the weights in {folder} are quantised ({how})",
        "Take the checkpoint that they were made from; --dtype int8 makes it small.",
    )


def _refuse(facts: Facts) -> None:
    table = facts.config
    kind = str(table["model_type"])
    quantisation = table.get("quantization_config", table.get("compression_config"))
    if quantisation is not None:
        method = quantisation.get("quant_method") if isinstance(quantisation, Mapping) else None
        raise _quantised(facts.folder, str(method or "a quantised format"))
    if "moe" in kind.lower() or any(table.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
        raise NotLoadableError(f"{facts.folder} is a mixture of experts ({kind})", "sedd reads dense networks only.")
