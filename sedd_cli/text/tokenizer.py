"""Byte-level BPE tokenizers, in which text is data: nothing a user writes is read as a special token."""

import codecs
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import tokenizers

END_OF_TEXT = "<|endoftext|>"


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte (as in `tokenizers`' ByteLevel): character -> byte."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    rest = [b for b in range(256) if b not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + i): b for i, b in enumerate(rest)}}


BYTE_ALPHABET = _byte_alphabet()


def piece_bytes(piece: str) -> bytes:
    """The bytes of a vocabulary entry such as `Ġthe`: `b" the"`."""
    return bytes(BYTE_ALPHABET[c] for c in piece)


class Tokenizer:
    """A byte-level BPE vocabulary. Raises `ValueError` if the file holds another kind."""

    def __init__(self, inner: tokenizers.Tokenizer, end_of_text: str = END_OF_TEXT) -> None:
        description = json.loads(inner.to_str())
        if (description.get("decoder") or {}).get("type") != "ByteLevel" or description.get("normalizer"):
            raise ValueError("only byte-level BPE tokenizers without a normaliser are supported")
        # Files from the hub may ask for these; a prompt is neither cut nor padded.
        inner.no_truncation()
        inner.no_padding()
        # `<|endoftext|>` typed by a user is 13 characters, not an instruction.
        inner.encode_special_tokens = True
        self._inner = inner
        self.size: int = max(inner.get_vocab().values(), default=-1) + 1
        self.end_of_text_id: int | None = inner.token_to_id(end_of_text)
        self._added = {
            i: b"" if token.special else token.content.encode() for i, token in inner.get_added_tokens_decoder().items()
        }
        if self.end_of_text_id is not None:
            self._added[self.end_of_text_id] = b""

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        # The library raises a plain Exception for a file that it cannot read.
        try:
            inner = tokenizers.Tokenizer.from_buffer(path.read_bytes())
        except Exception as error:
            raise ValueError(f"{path.name}: {error}") from error
        return cls(inner)

    @classmethod
    def from_gpt2(cls, vocab: Path, merges: Path) -> "Tokenizer":
        """GPT-2's own pair of files, `vocab.json` and `merges.txt`."""
        model = tokenizers.models.BPE.from_file(str(vocab), str(merges))
        inner = tokenizers.Tokenizer(model)
        inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = tokenizers.decoders.ByteLevel()
        return cls(inner)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; every text can be encoded, and decodes to itself."""
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [list(e.ids) for e in self._inner.encode_batch(texts, add_special_tokens=False)]

    def save(self) -> bytes:
        """The contents of a tokenizer.json."""
        return self._inner.to_str(pretty=True).encode()

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 are left out, special tokens too."""
        return b"".join(self.bytes_of(i) for i in ids).decode(errors="ignore")

    def bytes_of(self, token: int) -> bytes:
        """The bytes of a token; none for special tokens and ids beyond the vocabulary."""
        return self._pieces[token] if token < len(self._pieces) else b""

    def piece(self, token: int) -> str:
        """A token as its vocabulary writes it (`Ġthe`), from which `piece_bytes` gives the bytes again."""
        return self._inner.id_to_token(token) or ""

    @cached_property
    def _pieces(self) -> list[bytes]:
        return [self._added[i] if i in self._added else piece_bytes(self.piece(i)) for i in range(self.size)]

    def spell(self, ids: Sequence[int | None]) -> list[str]:
        """The characters that each token completes; None (MASK) has none.

        A character whose bytes are spread over tokens belongs to the one that completes it; bytes that never
        complete one belong nowhere.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        spelled = []
        for token in ids:
            if token is None:
                decoder.reset()
                spelled.append("")
            else:
                spelled.append(decoder.decode(self.bytes_of(token)))
        return spelled

    def compose(self, ids: Sequence[int | None], *, whole: bool, at_start: bool) -> str:
        """The text of generated tokens, in which a run of N times None (MASK) reads `[[N]]`, as a marker would.

        It ends at the first end-of-text token, or holds every document of the canvas if `whole`, with
        `<|endoftext|>` on a line of its own between them. At the start of a canvas such tokens end nothing.
        """
        parts: list[list[int | None]] = [[]]
        for token in ids:
            if token is not None and token == self.end_of_text_id:
                if not (at_start and len(parts) == 1 and not parts[0]):
                    parts.append([])
            else:
                parts[-1].append(token)
        if not whole:
            return self._compose_one(parts[0])
        return f"\n{END_OF_TEXT}\n".join(self._compose_one(part) for part in parts)

    def _compose_one(self, ids: Sequence[int | None]) -> str:
        runs = groupby(ids, key=lambda token: token is None)
        return "".join(
            f"[[{sum(1 for _ in run)}]]" if masked else self.decode(i for i in run if i is not None)
            for masked, run in runs
        )
