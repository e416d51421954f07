"""Which tokens would join a gap's edge badly, without trying every one: those alike at an edge are tried once."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from weakref import WeakKeyDictionary

from sedd_cli.text.balance import signs_of
from sedd_cli.text.edges import STOPS, first_word, last_word
from sedd_cli.text.letter_case import capitals_within, first_word_of
from sedd_cli.text.sentences import STOPS_AND_QUOTES, ends_sentence
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.words import OPENING, is_letter, starts_with_word

_LEADING = re.compile(r"[^\S\r\n]*([\w'\u2019]*)")
_TRAILING = re.compile(r"([\w'\u2019]*)[^\S\r\n]*\Z")
_LETTER = re.compile(r"[^\W\d_]")
_letter = lru_cache(maxsize=None)(is_letter)


class EdgeTokens:
    """The tokens of a vocabulary, by their texts, grouped by what `GapStyle.faults` looks at where they stand in a gap.

    That is the kind of their first and last characters, their blanks, quotes and brackets, and, of words alone, whether
    one is doubled: a token can double a word only if its own letters are part of it. `holding`: the tokens with a quote
    or a bracket, by sign.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        groups: dict[object, list[int]] = defaultdict(list)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        kinds: dict[tuple[bool, str, str, int], object] = {}
        for token, text in enumerate(texts):
            word = text.removeprefix(" ")
            if word.isalpha() and word.isascii():
                # Most tokens are such words: of one kind by their ends, which takes a third of the time.
                ends = len(word) < len(text), word[0], word[-1], len(capitals_within(word))
                kind, words = kinds.get(ends) or kinds.setdefault(ends, _kind(text)), {word.lower()}
            else:
                kind, words = _kind(text), _words(text)
            groups[kind].append(token)
            for part in words:
                self._by_word[part].append(token)
        self._groups = list(groups.values())
        signs = ((token, set(signs_of(text))) for token, text in enumerate(texts))
        self.holding = _inverted((token, found) for token, found in signs if found)
        begun = ((token, first_word_of(text)) for token, text in enumerate(texts))
        self._capitalised = [(token, first.casefold()) for token, first in begun if first[:1].isupper()]

    def where(
        self, holds: Callable[[str], bool], before: str, after: str, each: Collection[int] = frozenset()
    ) -> list[int]:
        """The tokens for whose text something holds that depends on `GapStyle.faults` alone, in order.

        `before` and `after`: the texts beside the gap. `holds` is called for one token of each group, for those that
        might double a word of these texts, and for `each`.
        """
        apart = self._parts_of(filter(None, (last_word(before), first_word(after)))).union(each)
        found = [token for token in apart if holds(self._texts[token])]
        for group in self._groups:
            alike = next((token for token in group if token not in apart), None)
            if alike is not None and holds(self._texts[alike]):
                found += [token for token in group if token not in apart] if apart else group
        return sorted(found)

    def capitals_of(self, words: Iterable[str]) -> list[int]:
        """The tokens with whose capital letter one of these words may begin, which are in lower case."""
        beginnings = {word[:size] for word in words for size in range(1, len(word) + 1)}
        return [token for token, word in self._capitalised if word in beginnings]

    def _parts_of(self, words: Iterable[str]) -> set[int]:
        parts = {word[a:b] for word in words for a in range(len(word)) for b in range(a + 1, len(word) + 1)}
        return {token for part in parts for token in self._by_word.get(part, ())}


def _inverted(found: Iterable[tuple[int, Iterable[str]]]) -> dict[str, frozenset[int]]:
    tokens: dict[str, set[int]] = defaultdict(set)
    for token, signs in found:
        for sign in signs:
            tokens[sign].add(token)
    return {sign: frozenset(those) for sign, those in tokens.items()}


def edge_tokens(tokenizer: Tokenizer) -> EdgeTokens:
    """The tokens of a tokenizer, grouped when they are first asked for."""
    if tokenizer not in _KNOWN:
        _KNOWN[tokenizer] = EdgeTokens([tokenizer.decode([token]) for token in range(tokenizer.size)])
    return _KNOWN[tokenizer]


_KNOWN: WeakKeyDictionary[Tokenizer, EdgeTokens] = WeakKeyDictionary()


def _kind(text: str) -> object:
    """What `GapStyle.faults` sees of a token's text but for its words. Blanks, and stops, are of kinds of their own."""
    body = text.lstrip()
    if not body.strip(STOPS_AND_QUOTES):
        return text
    blanks, run_on = text[: len(text) - len(body)], len(capitals_within(text))
    return blanks, _begins(body), _ends(text), signs_of(text), _case(text), run_on


def _case(text: str) -> str:
    """The case of the letter that a text begins with; "" if it begins with none."""
    first = first_word_of(text)[:1]
    return "upper" if first.isupper() else "lower" if first.islower() else first and "none"


def _begins(text: str) -> object:
    first = text[0]
    stop = first in STOPS and (len(text) == 1, text[1:2].isspace())
    # What follows signs that all open a word decides whether they do.
    opens = starts_with_word(text) if text.lstrip(OPENING) else None
    return stop, opens, _letter(first), _is_word(first)


def _ends(text: str) -> object:
    last = text[-1]
    if last.isspace():
        return last
    match = _TRAILING.search(text)
    run = match[1] if match else ""
    return last in STOPS, ends_sentence(text), last.islower(), _letter(last), bool(run), bool(_LETTER.search(run))


def _words(text: str) -> set[str]:
    """The word characters with which a token begins and ends, blanks aside, and those from their first letter on."""
    leading, trailing = _LEADING.match(text), _TRAILING.search(text)
    runs = {match[1] for match in (leading, trailing) if match and match[1]}
    if trailing and (letter := _LETTER.search(trailing[1])):
        runs.add(trailing[1][letter.start() :])
    return {run.casefold() for run in runs}


def _is_word(character: str) -> bool:
    return bool(_LEADING.match(character)[1])  # type: ignore[index]  # it matches every text
