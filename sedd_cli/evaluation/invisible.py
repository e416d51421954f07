"""What characters that nobody sees cost: line ends other than LF, byte order marks, odd spaces. Needs no torch."""

from collections.abc import Iterator, Sequence

SHARE = 0.1
"""Of the nats: below it, invisible characters are not worth a note."""
LEAST = 0.01
"""Of the nats: below it, a kind of them is left out of the note."""

_NO_BREAK = "\u00a0\u2007\u202f"
_ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060"
_BOM = "\ufeff"
_KINDS = {
    "line ends (CRLF)": "\r",
    "byte order marks": _BOM,
    "no-break spaces": _NO_BREAK,
    "zero-width characters": _ZERO_WIDTH,
}
SIGNS = str.maketrans({**dict.fromkeys(_NO_BREAK, "⍽"), _BOM: "⟨BOM⟩", **{c: f"⟨U+{ord(c):04X}⟩" for c in _ZERO_WIDTH}})
"""What such characters are shown as; line ends have signs of their own."""


def whole_pieces(pieces: Sequence[str], nats: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Yield the pieces that are not empty, and the nats of each.

    An empty piece is part of a character: its nats are added to those of the piece that completes the character.
    """
    pending = 0.0
    for piece, cost in zip(pieces, nats, strict=True):
        pending += cost
        if piece:
            yield piece, pending
            pending = 0.0


def invisible_nats(pieces: Sequence[str], nats: Sequence[float]) -> dict[str, float]:
    """The nats of tokens that hold invisible characters, by kind. The LF of a CRLF counts, a plain LF does not."""
    found: dict[str, float] = {}
    after_return = False
    for piece, cost in whole_pieces(pieces, nats):
        ends_line = after_return and piece.startswith("\n")
        for kind, characters in _KINDS.items():
            if any(c in piece for c in characters) or (ends_line and "\r" in characters):
                found[kind] = found.get(kind, 0.0) + cost
                break
        after_return = piece.endswith("\r")
    return found


def invisible_note(checkpoint: str, pieces: Sequence[str], nats: Sequence[float]) -> str | None:
    """What share of a score is due to invisible characters; None if it is small.

    `pieces`: the characters that each token completes (`decode_each`); `checkpoint`: the name of who scored them.
    """
    total, found = sum(nats), invisible_nats(pieces, nats)
    if sum(found.values()) <= SHARE * total:
        return None
    shares = sorted(((cost / total, kind) for kind, cost in found.items()), reverse=True)
    listed = " and ".join(f"{kind} cost {share:.0%}" for share, kind in shares if share >= LEAST)
    return f"{listed} of the {total:,.0f} nats: {checkpoint} has hardly seen them in training"
