"""Byte-level BPE tokenizers. Text is data: nothing a user writes is read as a special token."""

import copy
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import tokenizers

from sedd_cli.text.byte_level import (
    BYTE_ALPHABET,
    END_OF_TEXT,
    compose,
    compose_canvas,
    compose_gap,
    decode_each,
    token_to_bytes,
)
from sedd_cli.text.line_ends import CRLF


@contextmanager
def _raising_value_error(name: str) -> Iterator[None]:
    """Raise what `tokenizers` raises for an unreadable file, a plain Exception or a panic, as a `ValueError`."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A panic is not an Exception, and its class cannot be imported.
        raise ValueError(f"{name}: {error}") from error


class Tokenizer:
    """A byte-level BPE tokenizer. Raises `ValueError` for another kind of tokenizer and for a damaged file."""

    def __init__(self, inner: tokenizers.Tokenizer, end_of_text: str = END_OF_TEXT) -> None:
        description = json.loads(inner.to_str())
        if (description.get("decoder") or {}).get("type") != "ByteLevel" or description.get("normalizer"):
            raise ValueError("only byte-level BPE tokenizers without a normaliser are supported")
        # Files from the hub may enable these; a prompt is neither truncated nor padded.
        inner.no_truncation()
        inner.no_padding()
        # `<|endoftext|>` typed by a user is 13 characters, not an instruction.
        inner.encode_special_tokens = True
        self._inner = inner
        self._reads_crlf_as_lf = False
        vocabulary = inner.get_vocab()
        self.size: int = max(vocabulary.values(), default=-1) + 1
        self.end_of_text_id: int | None = inner.token_to_id(end_of_text)
        self._added = {
            i: b"" if token.special else token.content.encode() for i, token in inner.get_added_tokens_decoder().items()
        }
        if self.end_of_text_id is not None:
            self._added[self.end_of_text_id] = b""
        # All characters at once takes a seventh of the time of checking GPT-2's 50,257 entries one by one.
        if not BYTE_ALPHABET.keys() >= set("".join(vocabulary)):
            for entry, token in vocabulary.items():
                if token not in self._added and not BYTE_ALPHABET.keys() >= set(entry):
                    raise ValueError(f"the vocabulary's entry {token}, {entry!r}, is not byte-level")

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        with _raising_value_error(path.name):
            inner = tokenizers.Tokenizer.from_buffer(path.read_bytes())
        return cls(inner)

    @classmethod
    def from_gpt2(cls, vocab: Path, merges: Path) -> "Tokenizer":
        """Load GPT-2's original pair of files, `vocab.json` and `merges.txt`."""
        with _raising_value_error(f"{vocab.name} and {merges.name}"):
            model = tokenizers.models.BPE.from_file(str(vocab), str(merges))
        inner = tokenizers.Tokenizer(model)
        inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = tokenizers.decoders.ByteLevel()
        return cls(inner)

    def reading(self, newline: str) -> "Tokenizer":
        """The tokenizer of a document with these line ends: one that encodes CRLF as LF if they are CRLF.

        Networks learn LF: to most, a CR is an unknown sign.
        """
        reader = copy.copy(self)
        reader._reads_crlf_as_lf = newline == CRLF
        return reader

    def encode(self, text: str) -> list[int]:
        """The token ids of a text. Every text can be encoded, and decodes to itself (but see `reading`)."""
        if self._reads_crlf_as_lf:
            text = text.replace(CRLF, "\n")
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [list(e.ids) for e in self._inner.encode_batch(texts, add_special_tokens=False)]

    def save(self) -> bytes:
        """The contents of a tokenizer.json."""
        return self._inner.to_str(pretty=True).encode()

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, without special tokens and bytes that are not UTF-8."""
        return b"".join(self.bytes_of(i) for i in ids).decode(errors="ignore")

    def bytes_of(self, token: int) -> bytes:
        """The bytes of a token; b"" for special tokens and ids beyond the vocabulary."""
        return self._token_bytes[token] if token < len(self._token_bytes) else b""

    def id_to_token(self, token: int) -> str:
        """The vocabulary entry of a token (`Ġthe`); `token_to_bytes` returns its bytes."""
        return self._inner.id_to_token(token) or ""

    @cached_property
    def _token_bytes(self) -> list[bytes]:
        return [self._added[i] if i in self._added else token_to_bytes(self.id_to_token(i)) for i in range(self.size)]

    @cached_property
    def has_space_tokens(self) -> bool:
        """Whether the vocabulary holds words with the space before them."""
        return any(entry.startswith(b" ") and entry != b" " for entry in self._token_bytes)

    @cached_property
    def non_space_tokens(self) -> tuple[int, ...]:
        """Tokens that do not begin with a space."""
        return tuple(i for i, entry in enumerate(self._token_bytes) if not entry.startswith(b" "))

    @cached_property
    def line_end_tokens(self) -> tuple[int, ...]:
        """Tokens that hold a line end, LF or CR."""
        return tuple(i for i, entry in enumerate(self._token_bytes) if b"\n" in entry or b"\r" in entry)

    def decode_each(self, ids: Sequence[int | None]) -> list[str]:
        """The characters that each token completes; None (MASK) has none. See `byte_level.decode_each`."""
        return decode_each(self._bytes_of_each(ids))

    def compose(self, ids: Sequence[int | None], *, full_canvas: bool, at_start: bool) -> str:
        """The text of generated tokens; N times None (MASK) in a row read `[[N]]`. See `byte_level.compose`."""
        return compose(self._bytes_of_each(ids), self._is_end(ids), full_canvas=full_canvas, at_start=at_start)

    def compose_canvas(
        self,
        ids: Sequence[int | None],
        edited: Sequence[bool],
        free: range,
        *,
        prompt: str,
        suffix: str,
        absorbs_space: bool,
        full_canvas: bool,
    ) -> str:
        """The text of a canvas between a prompt and a suffix. See `byte_level.compose_canvas`."""
        return compose_canvas(
            self._bytes_of_each(ids),
            self._is_end(ids),
            edited,
            free,
            prompt=prompt,
            suffix=suffix,
            absorbs_space=absorbs_space,
            full_canvas=full_canvas,
        )

    def compose_gap(self, ids: Sequence[int | None], *, absorbs_space: bool, newline: str = "\n") -> str:
        """The text of a gap. See `byte_level.compose_gap`."""
        return compose_gap(self._bytes_of_each(ids), self._is_end(ids), absorbs_space=absorbs_space, newline=newline)

    def _bytes_of_each(self, ids: Sequence[int | None]) -> list[bytes | None]:
        return [None if token is None else self.bytes_of(token) for token in ids]

    def _is_end(self, ids: Sequence[int | None]) -> list[bool]:
        return [token is not None and token == self.end_of_text_id for token in ids]
