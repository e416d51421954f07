"""How what is written in a gap has to fit its place: joints, first letter, indentation, quotes, brackets, last stop."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from sedd_cli.text.balance import Unmatched, balanced_signs, imbalance, unmatched
from sedd_cli.text.edges import Side, faulty_sides
from sedd_cli.text.gaps import is_marker
from sedd_cli.text.indentation import Indentation, indentation_at, indentation_of, is_before_line
from sedd_cli.text.letter_case import NEAR, FirstLetter, capitals_within, first_letter, first_word_of, is_abbreviated
from sedd_cli.text.sentences import SENTENCE_STOPS, STOPS_AND_QUOTES, ends_sentence

FaultKind = Side | Literal["run-on", "case", "indentation", "balance"]
Faults = Mapping[FaultKind, int]
"""What does not fit, and by how much: the number of words run into another, of quotes and brackets, 1 of all else."""

NEARBY = 4000
"""Characters beside a gap that are looked at."""
_NEXT = re.compile(r"""["'”’)*_]*(?:\s*\Z|[^\S\r\n]*[\r\n]|[^\S\r\n]+[^\w\s]*(?P<first>[^\W_]))""")
"""What may follow a sentence: signs that close, and nothing, a line end, or blanks and a word."""
_WORD = re.compile(r"[^\w\s]*(?P<first>[^\W_])")
"""The first word of a text, behind whatever signs."""
_CLOSED = re.compile(r"""[.!?]["”’)*_]+[^\S\r\n]*\Z""")
"""The end of a sentence that a quote, a bracket or emphasis closes, and blanks."""
_CODE = re.compile(r"[={}<>;_\\]|\w[.(]\w")
"""Signs that prose does not have."""
_BEGUN = re.compile(
    r"""(?:\A|[\r\n]|[.!?]["”]?[^\S\r\n]+)[^\S\r\n]*["“‘]?(?P<first>[^\W\d_])[\w ,;:'’"“”-]*(?<=[\w,;])[ ]?\Z"""
)
"""A sentence that has begun, and neither ended nor held signs other than those of prose."""
_GOES_ON = re.compile(r"""[^\S\r\n]*(?P<word>[^\W\d_]\w*)|,\s|[.!?]["'”’]*(?:\s|\Z)""")
"""What follows within a sentence: a word, a comma, or its stop."""


