"""What was changed in a document, as a unified diff."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate

Span = tuple[int, int]
COMPARED = 4_000_000
"""Where more pairs of lines than this would have to be compared, all between the ends is one change."""


def diff_parts(before: str, after: str, changes: Sequence[tuple[Span, Span]], name: str) -> list[tuple[str, str]]:
    """A unified diff as parts of text, each with its style; together they are what `patch` takes.

    `changes` are the character spans that were replaced, before and after, in order: nothing has to be guessed, so
    that the diff of a long document is exact and costs no search.
    """
    old, new = _Lines(before), _Lines(after)
    changes = [(was, now) for was, now in changes if before[slice(*was)] != after[slice(*now)]]
    parts: list[tuple[str, str]] = []
    for group in _Known(old, new, changes).get_grouped_opcodes() if changes else ():
        if not parts:
            parts.append((f"--- {name}\n+++ {name}\n", "bold"))
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        parts.append((f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n", "cyan"))
        for kind, a, b, c, d in group:
            if kind == "equal":
                parts += _signed(" ", old.lines[a:b], "")
            else:
                parts += _signed("-", old.lines[a:b], "red")
                parts += _signed("+", new.lines[c:d], "green")
    return parts


def changes_between(before: str, after: str) -> list[tuple[Span, Span]]:
    """Spans of whole lines that differ, for `diff_parts`, where it is not known what was changed."""
    old, new = re.findall(r"[^\n]*\n|[^\n]+", before), re.findall(r"[^\n]*\n|[^\n]+", after)
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    behind = next(
        (i for i, (a, b) in enumerate(zip(old[:same:-1], new[:same:-1], strict=False)) if a != b),
        min(len(old[:same:-1]), len(new[:same:-1])),
    )
    middle, fresh = old[same : len(old) - behind], new[same : len(new) - behind]
    if len(middle) * len(fresh) > COMPARED:
        blocks = [(0, len(middle), 0, len(fresh))]
    else:
        codes = SequenceMatcher(None, middle, fresh, autojunk=False).get_opcodes()
        blocks = [code[1:] for code in codes if code[0] != "equal"]
    ends, new_ends = [0, *accumulate(map(len, old))], [0, *accumulate(map(len, new))]
    return [((ends[same + a], ends[same + b]), (new_ends[same + c], new_ends[same + d])) for a, b, c, d in blocks]


class _Lines:
    """A text by lines, which end at newlines alone."""

    def __init__(self, text: str) -> None:
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self.ends = list(accumulate(map(len, self.lines)))
        if text and not text.endswith("\n"):
            self.ends.pop()

    def at(self, position: int) -> int:
        """The line in which a character stands; one more than there are, at the end."""
        return bisect_right(self.ends, position)

    def begins(self, position: int) -> bool:
        """Whether a line begins there."""
        line = self.at(position)
        return position == 0 or (line > 0 and self.ends[line - 1] == position)


class _Known(SequenceMatcher[str]):
    """Differences that are known, for what the library makes of them: groups with three lines of context."""

    def __init__(self, old: _Lines, new: _Lines, changes: Sequence[tuple[Span, Span]]) -> None:
        super().__init__(None, "", "", autojunk=False)
        self._codes = _codes(old, new, changes)

    def get_opcodes(self) -> list[tuple[str, int, int, int, int]]:  # type: ignore[override]
        return self._codes


def _codes(old: _Lines, new: _Lines, changes: Sequence[tuple[Span, Span]]) -> list[tuple[str, int, int, int, int]]:
    codes: list[tuple[str, int, int, int, int]] = []
    i = j = 0
    for before, after in changes:
        # The line on which a change ends is part of it, unless one begins right behind it in both texts.
        part = not (old.begins(before[1]) and new.begins(after[1]))
        a, b = old.at(before[0]), min(len(old.lines), old.at(before[1]) + part)
        c, d = new.at(after[0]), min(len(new.lines), new.at(after[1]) + part)
        if codes and a < i:
            # Two changes on one line are one.
            kind, a1, _, c1, _ = codes.pop()
            codes.append((kind, a1, max(i, b), c1, max(j, d)))
        else:
            if a > i:
                codes.append(("equal", i, a, j, c))
            codes.append(("replace", a, b, c, d))
        i, j = max(i, b), max(j, d)
    if i < len(old.lines):
        codes.append(("equal", i, len(old.lines), j, len(new.lines)))
    return codes


def _range(start: int, stop: int) -> str:
    count = stop - start
    return f"{start + (count > 0)},{count}" if count != 1 else f"{start + 1}"


def _signed(sign: str, lines: Sequence[str], style: str) -> list[tuple[str, str]]:
    parts = [(f"{sign}{line}", style) for line in lines]
    if lines and not lines[-1].endswith("\n"):
        # A remark on the line before it, not one that was taken out or put in.
        parts[-1:] = [(f"{parts[-1][0]}\n", style), ("\\ No newline at end of file\n", "")]
    return parts
