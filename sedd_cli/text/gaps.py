"""Gaps: which characters of a document are rewritten, and with how many tokens."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

from sedd_cli.errors import NoGapError, UsageError, to_integer
from sedd_cli.ranges import counted
from sedd_cli.text.line_ends import read_as_lf

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

Unit = Literal["chars", "words", "lines", "tokens"]
Length = int | tuple[int, int] | Literal["auto"] | None
"""Number of tokens: exact, a range, chosen by likelihood ("auto"), or as many as before (None)."""
DEFAULT_RANGE = (1, 32)
"""The range of lengths compared for an empty gap."""
WITHIN_SENTENCE = (1, 8)
"""The same within a sentence."""
MARKED_LENGTH = r"(\.\.\.|\d+(?:-\d+)?)"
"""What stands between a marker's brackets."""
_MARKER = re.compile(rf"\[\[{MARKED_LENGTH}\]\]", re.ASCII)
_CRLF_OF_PATTERN = re.compile(r"(?<!\\)((?:\\\\)*)\\r\\n|\r\n")
"""CRLF in a pattern, as escapes (whose backslash is not escaped itself) or as it is."""


@dataclass(frozen=True)
class Gap:
    """Characters `start ... end - 1` of a document, in code points.

    `one_line`: no line end is written there. `without`: none of these characters either, which are ASCII.
    `marker`: what stands there names a gap, and is no text.
    """

    start: int
    end: int
    tokens: Length = None
    one_line: bool = False
    without: str = ""
    marker: bool = field(default=False, compare=False)


def check_gaps(gaps: Iterable[Gap], size: int) -> list[Gap]:
    """Sort the gaps of a document of `size` characters and merge those that overlap or touch.

    Lengths of touching gaps are added; those of overlapping gaps stay where they agree and become "auto" otherwise.
    A merged gap is limited by what limited both. Raises `UsageError` for a gap out of range, reversed, or with an
    impossible number of tokens.
    """
    merged: list[Gap] = []
    for gap in sorted((_check_gap(gap, size) for gap in gaps), key=lambda gap: (gap.start, gap.end)):
        if merged and gap.start <= merged[-1].end:
            last = merged[-1]
            tokens = merged_length(last, gap)
            without = "".join(c for c in last.without if c in gap.without)
            limits = last.one_line and gap.one_line, without, last.marker and gap.marker
            merged[-1] = Gap(last.start, max(gap.end, last.end), tokens, *limits)
        else:
            merged.append(gap)
    return merged


