"""A folder of random weights in A2D's layout with Qwen3's network, of any size: what published ones weigh and cost."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

QWEN3_0_6B = {
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151_936,
}


def write_sized_folder(folder: Path, shape: dict[str, int], dtype: torch.dtype = torch.bfloat16) -> None:
    """Write `config.json` and `model.safetensors`, with the keys of `QWEN3_0_6B` in `shape`."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {
        **shape,
        "model_type": "a2d-qwen3",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "mask_token_id": shape["vocab_size"] - 100,
        "eos_token_id": shape["vocab_size"] - 101,
    }
    (folder / "config.json").write_text(json.dumps(table))
    D, E, M = shape["hidden_size"], shape["head_dim"], shape["intermediate_size"]
    heads, groups = shape["num_attention_heads"] * E, shape["num_key_value_heads"] * E
    layers = {
        "self_attn.q_proj": (heads, D),
        "self_attn.k_proj": (groups, D),
        "self_attn.v_proj": (groups, D),
        "self_attn.o_proj": (D, heads),
        "mlp.gate_proj": (M, D),
        "mlp.up_proj": (M, D),
        "mlp.down_proj": (D, M),
    }
    norms = {"input_layernorm": D, "post_attention_layernorm": D, "self_attn.q_norm": E, "self_attn.k_norm": E}
    generator = torch.Generator().manual_seed(0)

    def random(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator).mul_(0.02).to(dtype)

    weights = {
        "model.embed_tokens.weight": random(shape["vocab_size"], D),
        "model.norm.weight": torch.ones(D).to(dtype),
    }
    for i in range(shape["num_hidden_layers"]):
        weights |= {f"model.layers.{i}.{name}.weight": random(*size) for name, size in layers.items()}
        weights |= {f"model.layers.{i}.{name}.weight": torch.ones(size).to(dtype) for name, size in norms.items()}
    save_file(weights, folder / "model.safetensors")
