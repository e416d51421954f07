"""Unified diffs of documents."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate

from sedd_cli.render.changed_words import Span, changed_words

Part = tuple[str, str]
"""Text and its style."""
CHANGED = "bold underline "
"""Begins the style of the changed words of a line."""
MAX_COMPARED_PAIRS = 4_000_000
"""Maximum pairs of lines to compare; beyond it, everything between the common ends is one change."""


def diff_parts(before: str, after: str, changes: Sequence[tuple[Span, Span]], name: str) -> list[Part]:
    """A unified diff as (text, style) parts; the joined texts are valid input of `patch`.

    `changes`: the replaced character spans (before, after), in order. With known changes the diff of a long document
    is exact and needs no search.
    """
    old, new = _Lines(before), _Lines(after)
    changes = [(was, now) for was, now in changes if before[slice(*was)] != after[slice(*now)]]
    removed, added = changed_words(before, after, changes)
    parts: list[Part] = []
    for group in _KnownChanges(old, new, changes).get_grouped_opcodes() if changes else ():
        if not parts:
            parts.append((f"--- {name}\n+++ {name}\n", "bold"))
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        parts.append((f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n", "cyan"))
        for kind, a, b, c, d in group:
            if kind == "equal":
                parts += _signed(" ", old, range(a, b), "", [])
            else:
                parts += _signed("-", old, range(a, b), "red", removed)
                parts += _signed("+", new, range(c, d), "green", added)
    return parts


def changes_between(before: str, after: str) -> list[tuple[Span, Span]]:
    """Spans of whole lines that differ, for `diff_parts`, when the changes are not known."""
    old, new = re.findall(r"[^\n]*\n|[^\n]+", before), re.findall(r"[^\n]*\n|[^\n]+", after)
    prefix = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    suffix = next(
        (i for i, (a, b) in enumerate(zip(old[:prefix:-1], new[:prefix:-1], strict=False)) if a != b),
        min(len(old[:prefix:-1]), len(new[:prefix:-1])),
    )
    middle, fresh = old[prefix : len(old) - suffix], new[prefix : len(new) - suffix]
    if len(middle) * len(fresh) > MAX_COMPARED_PAIRS:
        blocks = [(0, len(middle), 0, len(fresh))]
    else:
        codes = SequenceMatcher(None, middle, fresh, autojunk=False).get_opcodes()
        blocks = [code[1:] for code in codes if code[0] != "equal"]
    ends, new_ends = [0, *accumulate(map(len, old))], [0, *accumulate(map(len, new))]
    return [
        ((ends[prefix + a], ends[prefix + b]), (new_ends[prefix + c], new_ends[prefix + d])) for a, b, c, d in blocks
    ]


class _Lines:
    """The lines of a text; only a newline ends a line."""

    def __init__(self, text: str) -> None:
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self.ends = list(accumulate(map(len, self.lines)))
        if text and not text.endswith("\n"):
            self.ends.pop()

    def at(self, position: int) -> int:
        """The index of the line that contains a character; at the end of the text, the number of lines."""
        return bisect_right(self.ends, position)

    def start(self, line: int) -> int:
        """The position at which a line begins."""
        return self.ends[line - 1] if line else 0

    def begins(self, position: int) -> bool:
        line = self.at(position)
        return position == 0 or (line > 0 and self.ends[line - 1] == position)


class _KnownChanges(SequenceMatcher[str]):
    """A SequenceMatcher of known changes, used for its grouping with three lines of context."""

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


def _signed(sign: str, text: _Lines, lines: range, style: str, changed: Sequence[Span]) -> list[Part]:
    parts = [part for i in lines for part in _marked(sign, text.lines[i], text.start(i), style, changed)]
    if parts and not parts[-1][0].endswith("\n"):
        # This line annotates the one before; it is neither removed nor added.
        parts[-1:] = [(f"{parts[-1][0]}\n", parts[-1][1]), ("\\ No newline at end of file\n", "")]
    return parts


def _marked(sign: str, line: str, start: int, style: str, changed: Sequence[Span]) -> Iterator[Part]:
    """A line of a text behind its sign, with its changed words in a style of their own, unless all of it is new."""
    first = bisect_right(changed, start, key=lambda span: span[1])
    last = bisect_left(changed, start + len(line), key=lambda span: span[0])
    body = len(line.rstrip("\r\n"))
    spans = [(max(0, a - start), min(body, b - start)) for a, b in changed[first:last]]
    edges = [0, *(edge for span in spans for edge in span), len(line)]
    kept = [line[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    if not "".join(kept).strip():
        yield sign + line, style
        return
    yield sign + kept[0], style
    for (a, b), rest in zip(spans, kept[1:], strict=True):
        yield line[a:b], CHANGED + style
        if rest:
            yield rest, style
