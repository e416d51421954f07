"""Byte-level tokens to text. Needs no tokenizer, so a recorded run can be shown without its model."""

import codecs
from collections.abc import Iterable, Sequence
from itertools import groupby

from sedd_cli.text.line_ends import with_newlines

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
_CHARACTERS = {byte: character for character, byte in BYTE_ALPHABET.items()}


def token_to_bytes(token: str) -> bytes:
    """The bytes of a vocabulary entry such as `Ġthe`: `b" the"`. Raises `KeyError` for anything else."""
    return bytes(BYTE_ALPHABET[c] for c in token)


def bytes_to_token(data: bytes) -> str:
    """The inverse of `token_to_bytes`."""
    return "".join(_CHARACTERS[byte] for byte in data)


def decode_each(pieces: Iterable[bytes | None]) -> list[str]:
    """Decode tokens one by one: the characters that each completes, "" for None (MASK).

    A character whose bytes are spread over tokens belongs to the token that completes it; bytes that never complete a
    character are dropped.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    texts = []
    for piece in pieces:
        if piece is None:
            decoder.reset()
            texts.append("")
        else:
            texts.append(decoder.decode(piece))
    return texts


def end_of_text_position(ids: Sequence[int], end_id: int | None) -> int:
    """The position of the token that ends the text of a canvas (see `compose`); the canvas's length if none does."""
    begun = next((i for i, token in enumerate(ids) if token != end_id), len(ids))
    return next((i for i in range(begun, len(ids)) if ids[i] == end_id), len(ids))


def compose(pieces: Sequence[bytes | None], is_end: Sequence[bool], *, full_canvas: bool, at_start: bool) -> str:
    """The text of generated tokens; N times None (MASK) in a row read `[[N]]`, as a marker would.

    `is_end`: which tokens are end-of-text. The text ends at the first, or holds every document of the canvas if
    `full_canvas`, with a line `<|endoftext|>` between them. At the start of a canvas such tokens end nothing.
    """
    parts: list[list[bytes | None]] = [[]]
    for piece, ends in zip(pieces, is_end, strict=True):
        if not ends:
            parts[-1].append(piece)
        elif not at_start or len(parts) > 1 or parts[0]:
            parts.append([])
    return f"\n{END_OF_TEXT}\n".join(map(_decode_with_markers, parts if full_canvas else parts[:1]))


def compose_canvas(
    pieces: Sequence[bytes | None],
    is_end: Sequence[bool],
    edited: Sequence[bool],
    free: range,
    *,
    prompt: str,
    suffix: str,
    absorbs_space: bool,
    full_canvas: bool = False,
) -> str:
    """The text of a canvas written at `free`, between a prompt and a suffix.

    These are copied, unless `edited` holds at one of their positions: then they are decoded too. `absorbs_space`: the
    text written begins with the space that ends the prompt. A suffix whose tokens begin with a space that it has not
    itself (see `make_canvas`) gets it, unless it stands there already or nothing does.
    """
    low, high = free.start, free.stop
    if any(edited[:low]):
        prompt, low = "", 0
    if any(edited[high:]):
        suffix, high = "", len(pieces)
    if suffix:
        # The uniform process can start from an end-of-text token: before a suffix it ends nothing.
        text = compose_gap(pieces[low:high], is_end[low:high])
    else:
        text = compose(pieces[low:high], is_end[low:high], full_canvas=full_canvas, at_start=low == 0 and not prompt)
    before = f"{prompt}{text.removeprefix(' ') if prompt and absorbs_space else text}"
    joined = suffix and not suffix.startswith(" ") and (pieces[high] or b"").startswith(b" ")
    blank = " " if joined and before and not before[-1].isspace() else ""
    return f"{before}{blank}{suffix}"


def compose_gap(
    pieces: Sequence[bytes | None],
    is_end: Sequence[bool],
    *,
    absorbs_space: bool = False,
    adds_space: bool = False,
    newline: str = "\n",
) -> str:
    """The text of a gap, in which end-of-text tokens end nothing.

    `absorbs_space`: without the space it begins with. `adds_space`: with one behind it, unless white space or nothing
    is there. `newline`: the line end of the document (see `with_newlines`).
    """
    text = _decode_with_markers([piece for piece, ends in zip(pieces, is_end, strict=True) if not ends])
    return finish_gap(text, absorbs_space=absorbs_space, adds_space=adds_space, newline=newline)


def finish_gap(text: str, *, absorbs_space: bool, adds_space: bool, newline: str) -> str:
    """The text of a gap's tokens as it stands in the document; see `compose_gap`."""
    text = text.removeprefix(" ") if absorbs_space else text
    return with_newlines(f"{text} " if adds_space and text and not text[-1].isspace() else text, newline)


def is_text(data: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_with_markers(pieces: Sequence[bytes | None]) -> str:
    runs = groupby(pieces, key=lambda piece: piece is None)
    return "".join(
        f"[[{sum(1 for _ in run)}]]" if masked else b"".join(p for p in run if p is not None).decode(errors="ignore")
        for masked, run in runs
    )
