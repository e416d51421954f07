"""Which words of two texts differ, where the changes between them are known."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

Span = tuple[int, int]
MAX_COMPARED_PAIRS = 250_000
"""Maximum pairs of words of a change to compare; beyond it, none of its words is named."""
_WORD, _IN_WORD = re.compile(r"\w+|[^\w\s]"), re.compile(r"\w")


def changed_words(before: str, after: str, changes: Sequence[tuple[Span, Span]]) -> tuple[list[Span], list[Span]]:
    """The spans of the words of either text that the other has not, in order; those of words in a row are one.

    `changes`: the replaced character spans (before, after), in order. A word that a change cuts is compared whole.
    """
    removed: list[Span] = []
    added: list[Span] = []
    ends, starts = [0, *(was[1] for was, _ in changes)], [*(was[0] for was, _ in changes[1:]), len(before)]
    for (was, now), low, high in zip(changes, ends, starts, strict=False):
        # What stands between two changes is the same in both texts.
        left, right = _word_length(before, was[0], low, -1), _word_length(before, was[1], high, 1)
        old = [m.span() for m in _WORD.finditer(before, was[0] - left, was[1] + right)]
        new = [m.span() for m in _WORD.finditer(after, now[0] - left, now[1] + right)]
        if len(old) * len(new) > MAX_COMPARED_PAIRS:
            continue
        words = [before[slice(*span)] for span in old], [after[slice(*span)] for span in new]
        for kind, a, b, c, d in SequenceMatcher(None, *words, autojunk=False).get_opcodes():
            if kind != "equal":
                _add(removed, old[a:b])
                _add(added, new[c:d])
    return removed, added


def _word_length(text: str, at: int, limit: int, step: int) -> int:
    """How many characters of a word stand before (`step` -1) or behind (1) an offset, at most up to `limit`."""
    count = 0
    while at + step * count != limit and _IN_WORD.match(text, at + step * count - (step < 0)):
        count += 1
    return count


def _add(spans: list[Span], words: Sequence[Span]) -> None:
    if words and spans and words[0][0] <= spans[-1][1]:
        # Another change of the same word.
        spans[-1] = spans[-1][0], words[-1][1]
    elif words:
        spans.append((words[0][0], words[-1][1]))
