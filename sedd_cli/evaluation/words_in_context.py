"""How likely the words of a text are given all the rest of it, and the likeliest words in their place.

The probability of a word is that of its tokens with all of them masked and everything else given, by the chain rule
from left to right: exact for that order, at one canvas a token.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.schedules import sigma_of_masked
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.gaps import token_spans
from sedd_cli.text.spelling import is_slip
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer
from sedd_cli.text.words import word_spans

_PART = re.compile(r"[\w\u0300-\u036f'\u2019]+")
"""What a token may hold that is a word, or a part of one."""
SLIP = 7.0
"""How much less likely, in nats, a word may be that is one slip apart from what is written, to be suggested first."""
LEAST_LETTERS = 3
"""Of a word for which those one slip apart are looked for: a shorter one has too many."""
_BLANK = re.compile(r"[^\S\r\n]*(?:\r?\n)?[^\S\r\n]*")
"""What stands between a word and the same one again."""


@dataclass(frozen=True)
class Word:
    """`text[start:end]`, and the positions of its tokens among those of the text.

    `before` and `behind`: what these tokens hold beside the word, such as the blank before it. `repeats`: the end of
    the word before it if that is the same one.
    """

    start: int
    end: int
    tokens: range
    before: str
    behind: str
    repeats: int | None


@dataclass(frozen=True)
class Suggestion:
    """Tokens in the place of a word, and the log of their probability."""

    tokens: tuple[int, ...] = ()
    log_p: float = 0.0


@dataclass(frozen=True)
class WordLaw:
    """The log of the probability of a word, and the likeliest first token in its place; None if none may stand there.

    `hidden`: positions of other words that were masked.
    """

    word: Word
    log_p: float
    first: Suggestion | None
    hidden: frozenset[int]

    @property
    def probability(self) -> float:
        return math.exp(self.log_p)


@dataclass(frozen=True)
class _Question:
    """What comes next in the place of a word that is `count` tokens, of which the first are `given`?"""

    word: Word
    given: Sequence[int]
    count: int
    hidden: frozenset[int]


class WordReader:
    """A text of LF line ends, its words, and the network that reads them in canvases of at most `length` tokens.

    Raises `UsageError` if the checkpoint cannot give a word by what stands on both sides of it.
    """

    def __init__(self, checkpoint: Checkpoint, text: str, length: int, batch_size: int) -> None:
        tokenizer = require_tokenizer(checkpoint.tokenizer, "it cannot read text")
        if not isinstance(checkpoint.process, Absorbing) or checkpoint.blocks is not None:
            raise UsageError(
                f"{checkpoint.name} cannot give a word by what stands on both sides of it",
                "Take a checkpoint of the absorbing process that sees the whole canvas.",
            )
        self._model, self._noise, self._process = checkpoint.model, checkpoint.noise, checkpoint.process
        self._tokenizer, self._length, self._batch_size = tokenizer, length, batch_size
        # A document begins as a line does, and an end-of-text token ends it, as in `text.windows`.
        begin = tokenizer.encode("\n")
        end = [] if tokenizer.end_of_text_id is None else [tokenizer.end_of_text_id]
        self._ids = [*begin, *tokenizer.encode(text), *end]
        self.words = _words(text, tokenizer, len(begin))
        self._allowed, self._spellings = cache(self._tokens_of), cache(self._spellings_of)

    def decode(self, word: Word, suggestion: Suggestion) -> str:
        """The word that a suggestion spells, without what its tokens hold beside it."""
        return self._tokenizer.decode(suggestion.tokens).removeprefix(word.before).removesuffix(word.behind)

    def laws(self, words: Sequence[Word], hidden: Sequence[frozenset[int]] = ()) -> list[WordLaw]:
        """How likely words are, at a canvas for each of their tokens; `hidden`: for each, what is masked besides."""
        hidden = hidden or [frozenset()] * len(words)
        places = [(i, k) for i, word in enumerate(words) for k in range(len(word.tokens))]
        asked = [_Question(words[i], self._spelt(words[i])[:k], len(words[i].tokens), hidden[i]) for i, k in places]
        log_p, first = [0.0] * len(words), dict[int, Suggestion | None]()
        for n, law in self._conditionals(asked):
            i, k = places[n]
            log_p[i] += float(law[self._column(self._ids[words[i].tokens[k]])])
            if k == 0:
                first[i] = self._written(words[i], Suggestion(), len(words[i].tokens), law)
        return [WordLaw(word, log_p[i], first[i], hidden[i]) for i, word in enumerate(words)]

    def suggestions(self, laws: Sequence[WordLaw]) -> list[Suggestion | None]:
        """The likeliest word of as many tokens, greedily from left to right, or of one if that is likelier still.

        In the place of a word of several tokens a word of one token precedes both if it is one slip apart, likelier
        than what is written, and not much less likely than they are (`SLIP`). None where no word can be written.
        """
        suggestions = self._finished(laws)
        several = [i for i, law in enumerate(laws) if len(law.word.tokens) > 1]
        for n, law in self._conditionals([_Question(laws[i].word, [], 1, laws[i].hidden) for i in several]):
            i = several[n]
            short, suggestion = self._written(laws[i].word, Suggestion(), 1, law), suggestions[i]
            if short is not None and (suggestion is None or short.log_p > suggestion.log_p):
                suggestions[i] = short
            best, slip = suggestions[i], self._likeliest_slip(laws[i].word, law)
            if best is not None and slip is not None and slip.log_p > max(best.log_p - SLIP, laws[i].log_p):
                suggestions[i] = slip
        return suggestions

    def _likeliest_slip(self, word: Word, law: Tensor) -> Suggestion | None:
        """The likeliest word of one token that is one slip apart from what is written; None if there is none."""
        written = self.decode(word, Suggestion(tuple(self._spelt(word))))
        if len(written) < LEAST_LETTERS:
            return None
        columns = [column for column, text in self._spellings(word.before, word.behind) if is_slip(written, text)]
        if not columns:
            return None
        best = max(columns, key=lambda column: float(law[column]))
        token = int(self._process.state_of(torch.tensor(best, device="cpu")))
        return Suggestion((token,), float(law[best]))

    def _spellings_of(self, before: str, behind: str) -> list[tuple[int, str]]:
        """Columns of the tokens that are a word between these, with the word."""
        columns = self._allowed(before, behind)
        texts = self._tokenizer.decode_each(self._process.state_of(columns).tolist())
        words = (text.removeprefix(before).removesuffix(behind) for text in texts)
        return list(zip(columns.tolist(), words, strict=True))

    def _finished(self, laws: Sequence[WordLaw]) -> list[Suggestion | None]:
        """Suggestions that begin with the likeliest first tokens, brought to the lengths of their words."""
        words, suggestions = [law.word for law in laws], [law.first for law in laws]
        for k in range(1, max((len(word.tokens) for word in words), default=0)):
            ready = [i for i, f in enumerate(suggestions) if f is not None and len(words[i].tokens) > k]
            given = [(suggestions[i] or Suggestion()).tokens for i in ready]
            asked = [
                _Question(words[i], tokens, len(words[i].tokens), laws[i].hidden)
                for i, tokens in zip(ready, given, strict=True)
            ]
            for n, law in self._conditionals(asked):
                i = ready[n]
                suggestions[i] = self._written(words[i], suggestions[i] or Suggestion(), len(words[i].tokens), law)
        return suggestions

    def _written(self, word: Word, suggestion: Suggestion, count: int, law: Tensor) -> Suggestion | None:
        """A suggestion of `count` tokens with its next one, the likeliest that may stand there; None if none may."""
        k = len(suggestion.tokens)
        columns = self._allowed(word.before if k == 0 else "", word.behind if k == count - 1 else "")
        if not len(columns):
            return None
        best = columns[int(law[columns].argmax())]
        token = int(self._process.state_of(best))
        return Suggestion((*suggestion.tokens, token), suggestion.log_p + float(law[best]))

    def _tokens_of(self, before: str, behind: str) -> Tensor:
        """Columns of the tokens that hold a part of a word between these."""

        def holds(token: int) -> bool:
            piece, head, tail = self._tokenizer.bytes_of(token), before.encode(), behind.encode()
            if not (piece.startswith(head) and piece.endswith(tail)):
                return False
            part = piece[len(head) : len(piece) - len(tail)].decode(errors="replace")
            return _PART.fullmatch(part) is not None

        tokens = [token for token in range(self._tokenizer.size) if holds(token)]
        return self._process.column_of(torch.tensor(tokens, dtype=torch.long, device="cpu"))

    def _column(self, token: int) -> int:
        return int(self._process.column_of(torch.tensor(token, device="cpu")))

    def _spelt(self, word: Word) -> list[int]:
        return self._ids[word.tokens.start : word.tokens.stop]

    def _conditionals(self, asked: Sequence[_Question]) -> Iterator[tuple[int, Tensor]]:
        """The answers, in any order: number of the question, (columns,) float64 of `log p`."""
        sizes: dict[int, list[int]] = defaultdict(list)
        canvases = [self._canvas(question) for question in asked]
        for n, (ids, _) in enumerate(canvases):
            sizes[len(ids)].append(n)
        batches = (
            same[i : i + self._batch_size] for same in sizes.values() for i in range(0, len(same), self._batch_size)
        )
        for numbers in batches:
            x = torch.tensor([canvases[n][0] for n in numbers], device="cpu")
            where = torch.zeros_like(x, dtype=torch.bool)
            where[range(len(numbers)), [canvases[n][1] for n in numbers]] = True
            sigma = sigma_of_masked(self._noise, (x == self._process.mask_id).double().mean(1))
            for scored in self._model.log_scores(x, sigma, where):
                laws = scored.log_score.cpu().double().log_softmax(-1)
                for row, law in zip(scored.row.tolist(), laws, strict=True):
                    yield numbers[row], law

    def _canvas(self, question: _Question) -> tuple[list[int], int]:
        """The text around a word, in the middle where there is as much on both sides: ids, and the position."""
        mask, word, given = self._process.mask_id, question.word, question.given
        start, stop = word.tokens.start, word.tokens.stop
        room = self._length - question.count
        left = min(start, max(room // 2, room - (len(self._ids) - stop)))

        def shown(begin: int, end: int) -> list[int]:
            ids = self._ids[begin:end]
            return [mask if i in question.hidden else token for i, token in enumerate(ids, begin)]

        masks = [mask] * (question.count - len(given))
        ids = [*shown(start - left, start), *given, *masks, *shown(stop, stop + room - left)]
        return ids, left + len(given)


def _words(text: str, tokenizer: Tokenizer, offset: int) -> list[Word]:
    """The words of a text, whose tokens are numbered from `offset` on."""
    spans, words = token_spans(text, tokenizer), list[Word]()
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    last = 0, 0
    for start, end in word_spans(text):
        first, stop = bisect_right(ends, start), bisect_left(starts, end)
        same = text[slice(*last)].casefold() == text[start:end].casefold()
        repeats = last[1] if same and _BLANK.fullmatch(text, last[1], start) else None
        beside = text[starts[first] : start], text[end : ends[stop - 1]]
        words.append(Word(start, end, range(first + offset, stop + offset), *beside, repeats))
        last = start, end
    return words
