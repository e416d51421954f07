"""How what is written in a gap has to fit its place: joints, first letter, indentation, quotes and brackets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sedd_cli.text.balance import Unmatched, balanced_signs, imbalance, unmatched
from sedd_cli.text.edges import Side, faulty_sides
from sedd_cli.text.gaps import is_marker
from sedd_cli.text.indentation import Indentation, indentation_at, indentation_of, is_before_line
from sedd_cli.text.letter_case import FirstLetter, first_letter

FaultKind = Side | Literal["case", "indentation", "balance"]
Faults = Mapping[FaultKind, int]
"""What does not fit, and by how much: the number of quotes and brackets, 1 of all else."""


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
    def is_before_line(self) -> bool:
        return is_before_line(self.document, self.start, self.end)

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
        if self.is_before_line:
            return sides - {"right"} if text.endswith("\n") else sides | {"right"}
        return sides
