"""Byte-level BPE tokenizers. Text is data: nothing a user writes is read as a special token."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tokenizers

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.text.byte_level import (
    BYTE_ALPHABET,
    END_OF_TEXT,
    bytes_to_token,
    compose,
    compose_canvas,
    compose_gap,
    decode_each,
    is_text,
    token_to_bytes,
)
from sedd_cli.text.encodings import without_bom
from sedd_cli.text.line_ends import CRLF
from sedd_cli.text.sentences import may_end_sentence
from sedd_cli.text.stand_ins import check_genuine

EVERY_BYTE = "".join(
    chr(code)
    for codes in (
        *(range(0x80), range(0x80, 0xC0), range(0xC0, 0x800, 0x40)),
        *([0x800], range(0x1000, 0x10000, 0x1000), [0x10000], range(0x40000, 0x110000, 0x40000)),
    )
    for code in codes
)
"""Characters that hold every byte of UTF-8: those that stand alone, that go on, and that begin two, three or four."""
PROBES = (
    *("Once", " upon", "a time ", "  ", "\t\tindented\r\n\r\nnext\rline\n\n", "He said: “I'll” – 3.14%!"),
    *("naïve e\u0301 ﬁ Ⅳ", "日本語 한국어 हिन्दी", "👩\u200d👩\u200d👧 🌍", "\ufeffBOM", END_OF_TEXT, EVERY_BYTE),
)
"""Texts that tokenizers change: where they begin and end, at blanks, by normalising, by bytes without a token."""
NAMED = 12
"""How many bytes without a token an error names, and added tokens are tried."""
LOSSY_HINT = "Take one whose alphabet has every byte: sedd train --tokenizer bpe:4096 makes such ones."


def require_tokenizer(tokenizer: "Tokenizer | None", reason: str, checkpoint: str = "this checkpoint") -> "Tokenizer":
    """Return the tokenizer of a checkpoint. Raises `UsageError` if it has none; `reason`: what that excludes."""
    if tokenizer is None:
        raise UsageError(
            f"{checkpoint} has no tokenizer, so {reason}",
            "Put its tokenizer.json beside config.json (GPT-2's for the public checkpoints), or choose another.",
        )
    return tokenizer


class Tokenizer:
    """A byte-level BPE tokenizer. Raises `ValueError` for another kind of tokenizer.

    `notes`: what was changed of the one that was given.
    """

    def __init__(self, inner: tokenizers.Tokenizer, end_of_text: str = END_OF_TEXT) -> None:
        description = json.loads(inner.to_str())
        normalizer = (description.get("normalizer") or {}).get("type")
        if (description.get("decoder") or {}).get("type") != "ByteLevel" or normalizer not in (None, "NFC"):
            raise ValueError(f"it is {_kind(description)}; sedd reads byte-level BPE that changes no text")
        self.notes: tuple[str, ...] = ()
        # A user's text is read as it is written: of composed characters, which most texts have, NFC changes nothing.
        description["normalizer"] = None
        if dropped := _drop_prefix_space(description.get("pre_tokenizer")):
            self.notes = ("the tokenizer's add_prefix_space, which puts a blank before every text, is off",)
        if dropped or normalizer:
            inner = tokenizers.Tokenizer.from_str(json.dumps(description))
        # Files from the hub may enable these; a prompt is neither truncated nor padded.
        inner.no_truncation()
        inner.no_padding()
        # `<|endoftext|>` typed by a user is 13 characters, not an instruction.
        inner.encode_special_tokens = True
        self._inner = inner
        self._reads_crlf_as_lf = False
        self._tokens_with: dict[str, tuple[int, ...]] = {}
        vocabulary = inner.get_vocab()
        self.size: int = max(vocabulary.values(), default=-1) + 1
        self.end_of_text_id: int | None = inner.token_to_id(end_of_text)
        self._added = {
            i: b"" if token.special else token.content.encode() for i, token in inner.get_added_tokens_decoder().items()
        }
        self.end_ids: frozenset[int] = frozenset()
        """Tokens that end a text."""
        if self.end_of_text_id is not None:
            self.add_ends([self.end_of_text_id])
        # All characters at once takes a seventh of the time of checking GPT-2's 50,257 entries one by one.
        if not BYTE_ALPHABET.keys() >= set("".join(vocabulary)):
            for entry, token in vocabulary.items():
                if token not in self._added and not BYTE_ALPHABET.keys() >= set(entry):
                    raise ValueError(f"the vocabulary's entry {token}, {entry!r}, is not byte-level")

    def add_ends(self, ids: Iterable[int]) -> None:
        """Let these tokens end a text too. The first is the end-of-text token where there is none yet."""
        known = [i for i in ids if i < self.size]
        if self.end_of_text_id is None and known:
            self.end_of_text_id = known[0]
        self.end_ids |= set(known)
        self._added |= dict.fromkeys(known, b"")

    def add_special(self, token: str) -> int:
        """Add a special token behind the others, unless there is one of this name. Returns its id."""
        self._inner.add_special_tokens([token])
        found = self._inner.token_to_id(token)
        assert found is not None
        self.size = max(self.size, found + 1)
        self._added[found] = b""
        return found

    def add_missing_bytes(self) -> None:
        """Give the bytes of UTF-8 that have no token one each, behind the others, and note it. For BPE alone."""
        description, missing = json.loads(self._inner.to_str()), self._missing_bytes()
        if not missing or description["model"]["type"] != "BPE":
            return
        description["model"]["vocab"] |= {
            bytes_to_token(bytes([byte])): self.size + i for i, byte in enumerate(missing)
        }
        self._inner = tokenizers.Tokenizer.from_str(json.dumps(description))
        self._inner.encode_special_tokens = True
        self.size += len(missing)
        self.notes += (f"{len(missing)} bytes that the tokenizer had no token for have one each",)

    def _missing_bytes(self) -> list[int]:
        every = sorted(set(EVERY_BYTE.encode()))
        return [byte for byte in every if self._inner.token_to_id(bytes_to_token(bytes([byte]))) is None]

    @cached_property
    def special_ids(self) -> tuple[int, ...]:
        """Tokens that stand for no text, in order: those that end one, and instructions such as `<|im_start|>`."""
        added = self._inner.get_added_tokens_decoder()
        return tuple(sorted(self.end_ids | {i for i, token in added.items() if token.special}))

    @classmethod
    def from_file(cls, path: Path, *, complete: bool = True) -> "Tokenizer":
        """Load a tokenizer.json. Raises `NotLoadableError` if it is damaged, of another kind, or loses characters.

        `complete`: False for one that may lose characters, to be completed by `add_missing_bytes`.
        """
        check_genuine(path)

        def read() -> tokenizers.Tokenizer:
            return tokenizers.Tokenizer.from_buffer(without_bom(path.read_bytes()))

        return cls._load(path.parent, path.name, read, complete)

    @classmethod
    def from_gpt2(
        cls, vocab: Path, merges: Path, split: str = "", added: Mapping[str, int] | None = None
    ) -> "Tokenizer":
        """Load GPT-2's original pair of files, `vocab.json` and `merges.txt`. Raises as `from_file` does.

        `split`: the pattern that cuts a text into words, where it is not GPT-2's. `added`: special tokens with their
        ids, which follow those of the vocabulary.
        """
        check_genuine(vocab)
        check_genuine(merges)

        def read() -> tokenizers.Tokenizer:
            # The library reads these two by their paths alone.
            with TemporaryDirectory() as folder:
                copies = [Path(folder) / file.name for file in (vocab, merges)]
                for file, copy in zip((vocab, merges), copies, strict=True):
                    copy.write_bytes(without_bom(file.read_bytes()))
                inner = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(*map(str, copies)))
            inner.pre_tokenizer = _pre_tokenizer(split)
            inner.decoder = tokenizers.decoders.ByteLevel()
            inner.add_special_tokens(sorted(added or (), key=lambda token: (added or {})[token]))
            return inner

        return cls._load(vocab.parent, f"{vocab.name} and {merges.name}", read)

    @classmethod
    def _load(
        cls, folder: Path, name: str, read: Callable[[], tokenizers.Tokenizer], complete: bool = True
    ) -> "Tokenizer":
        try:
            inner = read()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # `tokenizers` raises a plain Exception, or panics: that is no Exception, and its class cannot be imported.
            raise _unreadable(folder, f"{name}: {error}") from error
        try:
            tokenizer = cls(inner)
        except ValueError as error:
            raise _unreadable(folder, str(error)) from error
        if complete:
            tokenizer.check(folder)
        return tokenizer

    def check(self, folder: Path) -> None:
        """Raises `NotLoadableError`, about the tokenizer of a folder, if it loses characters."""
        if fault := self.fault():
            raise NotLoadableError(f"the tokenizer in {folder} changes the text: {fault}", LOSSY_HINT)

    def fault(self, texts: Iterable[str] = ()) -> str | None:
        """Why it is lossy: the bytes that have no token, or a text, a probe or one of `texts`, that comes back changed.

        None for a tokenizer that gives every one of them back.
        """
        if missing := self._missing_bytes():
            # Letters tell more than control characters.
            named = sorted(missing, key=lambda byte: not chr(byte).isalnum())[:NAMED]
            more = ", ..." if len(missing) > len(named) else ""
            return (
                f"{len(missing)} of the {len(set(EVERY_BYTE.encode()))} bytes of UTF-8 have no token "
                f"({', '.join(map(_byte_name, named))}{more})"
            )
        # Those that the vocabulary adds can take the blanks around them along.
        added = (f"a  {content.decode()}  b" for content in islice(filter(None, self._added.values()), NAMED))
        for text in (*PROBES, *added, *texts):
            decoded = b"".join(map(self._bytes_of_entry, self.encode(text))).decode(errors="replace")
            if decoded != text:
                return f"{_short(text)} becomes {_short(decoded)}"
        return None

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

    def encode_special(self, text: str) -> list[int]:
        """As `encode`, of a text that is not a user's: special tokens in it are tokens."""
        self._inner.encode_special_tokens = False
        try:
            return self.encode(text)
        finally:
            self._inner.encode_special_tokens = True

    def has_special(self, text: str) -> bool:
        """Whether a text spells a special token out."""
        return any(self.id_to_token(i) in text for i in self.special_ids)

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
        return [self._bytes_of_entry(i) for i in range(self.size)]

    def _bytes_of_entry(self, token: int) -> bytes:
        """As `bytes_of`, without the table of all tokens."""
        return self._added[token] if token in self._added else token_to_bytes(self.id_to_token(token))

    @cached_property
    def has_space_tokens(self) -> bool:
        """Whether the vocabulary holds words with the space before them."""
        return any(entry.startswith(b" ") and entry != b" " for entry in self._token_bytes)

    @cached_property
    def non_space_tokens(self) -> tuple[int, ...]:
        """Tokens that do not begin with a space."""
        return tuple(i for i, entry in enumerate(self._token_bytes) if not entry.startswith(b" "))

    def tokens_with(self, characters: str) -> tuple[int, ...]:
        """Tokens that hold one of these characters, which are ASCII."""
        if characters not in self._tokens_with:
            barred = frozenset(characters.encode())
            tokens = (i for i, entry in enumerate(self._token_bytes) if not barred.isdisjoint(entry))
            self._tokens_with[characters] = tuple(tokens)
        return self._tokens_with[characters]

    @cached_property
    def unending_tokens(self) -> tuple[int, ...]:
        """Tokens that no sentence ends with."""
        texts = (entry.decode(errors="replace") for entry in self._token_bytes)
        return tuple(i for i, text in enumerate(texts) if not may_end_sentence(text))

    @cached_property
    def broken_tokens(self) -> tuple[int, ...]:
        """Tokens that are not valid UTF-8 by themselves: parts of characters."""
        return tuple(i for i, entry in enumerate(self._token_bytes) if not is_text(entry))

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

    def compose_gap(
        self, ids: Sequence[int | None], *, absorbs_space: bool, adds_space: bool = False, newline: str = "\n"
    ) -> str:
        """The text of a gap. See `byte_level.compose_gap`."""
        return compose_gap(
            *(self._bytes_of_each(ids), self._is_end(ids)),
            absorbs_space=absorbs_space,
            adds_space=adds_space,
            newline=newline,
        )

    def _bytes_of_each(self, ids: Sequence[int | None]) -> list[bytes | None]:
        return [None if token is None else self.bytes_of(token) for token in ids]

    def _is_end(self, ids: Sequence[int | None]) -> list[bool]:
        return [token is not None and token in self.end_ids for token in ids]


