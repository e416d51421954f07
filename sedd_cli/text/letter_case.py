"""The case of a gap's first letter, where what stands before the gap determines it. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sedd_cli.text.words import OPENING

Case = Literal["upper", "lower"]
NEAR = 2000
"""Characters beside a gap in which words are looked up."""
_WORD = re.compile(r"[^\W\d_][\w'\u2019]*")
_SENTENCE_END = re.compile(r"(?<![^\W\d_])(?P<word>[^\W\d_][\w.'\u2019]*)(?P<stop>[.!?]|\.[\"\u201d])[^\S\r\n]+\Z")
"""A word, a stop, and blanks on the same line. Behind `!"` either case may follow. Begun at first letters alone:
from every letter a search through 2,000 without a blank, as in Chinese, takes 70 ms.
"""
_STOPPED_LINE = re.compile(r"(?:\A|[\r\n])[^\S\r\n]*(?P<first>\S)[^\r\n]*[.!?][\"\u201d]?[^\S\r\n]*[\r\n]\s*\Z")
_WITHIN = re.compile(r"[\w,;][^\S\r\n]+\Z")
_ABBREVIATION = re.compile(
    r"\w|.*\..*|etc|vs|cf|al|resp|approx|ca|no|vol|fig|mrs?|ms|mx|dr|st|prof|sgt|capt|rev|jr|sr|inc|ltd|co|(?-i:[IVXLC]+)"
    r"|jan|feb|aug|sept?|oct|nov|dec|nr|bzw|abb|mme|mlle|sra?",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"(?<![^\W\d_])(?P<word>[^\W\d_][\w.'\u2019]*)\.\Z")
_LOWER_START = re.compile(r"[.!?][^\S\r\n]+[^\W\d_]")
_CAPITAL_WITHIN = re.compile(r"[a-z\u00df-\u00f6\u00f8-\u00ff][A-Z\u00c0-\u00d6\u00d8-\u00de]")
_NAME = re.compile(rf"(?<=[\w,;] )[{re.escape(OPENING)}]?({_WORD.pattern})")


@dataclass(frozen=True)
class FirstLetter:
    """The case that the first letter of a gap has to have; None: either.

    In the lower case of `common` words, and of no other, a word that is capitalised is no name: a name stays.
    `behind_blank`: only of what begins with a blank, as behind a stop without one: of `self.` nothing is known.
    """

    case: Case | None = None
    common: frozenset[str] = field(default=frozenset())
    behind_blank: bool = False

    def is_wrong(self, text: str) -> bool:
        """Whether the first letter of what was written is of the other case. "I" and names are not."""
        word = first_word_of(text)
        if self.behind_blank and not text.startswith((" ", "\t")):
            return False
        if self.case == "upper":
            return word[:1].islower()
        return self.case == "lower" and word[:1].isupper() and word.casefold() in self.common


def first_letter(document: str, start: int, end: int) -> FirstLetter:
    """What is known of the first letter of what is written in the place of `document[start:end]`.

    Upper behind the end of a sentence, or at the document's start, if the first letter there was; lower within a
    sentence, if it was. Where nothing stood, upper behind a full stop on the same line, if no sentence nearby begins
    lower.
    """
    before, word = document[max(0, start - NEAR) : start], first_word_of(document[start:end])
    ends = _SENTENCE_END.search(before)
    if start == end:
        stop = ends or _SENTENCE_END.search(f"{before} ")
        upper = stop is not None and not _ABBREVIATION.fullmatch(stop["word"]) and not _has_lower_start(before)
        return FirstLetter("upper" if upper else None, behind_blank=ends is None)
    if word[:1].isupper() and (ends or not before.strip() or _is_behind_sentence(before)):
        return FirstLetter("upper")
    if word[:1].islower() and _WITHIN.search(before):
        near = before + document[end : end + NEAR]
        names = {match[1] for match in _NAME.finditer(near) if match[1][0].isupper()}
        common = {found.casefold() for found in _words(near) if found[0].islower() and found.capitalize() not in names}
        return FirstLetter("lower", frozenset(common - {"i"}))
    return FirstLetter()


def first_word_of(text: str) -> str:
    """The word that a text begins with, blanks and opening signs aside; "" if it begins otherwise."""
    match = _WORD.match(text.lstrip(f" \t\r\n`{OPENING}"))
    return match[0] if match else ""


def is_abbreviated(text: str) -> bool:
    """Whether a text ends with the full stop of an abbreviation, such as `Dr.`, and not of a sentence."""
    match = _ABBREVIATED.search(text[-NEAR:])
    return match is not None and _ABBREVIATION.fullmatch(match["word"]) is not None


def capitals_within(text: str) -> list[int]:
    """Where capitals stand right behind small letters, as where a word is run into another."""
    return [match.end() - 1 for match in _CAPITAL_WITHIN.finditer(text)]


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in _WORD.finditer(text))


def _has_lower_start(text: str) -> bool:
    return any(match[0][-1].islower() for match in _LOWER_START.finditer(text))


def _is_behind_sentence(before: str) -> bool:
    """Whether the line before, of those with text, begins with a capital and ends with a stop: one of prose."""
    match = _STOPPED_LINE.search(before)
    return match is not None and (match["first"].isupper() or match["first"] in OPENING)
