"""Making a tokenizer for a corpus, or taking one that exists."""

from collections.abc import Iterable
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.models.gpt2 import cached_gpt2
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.tokenizer import Tokenizer

BYTES = 256


def make_tokenizer(wanted: str, documents: Iterable[str]) -> Tokenizer:
    """`bpe:N` trains byte-level BPE of N tokens on the documents, `bytes` takes each byte as a token, `gpt2` is
    GPT-2's from the hub's cache, anything else a folder with tokenizer.json.

    Raises `UsageError` for a size out of range, `NotLoadableError` for a tokenizer that is not there, changes texts, or
    has no end-of-text token.
    """
    kind, _, size = wanted.partition(":")
    if wanted == "bytes" or kind == "bpe":
        tokens = BYTES + 1 if wanted == "bytes" else _size(size)
        return _train(tokens, documents)
    tokenizer = _gpt2() if wanted == "gpt2" else _from_path(Path(wanted))
    if tokenizer.end_of_text_id is None:
        raise NotLoadableError(
            f"the tokenizer {wanted} has no {END_OF_TEXT} token, which ends documents",
            "Add it as a special token, or train one with --tokenizer bpe:4096.",
        )
    return tokenizer


def _size(text: str) -> int:
    if not text.isdecimal() or not BYTES < int(text) <= 1 << 17:
        raise UsageError(f"a BPE vocabulary has {BYTES + 1} to {1 << 17} tokens, not {text!r}", "Write bpe:4096.")
    return int(text)


def _train(tokens: int, documents: Iterable[str]) -> Tokenizer:
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=tokens,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(documents, trainer)
    return Tokenizer(inner)


def _from_path(path: Path) -> Tokenizer:
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise NotLoadableError(
            f"there is no tokenizer at {path}", "Choose bpe:N, bytes, gpt2, or a folder with tokenizer.json."
        )
    return Tokenizer.from_file(file)


def _gpt2() -> Tokenizer:
    tokenizer = cached_gpt2()
    if tokenizer is None:
        raise NotLoadableError(
            "GPT-2's tokenizer is not in the hub's cache", "Download it, or give a folder that holds tokenizer.json."
        )
    return tokenizer
