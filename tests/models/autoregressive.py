"""Tiny autoregressive networks of transformers, in its folders, with a tokenizer of bytes."""

from pathlib import Path

import tokenizers
import torch

from sedd_cli.text.byte_level import BYTE_ALPHABET, END_OF_TEXT
from tests.models.other_families import tokenizer_of

KINDS = ("llama", "qwen2", "qwen3")
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 160,
}
SIZE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = 257


def bytes_tokenizer(without: str = "") -> tokenizers.Tokenizer:
    """End-of-text, then a token for each byte, but for those that are written as the characters `without`."""
    names = [END_OF_TEXT, *sorted(set(BYTE_ALPHABET) - set(without))]
    return tokenizer_of(names, [END_OF_TEXT])


def save_autoregressive(folder: Path, kind: str, rows: int = TOKENS, without: str = "", **keys: object) -> Path:
    """Save a random network with this many rows in its embedding, and weights large enough to make a difference."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

    config_of = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}[kind]
    shape = {**SIZE, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": rows, "max_position_embeddings": 320}
    config = config_of(**{**shape, "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 0, **keys})
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    bytes_tokenizer(without).save(str(folder / "tokenizer.json"))
    return folder
