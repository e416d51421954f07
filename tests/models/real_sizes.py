"""Public checkpoints with random weights: their layouts and sizes, and tokenizers of as many tokens.

A tokenizer is the built-in one's BPE, with entries that no text leads to.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sedd_cli.models.names import find_checkpoint

Shapes = dict[str, tuple[int, ...]]
SHARD = 1_200_000_000
"""Bytes of a shard at most, if no tensor is larger."""


@dataclass(frozen=True)
class Public:
    """A repository. `rows`: of its vocabulary; `special`: tokens behind the `words` that a text can lead to."""

    config: dict[str, object]
    shapes: Shapes
    words: int
    special: dict[int, str]
    mask: int
    generation: dict[str, object] | None = None
    pair: bool = False
    """Whether it has vocab.json and merges.txt, and no tokenizer.json."""

    def save(self, folder: Path) -> None:
        folder.mkdir()
        tables = {"config.json": self.config, "generation_config.json": self.generation}
        for name, table in tables.items():
            if table is not None:
                (folder / name).write_text(json.dumps(table))
        if self.words:
            self._save_tokenizer(folder)
        self._save_weights(folder)

    def _save_tokenizer(self, folder: Path) -> None:
        table = tokenizer_table(self.words)
        last = max(self.special)
        special = {i: self.special.get(i, f"<|extra_{i}|>") for i in range(self.words, last + 1)}
        if self.pair:
            (folder / "vocab.json").write_text(json.dumps(table["model"]["vocab"]))
            merges = "\n".join(" ".join(pair) for pair in table["model"]["merges"])
            (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
            (folder / "added_tokens.json").write_text(json.dumps({text: i for i, text in special.items()}))
            return
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
        table["added_tokens"] = [{"id": i, "content": text, **flags} for i, text in special.items()]
        (folder / "tokenizer.json").write_text(json.dumps(table))

    def _save_weights(self, folder: Path) -> None:
        shards: list[Shapes] = [{}]
        for name, shape in self.shapes.items():
            if shards[-1] and 2 * sum(map(prod, [*shards[-1].values(), shape])) > SHARD:
                shards.append({})
            shards[-1][name] = shape
        if len(shards) == 1:
            save_file(noise(self.shapes), folder / "model.safetensors")
            return
        files = {f"model-{n:05}-of-{len(shards):05}.safetensors": shard for n, shard in enumerate(shards, start=1)}
        for file, shard in files.items():
            save_file(noise(shard), folder / file)
        index = {"weight_map": {name: file for file, shard in files.items() for name in shard}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def noise(shapes: Shapes) -> dict[str, Tensor]:
    """bfloat16, of one block of numbers again and again: drawing billions takes minutes."""
    block = (0.02 * torch.randn((1 << 20) + 7, generator=torch.Generator().manual_seed(0))).bfloat16()
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    return {name: block.repeat(-(-size // len(block)))[:size].view(shapes[name]) for name, size in sizes.items()}


def tokenizer_table(words: int) -> dict[str, Any]:
    """The built-in tokenizer's tokenizer.json with `words` entries, none of them special."""
    table = json.loads((find_checkpoint(None) / "tokenizer.json").read_bytes())
    special = {token["content"] for token in table["added_tokens"]}
    entries = [entry for entry in table["model"]["vocab"] if entry not in special]
    entries += [f"Ġfiller{i}" for i in range(words - len(entries))]
    table["model"]["vocab"] = {entry: i for i, entry in enumerate(entries)}
    return {**table, "added_tokens": []}


def mdlm() -> Public:
    H, C, V = 768, 128, 50258
    shapes: Shapes = {"vocab_embed.embedding": (V, H), "sigma_map.mlp.0.weight": (C, 256), "sigma_map.mlp.0.bias": (C,)}
    shapes |= {"sigma_map.mlp.2.weight": (C, C), "sigma_map.mlp.2.bias": (C,)}
    for n in range(12):
        layers = {"norm1.weight": (H,), "attn_qkv.weight": (3 * H, H), "attn_out.weight": (H, H), "norm2.weight": (H,)}
        layers |= {"mlp.0.weight": (4 * H, H), "mlp.0.bias": (4 * H,), "mlp.2.weight": (H, 4 * H), "mlp.2.bias": (H,)}
        layers |= {"adaLN_modulation.weight": (6 * H, C), "adaLN_modulation.bias": (6 * H,)}
        shapes |= {f"blocks.{n}.{name}": shape for name, shape in layers.items()}
    shapes |= {
        "output_layer.norm_final.weight": (H,),
        "output_layer.linear.weight": (V, H),
        "output_layer.linear.bias": (V,),
    }
    shapes |= {"output_layer.adaLN_modulation.weight": (2 * H, C), "output_layer.adaLN_modulation.bias": (2 * H,)}
    config = {"model_type": "mdlm", "vocab_size": V, "model_length": 1024, "hidden_dim": H, "cond_dim": C}
    config |= {"n_blocks": 12, "n_heads": 12, "dropout": 0.1, "time_conditioning": False, "return_dict": False}
    return Public(config, {f"backbone.{name}": shape for name, shape in shapes.items()}, 0, {}, V - 1)


