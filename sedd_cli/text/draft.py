"""A document being edited: its text, and marks on spans to write and on written spans not yet accepted or rejected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sedd_cli.text.gaps import Gap, Length, merged_length


@dataclass(frozen=True)
class Mark:
    """Characters `start ... end - 1` of a draft.

    `masked`: they are to be rewritten, with `tokens` tokens. Otherwise they were written in the place of `original`.
    """

    start: int
    end: int
    original: str
    tokens: Length = None
    masked: bool = True


@dataclass(frozen=True)
class Draft:
    """A text and its marks in order. Marks do not overlap, and masked ones do not touch. Immutable."""

    text: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def masked(self) -> tuple[Mark, ...]:
        return tuple(mark for mark in self.marks if mark.masked)

    @property
    def gaps(self) -> list[Gap]:
        """The masked spans as gaps for infilling."""
        return [Gap(mark.start, mark.end, mark.tokens) for mark in self.masked]

    def mask(self, start: int, end: int, tokens: Length = None) -> "Draft":
        """Mask characters `start ... end - 1`; marks that this touches are merged into the new one.

        An empty range inserts `tokens` tokens.
        """
        touched = [mark for mark in self.marks if _merges_with(mark, start, end)]
        low = min([start, *(mark.start for mark in touched)])
        high = max([end, *(mark.end for mark in touched)])
        original, at = "", low
        for mark in touched:
            original += self.text[at : mark.start] + mark.original
            at = mark.end
        original += self.text[at:high]
        if touched and tokens is None:
            tokens = touched[0].tokens if (touched[0].start, touched[0].end) == (low, high) else None
        if low == high and tokens is None:
            return self
        untouched = [mark for mark in self.marks if mark not in touched]
        return replace(self, marks=merge_adjacent([*untouched, Mark(low, high, original, tokens)]))

    def set_length(self, mark: Mark, *, tokens: Length) -> "Draft":
        """Set the number of tokens of a mark."""
        return self._replace(mark, replace(mark, tokens=tokens))

    def reopen(self, mark: Mark, tokens: Length) -> "Draft":
        """Mask a mark that was written once more, over its original text, or set the length of a masked one."""
        if mark.masked:
            return self.set_length(mark, tokens=tokens)
        return self.reject(mark).mask(mark.start, mark.start + len(mark.original), tokens)

    def accept(self, mark: Mark) -> "Draft":
        """Remove a mark; its text stays."""
        return replace(self, marks=merge_adjacent(other for other in self.marks if other != mark))

    def reject(self, mark: Mark) -> "Draft":
        """Remove a mark and restore its original text."""
        return self._splice(mark, mark.original).accept(self._resized(mark, mark.original))

    def fill(self, texts: Mapping[Mark, str]) -> "Draft":
        """Replace masked marks by texts, each to be accepted (`accept`) or rejected (`reject`)."""
        draft = self
        for mark in sorted(texts, key=lambda mark: mark.start, reverse=True):
            draft = draft._splice(mark, texts[mark])
            moved = draft._resized(mark, texts[mark])
            draft = draft._replace(moved, replace(moved, masked=False))
        return draft

    def edit(self, start: int, end: int, new: str) -> "Draft":
        """Replace characters `start ... end - 1`, as typing does.

        Marks move with the text. Text typed inside a mark belongs to it, at its edges it does not. A mark whose whole
        text is replaced is removed.
        """
        shift = len(new) - (end - start)
        marks = []
        for mark in self.marks:
            if end <= mark.start:
                # Typed at an empty mark, or before a mark: the mark moves.
                marks.append(replace(mark, start=mark.start + shift, end=mark.end + shift))
            elif start >= mark.end:
                marks.append(mark)
            elif start > mark.start or end < mark.end:
                low = mark.start if start >= mark.start else start + len(new)
                high = mark.end + shift if end <= mark.end else start
                marks.append(replace(mark, start=low, end=high))
        return Draft(self.text[:start] + new + self.text[end:], merge_adjacent(filter(_is_nonempty, marks)))

    def at(self, offset: int) -> Mark | None:
        """The mark that covers a character, or an empty one right before it."""
        for mark in self.marks:
            if mark.start <= offset < mark.end or mark.start == mark.end == offset:
                return mark
        return None

    def _splice(self, mark: Mark, text: str) -> "Draft":
        """Replace a mark's text; the mark spans the new text, later marks move."""
        shift = len(text) - (mark.end - mark.start)
        marks = [
            self._resized(mark, text)
            if other == mark
            else replace(other, start=other.start + shift, end=other.end + shift)
            if (other.start, other.end) > (mark.start, mark.end)
            else other
            for other in self.marks
        ]
        return Draft(self.text[: mark.start] + text + self.text[mark.end :], tuple(marks))

    def _resized(self, mark: Mark, text: str) -> Mark:
        return replace(mark, end=mark.start + len(text))

    def _replace(self, mark: Mark, new: Mark) -> "Draft":
        return replace(self, marks=tuple(new if other == mark else other for other in self.marks))


def _merges_with(mark: Mark, start: int, end: int) -> bool:
    """Whether masking a range merges a mark into it: a masked one that it touches, another that it overlaps."""
    touches = mark.start <= end and start <= mark.end
    return touches and (mark.masked or (mark.start < end and start < mark.end))


def _is_nonempty(mark: Mark) -> bool:
    return mark.end > mark.start or (mark.masked and mark.tokens is not None)


def merge_adjacent(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Sort marks; masked ones that touch are merged, as infilling merges their gaps."""
    ordered: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, mark.end)):
        last = ordered[-1] if ordered else None
        if last is not None and last.masked and mark.masked and last.end == mark.start:
            tokens = merged_length(Gap(last.start, last.end, last.tokens), Gap(mark.start, mark.end, mark.tokens))
            ordered[-1] = Mark(last.start, mark.end, last.original + mark.original, tokens)
        else:
            ordered.append(mark)
    return tuple(ordered)
