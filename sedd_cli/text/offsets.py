"""Offsets in the units that editors count: UTF-8 bytes (Vim, Emacs), UTF-16 code units (LSP, JavaScript)."""

from collections.abc import Callable, Sequence
from typing import Literal

from sedd_cli.errors import UsageError

Span = tuple[int, int]
OffsetUnit = Literal["characters", "utf8", "utf16"]
_ENCODINGS = {"utf8": ("utf-8", 1), "utf16": ("utf-16-le", 2)}
"""Of a unit: the encoding in which it has so many bytes."""


def in_utf8(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans of a text in code points as spans in UTF-8 bytes."""
    return _converted(spans, lambda low, high: len(text[low:high].encode()))


def in_utf16(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans of a text in code points as spans in UTF-16 code units, of which characters beyond U+FFFF have two."""
    return _converted(spans, lambda low, high: len(text[low:high].encode("utf-16-le")) // 2)


def from_units(text: str, spans: Sequence[Span], unit: OffsetUnit) -> list[Span]:
    """Spans of a text in code points. Raises `UsageError` for an offset outside of the text, or within a character."""
    if unit == "characters":
        return list(spans)
    encoding, size = _ENCODINGS[unit]
    data = text.encode(encoding)

    def characters(low: int, high: int) -> int:
        try:
            if not 0 <= high * size <= len(data):
                raise ValueError
            return len(data[low * size : high * size].decode(encoding))
        except ValueError:
            raise UsageError(f"the offset {high} is not between two characters of the document") from None

    return _converted(spans, characters)


def _converted(spans: Sequence[Span], size: Callable[[int, int], int]) -> list[Span]:
    """In one pass over the text, however many spans there are; `size` is that of the part between two offsets."""
    converted, last, total = {0: 0}, 0, 0
    for offset in sorted({offset for span in spans for offset in span}):
        total += size(last, offset)
        converted[offset], last = total, offset
    return [(converted[start], converted[end]) for start, end in spans]
