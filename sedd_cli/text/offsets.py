"""Offsets in the units that editors count: UTF-8 bytes (Vim, Emacs), UTF-16 code units (LSP, JavaScript)."""

from collections.abc import Callable, Sequence

Span = tuple[int, int]


def in_utf8(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans of a text in code points as spans in UTF-8 bytes."""
    return _converted(text, spans, lambda part: len(part.encode()))


def in_utf16(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans of a text in code points as spans in UTF-16 code units, of which characters beyond U+FFFF have two."""
    return _converted(text, spans, lambda part: len(part.encode("utf-16-le")) // 2)


def _converted(text: str, spans: Sequence[Span], size: Callable[[str], int]) -> list[Span]:
    """In one pass over the text, however many spans there are."""
    converted, last, total = {0: 0}, 0, 0
    for offset in sorted({offset for span in spans for offset in span}):
        total += size(text[last:offset])
        converted[offset], last = total, offset
    return [(converted[start], converted[end]) for start, end in spans]
