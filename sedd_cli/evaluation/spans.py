"""Spans cut out of documents: words, lines, sentences, blocks of lines; the same seed cuts the same ones."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sedd_cli.evaluation.execution import Check
from sedd_cli.evaluation.infill_data import Source
from sedd_cli.evaluation.infill_tasks import Task
from sedd_cli.evaluation.names import SpanKind, TaskKind, TextKind
from sedd_cli.text.sentences import sentence_spans

Span = tuple[int, int]
WORDS, LINES = (2, 8), (2, 5)
"""Least and most words of `words`, lines of `block`; the number is drawn."""
HALVED = 4
"""Words that a line has at least of which the second half is cut."""
ONE_LINE: frozenset[SpanKind | TaskKind] = frozenset(("word", "words", "half-line", "line", "single-line"))
"""Kinds in which no line end is written."""
_WORD = re.compile(r"(?<!\w)[^\W\d_][\w'\u2019]*")
_PIECE = re.compile(r"\S+")
_LINE = re.compile(r"[^\r\n]*[^\s][^\r\n]*")


@dataclass(frozen=True)
class Cut:
    """A span `truth` cut out of a document at an offset of the `text` that remains. `check`: a test of the whole."""

    source: str
    text_kind: TextKind
    span_kind: SpanKind | TaskKind
    text: str
    at: int
    truth: str
    check: Check | None = None

    def filled(self, text: str) -> str:
        """The document with a text in the place of the span."""
        return self.text[: self.at] + text + self.text[self.at :]


def spans_of(text: str, kind: SpanKind, rng: random.Random, words: Span = WORDS) -> list[Span]:
    """Every span of a kind, in code points; of several words of a line, or lines, those of a number that is drawn.

    `words`: the least and the most words of `words`.
    """
    return _words(text, rng, words) if kind == "words" else _FINDERS[kind](text, rng)


def cuts_of(
    sources: Sequence[Source],
    kind: SpanKind,
    seed: int,
    fits: Callable[[str], bool] = lambda truth: True,
    words: Span = WORDS,
) -> Iterator[Cut]:
    """Cut spans of a kind, one of each document in turn, in an order and at places drawn; none twice.

    Ends when a turn cuts nothing new. `fits`: which spans are short enough; `words` as in `spans_of`.
    """
    rng, seen = random.Random(f"{seed} {kind}"), set[tuple[int, Span]]()
    order = rng.sample(range(len(sources)), len(sources))
    found = True
    while found:
        found = False
        for number in order:
            source = sources[number]
            spans = [span for span in spans_of(source.text, kind, rng, words) if (number, span) not in seen]
            rng.shuffle(spans)
            for start, end in spans:
                truth, rest = source.text[start:end], source.text[:start] + source.text[end:]
                if rest.strip() and fits(truth):
                    seen.add((number, (start, end)))
                    found = True
                    yield Cut(source.name, source.kind, kind, rest, start, truth)
                    break


def cuts_of_tasks(tasks: Sequence[Task], seed: int, fits: Callable[[str], bool] = lambda truth: True) -> Iterator[Cut]:
    """The spans of tasks in an order drawn; those that are short enough."""
    for task in random.Random(f"{seed} tasks").sample(tasks, len(tasks)):
        if fits(task.truth):
            yield Cut(
                *(task.name, "python", task.kind, task.prompt + task.suffix, len(task.prompt), task.truth), task.check
            )


def _word(text: str, rng: random.Random) -> list[Span]:
    return [match.span() for match in _WORD.finditer(text)]


def _words(text: str, rng: random.Random, words: Span) -> list[Span]:
    lines = [_words_of(text, line) for line in _line(text, rng)]
    return [span for line in lines for span in _runs(line, min(rng.randint(*words), len(line) - 1), words[0])]


def _half_line(text: str, rng: random.Random) -> list[Span]:
    spans = []
    for words in (_words_of(text, line) for line in _line(text, rng)):
        if len(words) >= HALVED:
            middle = (words[0][0] + words[-1][1]) / 2
            spans.append((next(start for start, _ in words if start >= middle or start == words[-1][0]), words[-1][1]))
    return spans


def _line(text: str, rng: random.Random) -> list[Span]:
    return [match.span() for match in _LINE.finditer(text)]


def _sentence(text: str, rng: random.Random) -> list[Span]:
    return sentence_spans(text)


def _block(text: str, rng: random.Random) -> list[Span]:
    lines = _line(text, rng)
    return _runs(lines, min(rng.randint(*LINES), len(lines) - 1), LINES[0])


def _runs(spans: Sequence[Span], count: int, least: int) -> list[Span]:
    """Every run of so many spans that follow each other; none of fewer than `least`."""
    if count < least:
        return []
    return [(spans[i][0], spans[i + count - 1][1]) for i in range(len(spans) - count + 1)]


def _words_of(text: str, span: Span) -> list[Span]:
    return [match.span() for match in _PIECE.finditer(text, *span)]


_FINDERS: Mapping[str, Callable[[str, random.Random], list[Span]]] = {
    "word": _word,
    "half-line": _half_line,
    "line": _line,
    "sentence": _sentence,
    "block": _block,
}
