"""GPT-2's tokenizer, which the public checkpoints use, from the hub's cache."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

GPT2_TOKENS = 50257
GPT2_REPOSITORIES = ("gpt2", "openai-community/gpt2")
"""Two names of one repository: the short one is redirected by the public hub, mirrors may have the full one only."""


def cached_gpt2_file() -> Path | None:
    """GPT-2's tokenizer.json if the hub's cache holds it. Downloads nothing."""
    from sedd_cli.models.cache import cached_file

    files = (cached_file(repository, "tokenizer.json") for repository in GPT2_REPOSITORIES)
    return next((file for file in files if file is not None), None)


def cached_gpt2() -> "Tokenizer | None":
    """GPT-2's tokenizer if the hub's cache holds it. Raises `NotLoadableError` if it is damaged."""
    from sedd_cli.text.tokenizer import Tokenizer

    file = cached_gpt2_file()
    return None if file is None else Tokenizer.from_file(file)
