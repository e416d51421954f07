"""Proofreading: words that the network, given all the rest, finds unlikely, and what it would write in their place.

A mistake makes the words beside it unlikely too. So each unlikely word is read again with those less likely than it
masked, and it is named if it is unlikely still.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sedd_cli.errors import UsageError, check_integer
from sedd_cli.evaluation.words_in_context import Suggestion, Word, WordLaw, WordReader
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.ranges import SHARE
from sedd_cli.text.encodings import check_text
from sedd_cli.text.line_ends import read_as_lf

BELOW = 0.001
"""The probability below which words are named by default."""
MOST_TOKENS = 8
"""Words of more tokens are passed over: they are addresses or hashes, or of a script without blanks."""
CHUNK = 32
"""Words that are read together: progress is told, and a stop heeded, so often."""


@dataclass(frozen=True, kw_only=True)
class ProofRequest:
    """Settings of proofreading.

    `below`: words less likely than this are named. `limit`: only so many, the least likely (None: all). `length`:
    tokens of a canvas, in whose middle a word is read (None: the checkpoint's). `batch_size`: canvases in one network
    call (None: 8); it changes no figure on a CPU. Raises `UsageError` for a value out of range.
    """

    below: float = BELOW
    limit: int | None = None
    length: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "below", SHARE.check("below", self.below))
        for name, least in (("limit", 1), ("length", 2 * MOST_TOKENS), ("batch_size", 1)):
            number = check_integer(name.replace("_", " "), getattr(self, name), least)
            object.__setattr__(self, name, number)


@dataclass(frozen=True)
class Finding:
    """An unlikely word, `text[start:end]`, with its probability, and the suggestion with its own.

    The suggestion "" leaves out a word that is the same as the one before it, and has no probability; it stands in the
    place of `text[edit_start:end]`, which holds the blank between them too.
    """

    start: int
    end: int
    word: str
    probability: float
    suggestion: str
    suggestion_probability: float | None
    edit_start: int


class Proofreading:
    """The proofreading of a text, run by iterating `steps()`; `findings()` returns what is found so far.

    `spans` of the text, in order: only words within one of them are read (None: all). Raises `UsageError` if the
    checkpoint cannot proofread, or if the text is empty.
    """

    def __init__(
        self, checkpoint: Checkpoint, text: str, request: ProofRequest, spans: Sequence[tuple[int, int]] | None = None
    ) -> None:
        check_text("text", text)
        if not text:
            raise UsageError("the text is empty", "There is nothing to read in it.")
        self.checkpoint, self.text, self.request = checkpoint, text, request
        self._read, self._offset = read_as_lf(text)
        self.length = request.length or checkpoint.length
        self._reader = WordReader(checkpoint, self._read, self.length, request.batch_size or 8)
        words = [word for word in self._reader.words if spans is None or self._is_within(word, spans)]
        self.words = [word for word in words if len(word.tokens) <= min(MOST_TOKENS, self.length // 2)]
        self.num_skipped = len(words) - len(self.words)
        """Words of too many tokens."""
        self.done = 0
        """Words that are read."""
        self.unlikely: list[WordLaw] = []
        """The unlikely words as they were read first, in the order of the text."""
        self._num_judged = 0
        self._findings: dict[int, Finding] = {}
        """By where they start."""
        self._repeating = {word.repeats: word for word in words if word.repeats is not None}

    @property
    def canvases_needed(self) -> int:
        """Canvases that the network reads, those of suggestions aside."""
        return sum(len(word.tokens) for word in self.words)

    def steps(self) -> Iterator[int]:
        """Read the words; yields how many are read. What is found is known once the words behind it are read too."""
        while self.done < len(self.words):
            words = self.words[self.done : self.done + CHUNK]
            waiting = self.unlikely[self._num_judged :]
            self.unlikely += [law for law in self._reader.laws(words) if self._is_unlikely(law)]
            self._judge(waiting)
            self.done += len(words)
            yield self.done
        self._judge(self.unlikely[self._num_judged :])
        yield self.done

    def findings(self) -> list[Finding]:
        """The unlikely words in the order of the text."""
        least = sorted(self._findings.values(), key=lambda finding: finding.probability)[: self.request.limit]
        return sorted(least, key=lambda finding: finding.start)

    def _is_within(self, word: Word, spans: Sequence[tuple[int, int]]) -> bool:
        start, end = self._offset(word.start), self._offset(word.end)
        i = bisect_right(spans, start, key=lambda span: span[0]) - 1
        return i >= 0 and end <= spans[i][1]

    def _is_unlikely(self, law: WordLaw) -> bool:
        return law.log_p < math.log(self.request.below)

    def _judge(self, laws: Sequence[WordLaw]) -> None:
        """Read unlikely words again without those that are less likely still, and find what would stand there."""
        hidden, judged = [self._less_likely(law) for law in laws], list(laws)
        again = [i for i, positions in enumerate(hidden) if positions]
        anew = self._reader.laws([laws[i].word for i in again], [hidden[i] for i in again])
        for i, law in zip(again, anew, strict=True):
            judged[i] = law
        judged = [law for law in judged if self._is_unlikely(law)]
        for law, filling in zip(judged, self._reader.suggestions(judged), strict=True):
            if (finding := self._finding(law, filling)) is not None:
                self._findings[finding.start] = finding
        self._num_judged += len(laws)

    def _less_likely(self, law: WordLaw) -> frozenset[int]:
        """Positions of the unlikely words near one that are less likely than it."""
        near = law.word.tokens.start - self.length, law.word.tokens.stop + self.length
        first, stop = (bisect_left(self.unlikely, at, key=lambda other: other.word.tokens.start) for at in near)
        others = (other for other in self.unlikely[first:stop] if other.log_p < law.log_p)
        return frozenset(position for other in others for position in other.word.tokens)

    def _finding(self, law: WordLaw, filling: Suggestion | None) -> Finding | None:
        """None where the network would write the same word, or none. Of a word that stands twice, the second."""
        word, probability = law.word, law.probability
        repeating = word if word.repeats is not None else self._repeating.get(word.end)
        if repeating is not None and repeating.repeats is not None:
            edit_start, start, end = map(self._offset, (repeating.repeats, repeating.start, repeating.end))
            return Finding(start, end, self.text[start:end], probability, "", None, edit_start)
        start, end = self._offset(word.start), self._offset(word.end)
        suggestion = "" if filling is None else self._reader.decode(word, filling)
        if filling is None or suggestion == self.text[start:end]:
            return None
        return Finding(start, end, self.text[start:end], probability, suggestion, math.exp(filling.log_p), start)


def corrected(text: str, findings: list[Finding]) -> tuple[str, list[tuple[tuple[int, int], tuple[int, int]]]]:
    """The text with every suggestion in its place, and the spans (before, after) of what was changed."""
    parts, changes, at, size = list[str](), [], 0, 0
    for finding in findings:
        parts += [text[at : finding.edit_start], finding.suggestion]
        size += finding.edit_start - at
        changes.append(((finding.edit_start, finding.end), (size, size + len(finding.suggestion))))
        size, at = size + len(finding.suggestion), finding.end
    return "".join([*parts, text[at:]]), changes


def proof(
    ckpt: Checkpoint,
    text: str,
    *,
    below: float = BELOW,
    limit: int | None = None,
    length: int | None = None,
    batch_size: int | None = None,
) -> list[Finding]:
    """Find the words of a text that are less likely than `below` given all the rest; see `ProofRequest`.

    Each is read in the middle of a canvas, at one canvas for each of its tokens. Words without a letter, and those of
    more than `MOST_TOKENS` tokens, are passed over. Raises `UsageError` if the checkpoint or the text cannot be read.
    """
    request = ProofRequest(below=below, limit=limit, length=length, batch_size=batch_size)
    proofreading = Proofreading(ckpt, text, request)
    for _ in proofreading.steps():
        pass
    return proofreading.findings()
