"""Tokens are found by what they spell: whole words first, then beginnings, then parts; likeliest first."""

import pytest

from sedd_cli import Checkpoint
from sedd_cli.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def law(built_in: Checkpoint) -> list[float]:
    """The longer a token's id, the less likely it is."""
    assert built_in.tokenizer is not None
    return [1 / (1 + i) for i in range(built_in.tokenizer.size)]


def found(checkpoint: Checkpoint, query: str, law: list[float], limit: int = 10_000) -> list[str]:
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    return [tokenizer.decode([i]) for i in Vocabulary(tokenizer, 0).find(query, law, limit)]


def test_whole_words_come_first_then_beginnings_then_parts(built_in: Checkpoint, law: list[float]) -> None:
    texts = found(built_in, "park", law)
    kinds = [
        0 if text.strip().lower() == "park" else 1 if text.strip().lower().startswith("park") else 2 for text in texts
    ]
    assert " park" in texts[:2] and kinds == sorted(kinds) and " sparkly" in texts
    assert all("park" in text.lower() for text in texts)


def test_among_equals_the_likelier_comes_first(built_in: Checkpoint, law: list[float]) -> None:
    assert built_in.tokenizer is not None
    ids = [built_in.tokenizer.encode(text)[0] for text in found(built_in, "str", law) if text.startswith(" str")]
    assert len(ids) > 5 and ids == sorted(ids)
    assert found(built_in, "str", law, 3) == found(built_in, "str", law)[:3]


def test_a_blank_asks_for_the_beginning_of_a_word(built_in: Checkpoint, law: list[float]) -> None:
    assert "ing" in found(built_in, "ing", law)
    assert all(text.lower().startswith(" s") for text in found(built_in, " s", law))


def test_an_empty_query_finds_the_likeliest_and_nothing_is_offered_that_is_excluded(
    built_in: Checkpoint, law: list[float]
) -> None:
    tokenizer = built_in.tokenizer
    assert tokenizer is not None
    vocabulary = Vocabulary(tokenizer, 0)
    ids = vocabulary.find("", law, 5)
    assert ids == sorted(ids) and not set(ids) & set(tokenizer.special_ids)
    assert vocabulary.find("", law, 5, {ids[0]})[0] == ids[1]
    assert not set(vocabulary.find("", law, 10_000)) & set(tokenizer.broken_tokens)


def test_without_a_tokenizer_ids_are_found() -> None:
    assert Vocabulary(None, 30).find("2", [1.0] * 30, 5) == [2, 20, 21, 22, 23]
