"""Text that says the same words twice in a row."""

import pytest

from sedd_cli.text.repetition import repeats_itself


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("They had lots of fun. They had lots of fun!", True),
        ("He had a ball, a ball, and a kite.", True),
        ("She ran home.\nHome she ran. She ran.", True),
        ("It\u2019s Tom\u2019s. It\u2019s Tom\u2019s.", True),
        ("a very, very, very, very big dog", False),
        ("a[i][j] = a[i][j] + 1, 2, 1, 2", False),
        ("He saw the cat and the dog saw the cat.", False),
        ("", False),
    ],
)
def test_words_twice_in_a_row(text: str, repeats: bool) -> None:
    assert repeats_itself(text) == repeats
