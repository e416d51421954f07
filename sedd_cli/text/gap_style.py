"""How what is written in a gap has to fit its place: joints, first letter, indentation, quotes, brackets, last stop."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sedd_cli.text.balance import Unmatched, balanced_signs, imbalance, unmatched
from sedd_cli.text.edges import Side, faulty_sides
from sedd_cli.text.gaps import is_marker
from sedd_cli.text.indentation import Indentation, indentation_at, indentation_of, is_before_line
from sedd_cli.text.letter_case import (
    NEAR,
    FirstLetter,
    capitals_within,
    first_letter,
    first_word_of,
    is_behind_line_of_prose,
)
from sedd_cli.text.sentences import SENTENCE_STOPS, ends_sentence

FaultKind = Side | Literal["run-on", "case", "indentation", "balance"]
Faults = Mapping[FaultKind, int]
"""What does not fit, and by how much: the number of words run into another, of quotes and brackets, 1 of all else."""

_NEXT = re.compile(r"""["'”’)]*(?:\s*\Z|[^\S\r\n]*[\r\n]|[^\S\r\n]+["'“‘(]*(?P<first>[^\W\d_]))""")
"""What may follow a sentence: signs that close, and nothing, a line end, or blanks and a word."""

_BEGUN = re.compile(r"""(?:\A|[\r\n]|[.!?]["”]?\s)\s*["“‘]?(?P<first>[^\W\d_])[\w ,;:'’"“”-]*(?<=[\w,;]) ?\Z""")
"""A sentence that has begun, and neither ended nor held signs other than those of prose."""
_GOES_ON = re.compile(r"""[^\S\r\n]*(?P<first>[^\W\d_])|,\s|[.!?]["'”’]*(?:\s|\Z)""")
"""What follows within a sentence: a word, a comma, or its stop."""


@dataclass(frozen=True)
class GapStyle:
    """What the document asks of the text in the place of `document[start:end]`."""

    document: str
    start: int
    end: int

    @classmethod
    def of_gap(cls, document: str, start: int, end: int) -> "GapStyle":
        """As it is, but that in the place of a marker such as `[[12]]` nothing stood."""
        if is_marker(document[start:end]):
            return cls(document[:start] + document[end:], start, start)
        return cls(document, start, end)

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
        follows = _NEXT.match(self.document, self.end)
        if follows is None or (follows["first"] or "").islower():
            return False
        if self.original:
            # A line of code may end with a quoted sentence; what begins with a capital is prose.
            is_prose = self.original[-1] in SENTENCE_STOPS or first_word_of(self.original)[:1].isupper()
            return is_prose and ends_sentence(self.original)
        before = self.document[max(0, self.start - NEAR) : self.start]
        return self.letter.case == "upper" or (follows["first"] is None and is_behind_line_of_prose(before))

    @cached_property
    def is_within_sentence(self) -> bool:
        """Whether nothing stood there, in a sentence of prose that goes on or ends right behind it."""
        if self.original:
            return False
        begun = _BEGUN.search(self.document[max(0, self.start - NEAR) : self.start])
        follows = _GOES_ON.match(self.document, self.end)
        return (
            begun is not None
            and begun["first"].isupper()
            and (follows is not None and not (follows["first"] or "").isupper())
        )

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
