"""Words of languages that put blanks between them: where a text cuts one, and whether it begins with one."""

import re
import unicodedata
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from sedd_cli.text.gaps import Gap

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

_WORD = re.compile(r"(?:\w[\u0300-\u036f]*)+(?:['\u2019](?:\w[\u0300-\u036f]*)+)*")
"""Letters and digits, with their combining marks and the apostrophes between them."""
OPENING = '"([{\u201c\u2018\u00ab\u00bf\u00a1'
"""Signs that stand before a word without a blank."""
NEAR = 16
"""Characters behind an offset that are looked at for the signs before a word."""
_UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA ", "BOPOMOFO ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ")
"""How Unicode's names of characters begin in scripts that put no blank between words."""


def words_of(text: str) -> list[str]:
    """The words of a text, whatever their case and the kind of their apostrophes."""
    return [word.casefold().replace("\u2019", "'") for word in _WORD.findall(text)]


def word_spans(text: str) -> list[tuple[int, int]]:
    """The span of each word that holds a letter."""
    return [word.span() for word in _WORD.finditer(text) if any(map(str.isalpha, word[0]))]


def cut_word(text: str, at: int) -> tuple[int, int] | None:
    """The span of the word that an offset lies within, None if it lies in none."""
    if not 0 < at < len(text) or not (_is_spaced(text[at - 1]) and _is_spaced(text[at])):
        return None
    low = at
    while low and not text[low - 1].isspace():
        low -= 1
    words = takewhile(lambda word: word.start() < at, _WORD.finditer(text, low))
    return next((word.span() for word in words if word.end() > at), None)


def whole_words(text: str, gap: Gap) -> Gap:
    """The gap, widened to the ends of words that it cuts. An empty gap stays as it is."""
    if gap.start == gap.end:
        return gap
    first, last = cut_word(text, gap.start), cut_word(text, gap.end)
    return replace(gap, start=first[0] if first else gap.start, end=last[1] if last else gap.end)


def starts_with_word(text: str) -> bool:
    """Whether a text begins with a word, or with one in quotes or brackets: what stands before it needs a blank."""
    return is_letter(text.lstrip(OPENING)[:1])


def begins_word(text: str, at: int) -> bool:
    """Whether a word begins at an offset, or one in quotes or brackets: what is inserted there needs a blank behind."""
    before = text[at - 1] if at else ""
    return (not before.strip() or before in OPENING) and starts_with_word(text[at : at + NEAR])


def is_letter(character: str) -> bool:
    """Whether a character, or "", is a letter or a digit of a script that puts blanks between words."""
    return character.isalnum() and _is_spaced(character)


def _is_spaced(character: str) -> bool:
    return not character.isspace() and not unicodedata.name(character, "").startswith(_UNSPACED)


def encode_ends(tokenizer: "Tokenizer", prompt: str, suffix: str) -> tuple[list[int], list[int], bool]:
    """The tokens of a prompt and of a suffix as a canvas holds them. Needs no torch.

    Returns with them whether what is written begins with the blank that ends the prompt. A suffix that begins with a
    word is read with a blank before it, as the word's token is in a text.
    """
    absorbs_space = prompt.endswith(" ") and tokenizer.has_space_tokens
    head = tokenizer.encode(prompt[:-1] if absorbs_space else prompt)
    return head, tokenizer.encode(f" {suffix}" if starts_with_word(suffix) else suffix), absorbs_space
