"""Whole sentences of a text that may begin and end anywhere."""

import pytest

from sedd_cli.text.sentences import ends_sentence, whole_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' and ran. He said, "Stop!" and sat. Then he we', 'He said, "Stop!" and sat.'),
        ("Once upon a time. They played", "Once upon a time."),
        ("Mr. Fox met Dr. Owl. They", "Mr. Fox met Dr. Owl."),
        ('"Hi," she said.\n\n"No." He ate', '"Hi," she said.\n\n"No."'),
        ("了。他走了。然后他说：“好！”后", "了。他走了。然后他说：“好！”"),
        ("He ate 3.5 cakes. So", "He ate 3.5 cakes."),
        ("The end.", "The end."),
        ("a cat ran. a dog sat. the", ""),
        ("Never ending", ""),
        ("", ""),
    ],
)
def test_they_begin_and_end_where_sentences_do(text: str, expected: str) -> None:
    assert whole_sentences(text, 60) == expected


def test_as_many_as_fit_and_one_at_least() -> None:
    text = "One one. Two two. Three three."
    assert whole_sentences(text, 17) == "One one. Two two."
    assert whole_sentences(text, 16) == "One one."
    assert whole_sentences(text, 1) == "One one."


def test_how_a_sentence_ends() -> None:
    assert all(map(ends_sentence, ("He ran.", '"Run!"', '"Go," he said.', "‘Who?’", 'He said "no".', "...", '".')))
    assert not any(map(ends_sentence, ("He ran", "He ran,", '"Run"', '"Run!".', '"Run!"\'?"', "(No.)", "3.5", "", '"')))
