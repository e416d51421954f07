"""Words that a text cuts or begins with."""

import pytest

from sedd_cli import Gap
from sedd_cli.text.words import begins_word, cut_word, starts_with_word, whole_words


@pytest.mark.parametrize(
    ("text", "at", "word"),
    [
        ("She ran to", 5, "ran"),
        ("She ran to", 4, None),
        ("She ran to", 7, None),
        ("don't go", 3, "don't"),
        ("don't go", 4, "don't"),
        ("well-known", 2, "well"),
        ("well-known", 4, None),
        ("dog.", 3, None),
        ("e\u0301tat", 1, "e\u0301tat"),
        ("日本語です", 2, None),
        ("ran", 0, None),
        ("ran", 3, None),
    ],
)
def test_where_a_word_is_cut(text: str, at: int, word: str | None) -> None:
    span = cut_word(text, at)
    assert (text[slice(*span)] if span else None) == word


def test_gaps_are_widened_to_whole_words() -> None:
    text = "She ran to the park."
    assert whole_words(text, Gap(5, 9, 3, one_line=True)) == Gap(4, 10, 3, one_line=True)
    assert whole_words(text, Gap(4, 7)) == Gap(4, 7) and whole_words(text, Gap(16, 18)) == Gap(15, 19)
    assert whole_words(text, Gap(5, 5, 2)) == Gap(5, 5, 2), "what is only inserted replaces no word"


@pytest.mark.parametrize("text", ["the end", "5 days", '"Hello', "(so", "élan"])
def test_what_begins_with_a_word(text: str) -> None:
    assert starts_with_word(text)


@pytest.mark.parametrize("text", ["", " the", ". The", "'s home", "\nthe", "日本", '"', "-ly", "( the"])
def test_what_begins_with_none(text: str) -> None:
    assert not starts_with_word(text)


def test_where_words_begin() -> None:
    text = 'Tom, "Hi" (all) don\'t\n\u65e5\u672c go'
    begun = [text.index(word) for word in ("Tom", '"Hi', "Hi", "(all", "all", "don", "go")]
    assert [at for at in range(len(text) + 1) if begins_word(text, at)] == begun
