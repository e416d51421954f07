"""Random networks of other families, saved in their public layouts."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from tokenizers import decoders, models, pre_tokenizers

from sedd_cli.models.folder import read_config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.byte_level import BYTE_ALPHABET
from tests.conftest import PARITY


def tokenizer_of(entries: Sequence[str], special: Sequence[str]) -> tokenizers.Tokenizer:
    """A tokenizer whose entries are bytes, or special."""
    inner = tokenizers.Tokenizer(models.BPE(vocab={entry: i for i, entry in enumerate(entries)}, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(list(special))
    return inner


def byte_level(*special: str) -> tokenizers.Tokenizer:
    """A tokenizer of bytes, 0 to 255, and special tokens from 256 on."""
    return tokenizer_of(list(BYTE_ALPHABET), special)


def save_random(folder: Path, inner: tokenizers.Tokenizer, **keys: object) -> Path:
    """Save a small network like those of A2D (Qwen3) for a tokenizer; `keys` of its config.json change what it is."""
    folder.mkdir()
    table = json.loads((PARITY / "a2d-qwen3" / "config.json").read_text())
    table |= {"vocab_size": inner.get_vocab_size(), "max_position_embeddings": 512, **keys}
    (folder / "config.json").write_text(json.dumps(table))
    (folder / "tokenizer.json").write_text(inner.to_str())
    network = ScoreNetwork(read_config(folder))
    generator = torch.Generator().manual_seed(0)
    for p in network.parameters():
        p.data = torch.randn(p.shape, generator=generator) * (0.3 if p.ndim == 2 else 0.1) + (p.ndim == 1)
    weights = network.backbone.state_dict()
    del weights["rotary.inv_freq"]
    weights = {re.sub("^(?!lm_head)", "model.", name.replace("blocks.", "layers.")): p for name, p in weights.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


FAMILIES = ("mdlm", "llada", "dream", "a2d-qwen3", "a2d-qwen2-tied", "a2d-llama", "open-dcoder")
OF_EACH_KIND = [
    pytest.param(name, marks=[] if name in ("mdlm", "llada", "dream") else pytest.mark.slow) for name in FAMILIES
]
"""As parameters; those that differ little from the others are slow."""


def save_family(folder: Path, name: str) -> Path:
    """Save the tiny network of a family, in its own layout, with a vocabulary of bytes: its rows again and again."""
    folder.mkdir()
    table = json.loads((PARITY / name / "config.json").read_text())
    special = ["<|endoftext|>"] if name == "mdlm" else ["<|endoftext|>", "<|im_end|>", "<|startoftext|>", "<|mask|>"]
    states, rows = table["vocab_size"], 256 + len(special) + (name == "mdlm")
    table |= {"vocab_size": rows}
    if name != "mdlm":
        table |= {"mask_token_id": 259, "bos_token_id": 258, "eos_token_id": 256}
        (folder / "generation_config.json").write_text(json.dumps({"mask_token_id": 259, "eos_token_id": [256, 257]}))
    if "embedding_size" in table:
        table["embedding_size"] = rows
    (folder / "config.json").write_text(json.dumps(table))
    (folder / "tokenizer.json").write_text(byte_level(*special).to_str())
    weights = load_file(PARITY / name / "model.safetensors")
    repeated = torch.arange(rows) % states
    weights = {key: w[repeated] if len(w) == states else w for key, w in weights.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


def change(folder: Path, **keys: object) -> None:
    """Change keys of a folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))
