"""Quotes and brackets: which of them a text leaves open, and which it closes without opening them. Pure functions."""

import re
from collections.abc import Iterable, Mapping

PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("“", "”"), ("«", "»"))
QUOTES = '"`'
"""Signs that open and close alike. Apostrophes are none: they stand within words."""
SIGNS = "".join(map("".join, PAIRS)) + QUOTES
_SIGN = re.compile(f"[{re.escape(SIGNS)}]")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
NEAR = 2000
"""Characters beside a gap, within its paragraph, that are looked at."""

Unmatched = Mapping[str, tuple[int, ...]]
"""The offsets of the signs without a counterpart, by sign."""


def signs_of(text: str) -> str:
    """The quotes and brackets of a text, in order."""
    return "".join(_SIGN.findall(text))


def unmatched(text: str) -> Unmatched:
    """Where signs stand that have no counterpart; of an odd number of quotes it is the last one.

    Each kind is looked at by itself: `([)]` is balanced.
    """
    found: dict[str, list[int]] = {sign: [] for sign in SIGNS}
    for match in _SIGN.finditer(text):
        sign = match[0]
        opening = _OPENING.get(sign, sign)
        if found[opening] and (sign in QUOTES or sign in _OPENING):
            found[opening].pop()
        else:
            found[sign].append(match.start())
    return {sign: tuple(offsets) for sign, offsets in found.items() if offsets}


def opens(text: str, at: int) -> bool:
    """Whether the sign at an offset opens what is behind it; a quote does if it touches that alone."""
    if text[at] not in QUOTES:
        return text[at] not in _OPENING
    return text[at + 1 : at + 2].strip() != "" and not text[max(0, at - 1) : at].strip()


_OPENING = {closing: opening for opening, closing in PAIRS}


def is_balanced(written: str, original: str) -> bool:
    """Whether as many quotes and brackets are left open, and closed, as by what stood there."""
    return imbalance(unmatched(written), unmatched(original), SIGNS) == 0


def imbalance(ours: Unmatched, theirs: Unmatched, signs: Iterable[str]) -> int:
    """By how many unmatched signs, of these, two texts differ."""
    return sum(abs(len(ours.get(sign, ())) - len(theirs.get(sign, ()))) for sign in signs)


def balanced_signs(document: str, start: int, end: int) -> str:
    """The signs of which none is without a counterpart in the paragraph around `document[start:end]`."""
    before, after = document[max(0, start - NEAR) : start], document[end : end + NEAR]
    begin = max((match.end() for match in _BLANK_LINE.finditer(before)), default=0)
    stop = _BLANK_LINE.search(after)
    open_ = unmatched(before[begin:] + document[start:end] + after[: stop.start() if stop else None])
    broken = {_OPENING.get(sign, sign) for sign in open_}
    return "".join(sign for sign in SIGNS if _OPENING.get(sign, sign) not in broken)
