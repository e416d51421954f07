"""From pieces of bytes to text. It needs no tokenizer, so that a recorded run can be read without its model."""

import codecs
from collections.abc import Container, Iterable, Sequence
from itertools import groupby

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


def token_to_bytes(piece: str) -> bytes:
    """The bytes of a vocabulary entry such as `Ġthe`: `b" the"`. Raises `KeyError` for what is none."""
    return bytes(BYTE_ALPHABET[c] for c in piece)


def bytes_to_token(data: bytes) -> str:
    """The inverse of `token_to_bytes`."""
    return "".join(_CHARACTERS[byte] for byte in data)


def decode_each(pieces: Iterable[bytes | None]) -> list[str]:
    """The characters that each piece completes; None (MASK) has none.

    A character whose bytes are spread over pieces belongs to the one that completes it; bytes that never complete
    one belong nowhere.
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
    """The position of the token that ends the text of a canvas, the canvas's length if none does (as `compose`)."""
    begun = next((i for i, token in enumerate(ids) if token != end_id), len(ids))
    return next((i for i in range(begun, len(ids)) if ids[i] == end_id), len(ids))


def compose(pieces: Sequence[bytes | None], ends: Container[int], *, full_canvas: bool, at_start: bool) -> str:
    """The text of generated pieces, in which a run of N times None (MASK) reads `[[N]]`, as a marker would.

    `ends`: where end-of-text tokens stand. The text ends at the first, or holds every document of the canvas if
    `full_canvas`, with a line `<|endoftext|>` between them. At the start of a canvas such tokens end nothing.
    """
    parts: list[list[bytes | None]] = [[]]
    for i, piece in enumerate(pieces):
        if i in ends:
            if not (at_start and len(parts) == 1 and not parts[0]):
                parts.append([])
        else:
            parts[-1].append(piece)
    if not full_canvas:
        return _decode_with_markers(parts[0])
    return f"\n{END_OF_TEXT}\n".join(_decode_with_markers(part) for part in parts)


def _decode_with_markers(pieces: Sequence[bytes | None]) -> str:
    runs = groupby(pieces, key=lambda piece: piece is None)
    return "".join(
        f"[[{sum(1 for _ in run)}]]" if masked else b"".join(p for p in run if p is not None).decode(errors="ignore")
        for masked, run in runs
    )
