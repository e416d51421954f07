"""Qwen's and Llama's networks with transformers' keys and names: A2D (dllm-hub), Dream (2508.15487), Open-dCoder."""

import re
from collections.abc import Mapping
from typing import Any

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.formats.facts import Facts, Format
from sedd_cli.models.hub_ids import cached_repository


def sections(facts: Facts, *, shift: bool, mask_id: int | None) -> dict[str, Any]:
    """Our sections for a config of these networks, which differ in biases and norms by their `model_type`."""
    table = facts.config
    kind, heads, width = str(table["model_type"]).lower(), table["num_attention_heads"], table["hidden_size"]
    rope = table.get("rope_parameters") or table.get("rope_scaling") or {}
    scaling = rope.get("rope_type") or rope.get("type") or "default"
    if scaling not in ("default", "llama3"):
        raise NotLoadableError(
            f"{facts.folder} stretches its positions ({scaling})",
            "sedd reads networks with plain rotary positions, and those of Llama 3.",
        )
    kinds = set(table.get("layer_types") or []) | ({"sliding_attention"} if table.get("use_sliding_window") else set())
    if windowed := kinds - {"full_attention"}:
        raise NotLoadableError(
            f"{facts.folder} has layers that do not see the whole canvas ({', '.join(sorted(windowed))})",
            "sedd reads networks whose layers all do.",
        )
    if table.get("hidden_act", "silu") != "silu" or table.get("mlp_bias"):
        raise NotLoadableError(f"{facts.folder} has an MLP of another kind", "sedd reads SwiGLU without biases.")
    return {
        "tokens": table["vocab_size"] - 1,
        "mask_id": mask_id,
        "trained_canvas": False,
        "end_ids": facts.end_ids(),
        "noise": {"type": "loglinear"},
        "model": {
            "type": "llama",
            "hidden_size": width,
            "length": table["max_position_embeddings"],
            "n_blocks": table["num_hidden_layers"],
            "n_heads": heads,
            "n_kv_heads": table.get("num_key_value_heads") or heads,
            "head_dim": table.get("head_dim") or width // heads,
            "mlp_size": table["intermediate_size"],
            "rope_theta": table.get("rope_theta") or rope.get("rope_theta") or 10_000.0,
            "rope_scaling": _llama3(rope, table["max_position_embeddings"]) if scaling == "llama3" else None,
            "norm_eps": table["rms_norm_eps"],
            "qkv_bias": "qwen2" in kind or kind == "dream" or bool(table.get("attention_bias")),
            "qk_norm": "qwen3" in kind,
            "tied": bool(table.get("tie_word_embeddings")),
            "leading_id": facts.leading_id() if shift else None,
        },
    }


def _llama3(rope: Mapping[str, Any], length: int) -> dict[str, Any]:
    numbers = {key: rope[key] for key in ("factor", "low_freq_factor", "high_freq_factor")}
    return {**numbers, "original_max_position_embeddings": rope.get("original_max_position_embeddings") or length}


def rename(name: str) -> str:
    return re.sub(r"^layers\.", "blocks.", re.sub(r"^model\.", "", name))


SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2's tokenizer cuts a text into words."""

A2D_TYPES = ("a2d-qwen2", "a2d-qwen3", "a2d-llama")
BLOCK_SIZES = {
    "dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1": 32,
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1": 32,
}
"""Of public repositories in which no file says it."""


def _a2d_sections(facts: Facts) -> dict[str, Any]:
    table = sections(facts, shift=False, mask_id=facts.mask_id())
    name = cached_repository(facts.folder) or facts.folder.absolute().name
    size = facts.first("block_size") or BLOCK_SIZES.get(name)
    if size is None and "bd3lm" in name.lower():
        raise NotLoadableError(
            f"nothing in {facts.folder} says by which blocks it denoises", "Put block_size into its config.json."
        )
    table["model"]["block_size"] = size
    return table


A2D = Format(
    name="A2D",
    model_types=A2D_TYPES,
    recognises=lambda facts: facts.config["model_type"] in A2D_TYPES,
    sections=_a2d_sections,
    rename=rename,
    by_blocks=True,
)
DREAM = Format(
    name="Dream",
    split=SPLIT,
    model_types=("Dream",),
    recognises=lambda facts: facts.config["model_type"] == "Dream",
    sections=lambda facts: sections(facts, shift=True, mask_id=facts.mask_id()),
    rename=rename,
)
OPEN_DCODER = Format(
    name="Open-dCoder",
    model_types=("qwen2 with a mask_token_id",),
    # A tokenizer's MASK alone does not tell how the network was trained.
    recognises=lambda facts: facts.config["model_type"] == "qwen2" and facts.first("mask_token_id") is not None,
    sections=lambda facts: sections(facts, shift=True, mask_id=facts.mask_id()),
    rename=rename,
)