def _pre_tokenizer(split: str) -> tokenizers.pre_tokenizers.PreTokenizer:
    if not split:
        return tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(split), behavior="isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _kind(description: Mapping[str, Any]) -> str:
    """What a tokenizer is that is not read."""
    decoders = description.get("decoder") or {}
    names = {decoders.get("type"), *(part.get("type") for part in decoders.get("decoders", ()))}
    if names & {"Metaspace", "ByteFallback"}:
        return "SentencePiece"
    normalizer = (description.get("normalizer") or {}).get("type")
    kind = description.get("model", {}).get("type") or "of an unknown kind"
    return f"{kind} with the normaliser {normalizer}" if normalizer else str(kind)


def _drop_prefix_space(pre_tokenizer: dict[str, Any] | None) -> bool:
    """Turn `add_prefix_space` off in the description of a pre-tokenizer. Returns whether it was on."""
    if pre_tokenizer is None:
        return False
    parts = [_drop_prefix_space(part) for part in pre_tokenizer.get("pretokenizers", ())]
    on = pre_tokenizer.get("type") == "ByteLevel" and bool(pre_tokenizer.get("add_prefix_space"))
    if on:
        pre_tokenizer["add_prefix_space"] = False
    return on or any(parts)


def _unreadable(folder: Path, reason: str) -> NotLoadableError:
    return NotLoadableError(
        f"cannot read the tokenizer in {folder}: {reason}", "Fetch the file again, or take the checkpoint's own."
    )


def sentence_piece(where: str) -> NotLoadableError:
    return NotLoadableError(
        f"the tokenizer in {where} is SentencePiece (tokenizer.model)", "sedd reads byte-level BPE: tokenizer.json."
    )


def _byte_name(byte: int) -> str:
    return chr(byte) if 0x20 < byte < 0x7F else f"0x{byte:02X}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
