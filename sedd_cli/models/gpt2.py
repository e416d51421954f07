"""GPT-2's tokenizer, which the public checkpoints use, from the hub's cache."""

from pathlib import Path

from sedd_cli.text.tokenizer import Tokenizer

GPT2_TOKENS = 50257


def cached_gpt2() -> Tokenizer | None:
    """GPT-2's tokenizer if the hub's cache holds it; nothing is downloaded. Raises `ValueError` if it is damaged."""
    from huggingface_hub import try_to_load_from_cache

    for repository in ("openai-community/gpt2", "gpt2"):
        cached = try_to_load_from_cache(repository, "tokenizer.json")
        if isinstance(cached, str):
            return Tokenizer.from_file(Path(cached))
    return None