class Place(Protocol):
    """A gap of a document."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def marker(self) -> bool: ...


@dataclass(frozen=True)
class GapStyle:
    """What the document asks of the text in the place of `document[start:end]`."""

    document: str
    start: int
    end: int

    @classmethod
    def of_gap(cls, document: str, gaps: Sequence[Place], number: int = 0) -> "GapStyle":
        """Of the text near a gap of these, in order. In the place of markers, such as `[[12]]`, nothing stands."""
        here = gaps[number]
        before, at, i = "", here.start, number - 1
        while i >= 0 and gaps[i].end > here.start - NEARBY:
            if _is_marker(document, gaps[i]):
                before, at = document[gaps[i].end : at] + before, gaps[i].start
            i -= 1
        before = document[max(0, min(at, here.start - NEARBY)) : at] + before
        after, at, i = "", here.end, number + 1
        while i < len(gaps) and gaps[i].start < here.end + NEARBY:
            if _is_marker(document, gaps[i]):
                after, at = after + document[at : gaps[i].start], gaps[i].end
            i += 1
        after += document[at : max(at, here.end + NEARBY)]
        original = "" if _is_marker(document, here) else document[here.start : here.end]
        return cls(before + original + after, len(before), len(before + original))

    @property
    def original(self) -> str:
        return self.document[self.start : self.end]

    @cached_property
    def letter(self) -> FirstLetter:
        return first_letter(self.document, self.start, self.end)

    @cached_property
    def indentation(self) -> Indentation | None:
        return indentation_at(self.document, self.start, self.end)

    @cached_property
    def has_camel_case(self) -> bool:
        """Whether the text nearby has words with a capital behind a small letter, as code has and `McGregor`."""
        return bool(capitals_within(self.document[max(0, self.start - NEAR) : self.end + NEAR]))

    @cached_property
    def is_before_line(self) -> bool:
        return is_before_line(self.document, self.start, self.end)

    @cached_property
    def ends_sentence(self) -> bool:
        """Whether it has to end a sentence: what stood there did or, where nothing stood, it is between sentences."""
        if self.original:
            return self._ended_sentence()
        before, after = self.document[: self.start], self.document[self.end :]
        follows = _NEXT.match(after) or (_WORD.match(after) if before[-1:].isspace() else None)
        if follows is None or (follows["first"] or "").islower():
            return False
        if self.letter.case == "upper" or (_CLOSED.search(before[-NEAR:]) and not before.endswith(("\r", "\n"))):
            return True
        line_before, line_after = before.rstrip().splitlines()[-1:], after.lstrip().splitlines()[:1]
        begins_line = not before.rstrip(" \t") or before.rstrip(" \t")[-1] in "\r\n"
        return begins_line and bool(line_before) and all(map(_is_prose, line_before + line_after))

    def _ended_sentence(self) -> bool:
        """Whether what stood there ended a sentence of prose, and the text behind it does not go on with that."""
        if self.document[self.end : self.end + 1].isalnum():
            return False
        follows = _WORD.match(self.document[self.end :].lstrip())
        if follows is not None and follows["first"].islower():
            return False
        # Of quotes the one that every vocabulary has.
        return _is_sentence(self.original) and self.original[-1] in f'{SENTENCE_STOPS}"'

    @cached_property
    def is_within_sentence(self) -> bool:
        """Whether nothing stood there, in a sentence of prose that goes on or ends right behind it."""
        if self.original:
            return False
        begun = _BEGUN.search(self.document[max(0, self.start - NEAR) : self.start])
        follows = _GOES_ON.match(self.document, self.end)
        if begun is None or not begun["first"].isupper() or follows is None:
            return False
        word = follows["word"] or ""
        return not word[:1].isupper() or word == "I"

    @cached_property
    def signs(self) -> str:
        """The quotes and brackets that have to be as balanced as they were."""
        return balanced_signs(self.document, self.start, self.end)

    @cached_property
    def unmatched(self) -> Unmatched:
        """The quotes and brackets without a counterpart in the original."""
        return unmatched(self.original)

    def faults(self, before: str, text: str, after: str) -> Faults:
        """How a text does not fit between these neighbours."""
        faults: dict[FaultKind, int] = dict.fromkeys(sorted(self._faulty_sides(before, text, after)), 1)
        if not self.has_camel_case and (run_on := len(capitals_within(text))):
            faults["run-on"] = run_on
        if self.letter.is_wrong(text):
            faults["case"] = 1
        if self.indentation is not None and not self.indentation.allows(text):
            faults["indentation"] = 1
        if signs := imbalance(unmatched(text), self.unmatched, self.signs):
            faults["balance"] = signs
        return faults

    def _faulty_sides(self, before: str, text: str, after: str) -> frozenset[Side]:
        original = self.original
        if self.indentation is not None:
            # Of blanks at a line's beginning the indentation decides.
            blanks = len(indentation_of(text))
            before, text = before + text[:blanks], text[blanks:]
            original = original[len(indentation_of(original)) :]
        sides = faulty_sides(before, text, after, original)
        if self.ends_sentence and len(text.split()) > 1 and not ends_sentence(text):
            sides |= {"right"}
        if self.is_before_line:
            return sides - {"right"} if text.endswith("\n") else sides | {"right"}
        return sides


def _is_marker(document: str, gap: Place) -> bool:
    return gap.marker or is_marker(document[gap.start : gap.end])


def _is_sentence(text: str) -> bool:
    """Whether a text ends a sentence of prose, as far as it shows."""
    end = text[-NEAR:]
    return (
        ends_sentence(end)
        and not is_abbreviated(end)
        and end.strip(STOPS_AND_QUOTES)[-1:].isalpha()
        and not _CODE.search(end)
    )


def _is_prose(line: str) -> bool:
    """Whether a line holds a sentence of some words."""
    return _is_sentence(line) and first_word_of(line)[:1].isupper() and len(line.split()) > 2