def transformer(config: dict[str, object], *, bias: bool = False, head_norms: bool = False) -> Shapes:
    """The shapes of a network with transformers' keys and names."""
    H, M, V = (int(str(config[key])) for key in ("hidden_size", "intermediate_size", "vocab_size"))
    heads, kv_heads = (int(str(config[key])) for key in ("num_attention_heads", "num_key_value_heads"))
    size = int(str(config.get("head_dim", H // heads)))
    shapes: Shapes = {"model.embed_tokens.weight": (V, H)}
    for n in range(int(str(config["num_hidden_layers"]))):
        at, widths = f"model.layers.{n}", {"q": heads * size, "k": kv_heads * size, "v": kv_heads * size}
        shapes |= {f"{at}.input_layernorm.weight": (H,), f"{at}.post_attention_layernorm.weight": (H,)}
        shapes |= {f"{at}.self_attn.{part}_proj.weight": (width, H) for part, width in widths.items()}
        shapes |= {f"{at}.self_attn.{part}_proj.bias": (width,) for part, width in widths.items() if bias}
        shapes |= {f"{at}.self_attn.{part}_norm.weight": (size,) for part in "qk" if head_norms}
        shapes |= {f"{at}.self_attn.o_proj.weight": (H, heads * size), f"{at}.mlp.down_proj.weight": (H, M)}
        shapes |= {f"{at}.mlp.{part}_proj.weight": (M, H) for part in ("gate", "up")}
    return shapes | {"model.norm.weight": (H,)} | ({} if config["tie_word_embeddings"] else {"lm_head.weight": (V, H)})


QWEN = {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0, "torch_dtype": "bfloat16"}
QWEN |= {"bos_token_id": 151643, "use_sliding_window": False, "sliding_window": None, "rope_scaling": None}
CODER = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
CODER |= {"num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768}
TURNS = {151643: "<|endoftext|>", 151644: "<|im_start|>", 151645: "<|im_end|>"}


def a2d_qwen3(**shape: int) -> Public:
    """Qwen3-0.6B, or one of another `shape`, then without a tokenizer."""
    config = {**QWEN, "model_type": "a2d-qwen3", "hidden_size": 1024, "intermediate_size": 3072, "head_dim": 128}
    config |= {"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936}
    config |= {"max_position_embeddings": 40960, "tie_word_embeddings": True, **shape}
    words = int(str(config["vocab_size"])) - 293
    end, end_of_turn, mask = words, words + 2, words + 26
    config |= {"bos_token_id": end, "eos_token_id": end_of_turn}
    generation = {"eos_token_id": [end_of_turn, end], "mask_token_id": mask}
    shapes = transformer(config, head_norms=True)
    return Public(config, shapes, 0 if shape else words, {**TURNS, mask: "<|mask|>"}, mask, generation)


def a2d_coder() -> Public:
    config = {**QWEN, **CODER, "model_type": "a2d-qwen2", "tie_word_embeddings": True, "eos_token_id": 151645}
    special, generation = {**TURNS, 151665: "<|mask|>"}, {"mask_token_id": 151665}
    return Public(config, transformer(config, bias=True), 151643, special, 151665, generation)


def open_dcoder() -> Public:
    config = {**QWEN, **CODER, "model_type": "qwen2", "tie_word_embeddings": False, "eos_token_id": 151643}
    special, generation = {**TURNS, 151665: "<M>"}, {"mask_token_id": 151665, "eos_token_id": 151643}
    return Public(config, transformer(config, bias=True), 151643, special, 151665, generation)


def dream() -> Public:
    """Two of its 28 layers."""
    config = {**QWEN, "model_type": "Dream", "hidden_size": 3584, "intermediate_size": 18944, "vocab_size": 152064}
    config |= {"num_hidden_layers": 2, "num_attention_heads": 28, "num_key_value_heads": 4, "eos_token_id": 151643}
    config |= {"max_position_embeddings": 131072, "tie_word_embeddings": False, "mask_token_id": 151666}
    special = {**TURNS, 151666: "<|mask|>"}
    return Public(config, transformer(config, bias=True), 151643, special, 151666, pair=True)


def llada() -> Public:
    """Two of its 32 layers."""
    H, M, V = 4096, 12288, 126464
    shapes: Shapes = {"wte.weight": (V, H)}
    for n in range(2):
        square = {f"blocks.{n}.{name}.weight": (H, H) for name in ("q_proj", "k_proj", "v_proj", "attn_out")}
        norms = {f"blocks.{n}.{name}.weight": (H,) for name in ("attn_norm", "ff_norm")}
        mlp = {f"blocks.{n}.ff_proj.weight": (M, H), f"blocks.{n}.up_proj.weight": (M, H)}
        shapes |= {**square, **norms, **mlp, f"blocks.{n}.ff_out.weight": (H, M)}
    shapes |= {"ln_f.weight": (H,), "ff_out.weight": (V, H)}
    config = {"model_type": "llada", "block_type": "llama", "d_model": H, "mlp_hidden_size": M, "mlp_ratio": 4}
    config |= {"n_layers": 2, "n_heads": 32, "n_kv_heads": 32, "vocab_size": V, "embedding_size": V}
    config |= {
        "layer_norm_type": "rms",
        "activation_type": "silu",
        "alibi": False,
        "rope": True,
        "precision": "amp_bf16",
    }
    config |= {"rope_theta": 500_000.0, "rms_norm_eps": 1e-5, "max_sequence_length": 4096, "weight_tying": False}
    config |= {"include_bias": False, "include_qkv_bias": False, "eos_token_id": 126081, "mask_token_id": 126336}
    special = {126080: "<|startoftext|>", 126081: "<|endoftext|>", 126336: "<|mdm_mask|>", 126348: "<|eot_id|>"}
    return Public(config, {f"model.transformer.{n}": s for n, s in shapes.items()}, 126080, special, 126336)


PUBLIC: dict[str, Callable[[], Public]] = {
    "kuleshov-group/mdlm-owt": mdlm,
    "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1": a2d_qwen3,
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1": a2d_coder,
    "fredzzp/open-dcoder-0.5B": open_dcoder,
    "GSAI-ML/LLaDA-8B-Base": llada,
    "Dream-org/Dream-v0-Base-7B": dream,
}
