"""The indentation of a line that a gap writes from its beginning. Pure functions."""

import re
from dataclasses import dataclass
from itertools import takewhile

NEAR = 2000
"""Characters beside a gap in which lines are looked for."""
_BLANKS = re.compile(r"[^\S\r\n]*")
_LINE = re.compile(r"[^\r\n]*\S[^\r\n]*")
_ENDS_BLOCK = re.compile(r"\s*(?:return|pass|break|continue|raise)\b")
"""A statement, of Python, after which a line may be indented less."""
_OPENERS = "([{:"
"""Signs at the end of a line behind which the next one may be indented further."""


def indentation_of(text: str) -> str:
    """The blanks that a text begins with, without line ends."""
    match = _BLANKS.match(text)
    return match[0] if match else ""


@dataclass(frozen=True)
class Indentation:
    """The blanks that a line may begin with: one of `same`, or any that continue `deeper`."""

    same: tuple[str, ...]
    deeper: str | None = None

    def allows(self, text: str) -> bool:
        """Whether a line may begin as a text does."""
        blanks = indentation_of(text)
        deeper = self.deeper is not None and blanks != self.deeper and blanks.startswith(self.deeper)
        return deeper or blanks in self.same

    def allows_start(self, text: str) -> bool:
        """Whether a line may begin as a text does, which goes on if it is all blanks."""
        if text != indentation_of(text):
            return self.allows(text)
        longer = self.deeper is not None and (text.startswith(self.deeper) or self.deeper.startswith(text))
        return longer or any(same.startswith(text) for same in self.same)

    def kept(self, text: str) -> int:
        """How many of the first characters of a text an allowed indentation begins with."""
        blanks = indentation_of(text)
        return max(_common(blanks, same) for same in self.same)


def _common(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def is_before_line(document: str, start: int, end: int) -> bool:
    """Whether something is inserted before all of an indented line: it has to end a line itself."""
    begins_line = start == 0 or document[start - 1] in "\r\n"
    return start == end and begins_line and _is_indented(document[end : end + NEAR])


def _is_indented(line: str) -> bool:
    """Whether there is text behind a tab or more than the one blank that stands between sentences."""
    blanks = indentation_of(line)
    return (len(blanks) > 1 or blanks == "\t") and bool(line[len(blanks) : len(blanks) + 1].strip())


def indentation_at(document: str, start: int, end: int) -> Indentation | None:
    """How a line that is written in the place of `document[start:end]` is indented; None if no line begins there.

    As what stood there. A line that is inserted: as the one before it, further behind a bracket or a colon, or as the
    one after it, if there is one or the one before it ends a block.
    """
    if start > 0 and document[start - 1] not in "\r\n":
        return None
    original = document[start:end]
    if original.strip():
        return None if original[0] in "\r\n" else Indentation((indentation_of(original),))
    if original or not (document[end : end + 1] in ("", "\r", "\n") or _is_indented(document[end : end + NEAR])):
        return None
    lines = _LINE.findall(document[max(0, start - NEAR) : start])
    above = lines[-1] if lines else ""
    following = _LINE.search(document[end : end + NEAR])
    before, after = indentation_of(above), indentation_of(following[0] if following else "")
    if following is None and not _ENDS_BLOCK.match(above):
        after = before
    if above.rstrip()[-1:] in tuple(_OPENERS):
        if after.startswith(before) and after != before:
            return Indentation((after,))
        return Indentation((before, after), before)
    return Indentation((before, after))
