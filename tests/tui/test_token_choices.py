"""What is offered at a position: found tokens, and words of one's own in as many tokens as there is room for."""

from collections.abc import Collection

import pytest

from sedd_cli import Checkpoint
from sedd_cli.text.vocabulary import Vocabulary
from sedd_cli.tui.token_choices import TokenChoices


def choices(
    checkpoint: Checkpoint, room: int = 20, *, begins_word: bool = True, excluded: Collection[int] = ()
) -> TokenChoices:
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    law = [1 / (1 + i) for i in range(tokenizer.size)]
    return TokenChoices(tokenizer, Vocabulary(tokenizer, 0), law, None, begins_word, room, lambda i: excluded)


def test_a_word_of_ones_own_is_offered_behind_the_likeliest_match(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    found = choices(built_in).find("drago")
    assert found[0].label == "·dragon" and found[0].probability is not None
    assert found[1].label == "·drago" and found[1].probability is None
    assert built_in.tokenizer.decode(found[1].tokens) == " drago"
    (own,) = choices(built_in).find("xylophonists")
    assert built_in.tokenizer.decode(own.tokens) == " xylophonists" and len(own.tokens) > 1 and not own.problem


def test_a_word_that_is_a_token_is_offered_once_with_its_probability(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    found = choices(built_in).find("park")
    assert all(choice.probability is not None for choice in found)
    assert [choice.label for choice in found].count("·park") == 1


@pytest.mark.parametrize(("room", "told"), [(1, "1 is free here"), (2, "2 are free here")])
def test_a_word_without_room_says_what_it_needs(built_in: Checkpoint, room: int, told: str) -> None:
    (own,) = choices(built_in, room).find("xylophonists")
    assert own.problem == f"needs {len(own.tokens)} tokens; {told}"


def test_blanks_before_a_word_are_added_where_one_stands(built_in: Checkpoint) -> None:
    (own,) = choices(built_in, begins_word=False).find("xylophonists")
    assert own.label == "xylophonists"
    (own,) = choices(built_in, begins_word=False).find(" xylophonists  ")
    assert own.label == "·xylophonists"
    assert all(choice.probability is not None for choice in choices(built_in).find("  "))


def test_what_cannot_be_written_is_not_offered(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    (park,) = built_in.tokenizer.encode(" park")
    found = choices(built_in, excluded={park}).find("park")
    assert not any(choice.tokens == (park,) and not choice.problem for choice in found)
    assert any(choice.problem == "cannot be written here" for choice in found)
