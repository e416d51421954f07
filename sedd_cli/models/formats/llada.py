"""LLaDA (GSAI-ML/LLaDA-8B, 2502.09992): Llama's network under OLMo's names."""

import re
from typing import Any

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.formats.facts import Facts, Format

NAMES = {
    "attn_norm": "input_layernorm",
    "ff_norm": "post_attention_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
"""Layers of a block."""
OUTSIDE = {"wte": "embed_tokens", "ln_f": "norm", "ff_out": "lm_head"}


def _sections(facts: Facts) -> dict[str, Any]:
    table = facts.config
    unread = {"block_type": "llama", "layer_norm_type": "rms", "activation_type": "silu", "alibi": False, "rope": True}
    for key, read in unread.items():
        if table.get(key, read) != read:
            raise NotLoadableError(f"{facts.folder} has {key} {table[key]!r}", f"sedd reads LLaDA with {read!r}.")
    heads, width = table["n_heads"], table["d_model"]
    return {
        "tokens": (table.get("embedding_size") or table["vocab_size"]) - 1,
        "mask_id": facts.mask_id(),
        "trained_canvas": False,
        "end_ids": facts.end_ids(),
        "noise": {"type": "loglinear"},
        "model": {
            "type": "llama",
            "hidden_size": width,
            "length": table["max_sequence_length"],
            "n_blocks": table["n_layers"],
            "n_heads": heads,
            "n_kv_heads": table.get("n_kv_heads") or heads,
            "head_dim": width // heads,
            "mlp_size": table.get("mlp_hidden_size") or width * table["mlp_ratio"],
            "rope_theta": table["rope_theta"],
            "norm_eps": table["rms_norm_eps"],
            "qkv_bias": bool(table.get("include_qkv_bias")),
            "tied": bool(table.get("weight_tying")),
        },
    }


def _rename(name: str) -> str:
    name = re.sub(r"^(model\.)?transformer\.", "", name)
    if match := re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(weight|bias)", name):
        number, layer, kind = match.groups()
        return f"blocks.{number}.{NAMES.get(layer, layer)}.{kind}"
    layer, _, kind = name.partition(".")
    return f"{OUTSIDE.get(layer, layer)}.{kind}"


LLADA = Format(
    name="LLaDA",
    model_types=("llada",),
    recognises=lambda facts: facts.config["model_type"] == "llada",
    sections=_sections,
    rename=_rename,
)
