"""An autoregressive network as the start of a masked diffusion one (DiffuLLaMA, 2410.17891).

Its weights are those that predict the next token; attention is full, and MASK is one state more.
"""

from pathlib import Path

import torch

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.checkpoint import Checkpoint, assemble, load_checkpoint, read_tokenizer
from sedd_cli.models.config import Config
from sedd_cli.models.folder import read_config
from sedd_cli.models.formats import find_format
from sedd_cli.models.formats.autoregressive import AUTOREGRESSIVE
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.names import find_checkpoint
from sedd_cli.text.tokenizer import Tokenizer

MASK = "<|mask|>"
"""MASK's name in the tokenizer of an adapted network, if that names none; it is the one that dllm gives."""


def is_autoregressive(folder: Path) -> bool:
    """Whether a folder holds an autoregressive network that training can start from. Raises as `find_format` does."""
    return find_format(Facts(folder), shift=True) == AUTOREGRESSIVE[True]


def read_start(folder: Path, shift: bool) -> Config:
    """The config of a checkpoint to start from; `shift` is for autoregressive ones. Raises as `load_start` does."""
    return _adapted(folder, shift)[0] if is_autoregressive(folder) else read_config(folder)


def load_start(name: str, shift: bool) -> Checkpoint:
    """Load a checkpoint to start from, an autoregressive one with MASK among its states.

    `shift`: the logits at a position stay those of the next one, as they were learnt; else they become those of the
    position itself. Raises what `load_checkpoint` does, and `NotLoadableError` if an autoregressive one has no
    tokenizer, or that of another vocabulary.
    """
    folder = find_checkpoint(name)
    if not is_autoregressive(folder):
        return load_checkpoint(name)
    config, tokenizer = _adapted(folder, shift)
    return assemble(folder, config, tokenizer, AUTOREGRESSIVE[shift], torch.device("cpu"), "float32")


def _adapted(folder: Path, shift: bool) -> tuple[Config, Tokenizer]:
    """Config and tokenizer with MASK: the tokenizer's mask token, else the first state that is no token's.

    Bytes that the tokenizer lacks, as SmolLM2's does, are tokens too.
    """
    config = read_config(folder, shift)
    tokenizer = read_tokenizer(folder, config, AUTOREGRESSIVE[shift], complete=False)
    if tokenizer is None:
        raise NotLoadableError(f"{folder} has no tokenizer", "Put its tokenizer.json there.")
    named = [*config.end_ids, config.model.leading_id or 0, config.mask_id or 0]
    if max(named) >= tokenizer.size:
        raise NotLoadableError(
            f"the tokenizer in {folder} has {tokenizer.size} tokens, its configs name token {max(named)}",
            "One of the files is from another checkpoint.",
        )
    tokenizer.add_missing_bytes()
    tokenizer.check(folder)
    mask_id = tokenizer.add_special(MASK) if config.mask_id is None else config.mask_id
    return config.model_copy(update={"mask_id": mask_id, "tokens": tokenizer.size - 1}), tokenizer