def length_range(tokens: Length, original: int, within_sentence: bool = False) -> tuple[int, int]:
    """The least and the most tokens of a gap in whose place `original` tokens stand."""
    if tokens is None:
        return original, original
    if tokens == "auto":
        if original:
            return max(1, original // 2), 2 * original
        return WITHIN_SENTENCE if within_sentence else DEFAULT_RANGE
    return tokens if isinstance(tokens, tuple) else (tokens, tokens)


def merged_length(left: Gap, right: Gap) -> Length:
    """The length of two gaps, touching or overlapping, merged into one."""
    a, b = left.tokens, right.tokens
    if left.start < left.end == right.start < right.end and isinstance(a, int | tuple) and isinstance(b, int | tuple):
        (low_a, high_a), (low_b, high_b) = (x if isinstance(x, tuple) else (x, x) for x in (a, b))
        return low_a + low_b if (low_a, low_b) == (high_a, high_b) else (low_a + low_b, high_a + high_b)
    return a if a == b else "auto"


def _check_gap(gap: Gap, size: int) -> Gap:
    """The gap with Python's own integers."""
    start, end = to_integer("a gap's start", gap.start), to_integer("a gap's end", gap.end)
    gap = replace(gap, start=start, end=end, tokens=_to_length(gap.tokens))
    if gap.start > gap.end:
        raise UsageError(f"the gap {gap.start}:{gap.end} is reversed", "The start comes first: --mask 10:40.")
    if gap.start < 0 or gap.end > size:
        raise UsageError(
            f"the gap {gap.start}:{gap.end} is out of range: the document has {counted(size, 'character')}",
            f"Choose between 0 and {size}.",
        )
    bounds = gap.tokens if isinstance(gap.tokens, tuple) else (gap.tokens, gap.tokens)
    low, high = bounds
    if isinstance(low, int) and isinstance(high, int) and not 1 <= low <= high:
        raise UsageError(f"a gap cannot have {low} to {high} tokens", "Write --tokens 12 or --tokens 5-20.")
    return gap


def _to_length(tokens: Length) -> Length:
    if tokens is None or tokens == "auto":
        return tokens
    if isinstance(tokens, tuple):
        low, high = (to_integer("a gap's number of tokens", number) for number in tokens)
        return low, high
    return to_integer("a gap's number of tokens", tokens)


def parse_length(text: str) -> Length:
    """`12`, `5-20` or `auto`. Raises `UsageError` for anything else."""
    if text == "auto":
        return "auto"
    # Python refuses to parse integers of thousands of digits.
    match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", text, re.ASCII)
    if not match:
        raise UsageError(f"{text!r} is not a number of tokens", "Write --tokens 12, --tokens 5-20 or --tokens auto.")
    low, high = int(match[1]), match[2]
    return low if high is None else (low, int(high))


def parse_span(span: str, units: Sequence[tuple[int, int]], size: int, tokens: Length, unit: str) -> Gap:
    """The gap of a Python slice such as `10:40`, `:40` or `-20:` over the units of a document of `size` characters.

    Raises `UsageError` for a string that is no slice, is reversed or is out of range.
    """
    match = re.fullmatch(r"(-?\d{1,18})?:(-?\d{1,18})?", span, re.ASCII)
    if not match:
        raise UsageError(f"{span!r} is not a span", "Write START:END as in --mask 10:40, --mask :40 or --mask=-20:.")
    count = len(units)
    first, last = (
        default if text is None else int(text) + (count if text.startswith("-") else 0)
        for text, default in ((match[1], 0), (match[2], count))
    )
    if not (0 <= first <= count and 0 <= last <= count):
        raise UsageError(
            f"the span {span} is out of range: the document has {counted(count, unit.removesuffix('s'))}",
            f"Choose between 0 and {count}; --unit sets what is counted.",
        )
    if first > last:
        raise UsageError(f"the span {span} is reversed", "The start comes first: --mask 10:40.")
    start = units[first][0] if first < count else size
    return Gap(start, units[last - 1][1] if last > first else start, tokens)


def unit_spans(document: str, unit: Unit, tokenizer: "Tokenizer") -> Sequence[tuple[int, int]]:
    """The span of each unit of the document. Words are runs of non-space; lines exclude their ending.

    So text written in the place of a line, even an empty one, does not run into the next. Raises `UsageError` for an
    unknown unit.
    """
    if unit == "chars":
        return _Characters(len(document))
    if unit == "words":
        return [match.span() for match in re.finditer(r"\S+", document)]
    if unit == "lines":
        lines = re.finditer(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)", document)
        # A match without characters is the end of the document, not a line.
        return [match.span(1) for match in lines if match[0]]
    if unit == "tokens":
        return token_spans(document, tokenizer)
    raise UsageError(f"unknown unit {unit!r}", f"Choose one of {', '.join(get_args(Unit))}.")


class _Characters(Sequence[tuple[int, int]]):
    """Spans of single characters, computed on demand."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> tuple[int, int]:  # type: ignore[override]
        if not -self._count <= i < self._count:
            raise IndexError(i)
        return i % self._count, i % self._count + 1


def token_spans(document: str, tokenizer: "Tokenizer") -> list[tuple[int, int]]:
    """The span of characters that each token has bytes of."""
    import numpy as np

    ends = np.cumsum([len(character.encode()) for character in document])
    bounds = np.cumsum([0, *(len(tokenizer.bytes_of(i)) for i in tokenizer.encode(document))]).tolist()
    return [
        (int(np.searchsorted(ends, start, "right")), int(np.searchsorted(ends, end, "left")) + 1)
        for start, end in pairwise(bounds)
    ]


def regex_gaps(document: str, pattern: str, tokens: Length) -> list[Gap]:
    """A gap for each match of a regular expression; empty matches count only if `tokens` is given.

    CRLF is one line end: it is what `$`, `\\n` and `\\r\\n` match. Raises `UsageError` for an invalid pattern or one
    that matches nothing.
    """
    text, offset = read_as_lf(document)
    spans = [(offset(match.start()), offset(match.end())) for match in compile_pattern(pattern).finditer(text)]
    gaps = [Gap(start, end, tokens) for start, end in spans if end > start or tokens is not None]
    if not gaps:
        raise NoGapError(f"{pattern!r} matches nothing in the document", "Check the pattern.")
    return gaps


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of `regex_gaps`. Raises `UsageError` for an invalid one."""
    try:
        return re.compile(_CRLF_OF_PATTERN.sub(r"\1\\n", pattern), re.MULTILINE)
    except re.error as error:
        raise UsageError(
            f"{pattern!r} is not a regular expression: {error}", "See the syntax of Python's re module."
        ) from None


def is_marker(text: str) -> bool:
    """Whether a text is a marker with the usual brackets, and nothing else: it names a gap, and is no text."""
    return _MARKER.fullmatch(text) is not None


def line_and_column(document: str, position: int) -> tuple[int, int]:
    """The line and column of a character, both counted from 1."""
    return document.count("\n", 0, position) + 1, position - document.rfind("\n", 0, position)
