"""Spans cut out of documents: words, lines, sentences, blocks of lines; the same seed cuts the same ones."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sedd_cli.evaluation.infill_data import Source
from sedd_cli.evaluation.names import SpanKind, TextKind
from sedd_cli.text.sentences import sentence_spans

Span = tuple[int, int]
WORDS, LINES = (2, 8), (2, 5)
"""Least and most words of `words`, lines of `block`; the number is drawn."""
HALVED = 4
"""Words that a line has at least of which the second half is cut."""
ONE_LINE: frozenset[SpanKind] = frozenset(("word", "words", "half-line", "line"))
"""Kinds in which no line end is written."""
_WORD = re.compile(r"(?<!\w)[^\W\d_][\w'\u2019]*")
_LINE = re.compile(r"[^\r\n]*[^\s][^\r\n]*")


@dataclass(frozen=True)
class Cut:
    """A span `truth` cut out of a document at an offset of the `text` that remains."""

    source: str
    text_kind: TextKind
    span_kind: SpanKind
    text: str
    at: int
    truth: str


def spans_of(text: str, kind: SpanKind, rng: random.Random) -> list[Span]:
    """Every span of a kind, in code points; of those of several words or lines, all of a number that is drawn."""
    return _FINDERS[kind](text, rng)


def cuts_of(
    sources: Sequence[Source], kind: SpanKind, seed: int, fits: Callable[[str], bool] = lambda truth: True
) -> Iterator[Cut]:
    """Cut spans of a kind, one of each document in turn, in an order and at places drawn; none twice.

    Ends when a turn cuts nothing new. `fits`: which spans are short enough.
    """
    rng, seen = random.Random(f"{seed} {kind}"), set[tuple[int, Span]]()
    order = rng.sample(range(len(sources)), len(sources))
    found = True
    while found:
        found = False
        for number in order:
            source = sources[number]
            spans = [span for span in spans_of(source.text, kind, rng) if (number, span) not in seen]
            rng.shuffle(spans)
            for start, end in spans:
                truth, rest = source.text[start:end], source.text[:start] + source.text[end:]
                if rest.strip() and fits(truth):
                    seen.add((number, (start, end)))
                    found = True
                    yield Cut(source.name, source.kind, kind, rest, start, truth)
                    break


def _word(text: str, rng: random.Random) -> list[Span]:
    return [match.span() for match in _WORD.finditer(text)]


def _words(text: str, rng: random.Random) -> list[Span]:
    count, spans = rng.randint(*WORDS), list[Span]()
    for line in _LINE.finditer(text):
        words = [match.span() for match in re.compile(r"\S+").finditer(text, *line.span())]
        spans += [(words[i][0], words[i + count - 1][1]) for i in range(len(words) - count + 1)]
    return spans


def _half_line(text: str, rng: random.Random) -> list[Span]:
    spans = []
    for line in _LINE.finditer(text):
        words = [match.span() for match in re.compile(r"\S+").finditer(text, *line.span())]
        if len(words) >= HALVED:
            middle = (words[0][0] + words[-1][1]) / 2
            spans.append((next(start for start, _ in words if start >= middle or start == words[-1][0]), words[-1][1]))
    return spans


def _line(text: str, rng: random.Random) -> list[Span]:
    return [match.span() for match in _LINE.finditer(text)]


def _sentence(text: str, rng: random.Random) -> list[Span]:
    return sentence_spans(text)


def _block(text: str, rng: random.Random) -> list[Span]:
    count, lines = rng.randint(*LINES), _line(text, rng)
    runs = (lines[i : i + count] for i in range(len(lines) - count + 1))
    return [(run[0][0], run[-1][1]) for run in runs]


_FINDERS: Mapping[SpanKind, Callable[[str, random.Random], list[Span]]] = {
    "word": _word,
    "words": _words,
    "half-line": _half_line,
    "line": _line,
    "sentence": _sentence,
    "block": _block,
}
