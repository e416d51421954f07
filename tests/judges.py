"""Tiny real judges, made on the spot by transformers' own classes."""

from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch

# They are of the extra [eval], which a test run has; without it these tests have nothing to run on.
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")

CORPUS = ["Once upon a time there was a little dog. He liked to play with a red ball in the park.", "The cat sat down."]
END = "<|endoftext|>"


def tokenizer_of(folder: Path, **marks: str) -> tokenizers.Tokenizer:
    """A byte-level BPE of 300 tokens, saved with its special tokens (`bos_token="<s>"`)."""
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=sorted(set(marks.values())),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **marks).save_pretrained(folder)
    return inner


def make_judge(folder: Path, context: int = 128, **marks: str) -> Path:
    """A GPT-2 of two layers with random weights, large enough that its opinions differ."""
    inner = tokenizer_of(folder, **(marks or {"eos_token": END, "bos_token": END}))
    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=inner.get_vocab_size(),
        n_positions=context,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def make_gguf(path: Path) -> "transformers.LlamaForCausalLM":
    """A Llama of two layers in a GGUF file, float32 as llama.cpp writes it; and the same model, not read from there."""
    folder = path.parent / "tokenizer"
    inner = tokenizer_of(folder, eos_token=END, bos_token=END)
    torch.manual_seed(4)
    config = transformers.LlamaConfig(
        vocab_size=inner.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    model = transformers.LlamaForCausalLM(config).eval()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(inner.get_vocab().items(), key=lambda item: item[1])
    special = inner.token_to_id(END)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([gguf.TokenType.CONTROL if i == special else gguf.TokenType.NORMAL for _, i in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in _merges(inner)])
    writer.add_bos_token_id(special)
    writer.add_eos_token_id(special)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(_gguf_name(name), _as_llama_cpp(name, tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _merges(inner: tokenizers.Tokenizer) -> list[list[str]]:
    import json

    return list(json.loads(inner.to_str())["model"]["merges"])


def _gguf_name(name: str) -> str:
    for theirs, ours in (
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ):
        name = name.replace(theirs, ours)
    return name


def _as_llama_cpp(name: str, tensor: np.ndarray) -> np.ndarray:
    """Queries and keys are stored with the halves of each head interleaved."""
    heads = 4 if "q_proj" in name else 2 if "k_proj" in name else 0
    if not heads:
        return tensor
    return np.ascontiguousarray(
        tensor.reshape(heads, 2, len(tensor) // heads // 2, -1).swapaxes(1, 2).reshape(tensor.shape)
    )
