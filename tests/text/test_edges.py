"""How what is written in a gap joins the text beside it: `before|original|after`, and what is written."""

import pytest

from sedd_cli.text.edges import faulty_sides


@pytest.mark.parametrize(
    ("where", "text", "sides"),
    [
        # A word twice.
        ("a red |big| kite", "red", "left"),
        ("a red |big| kite", "Kite", "right"),
        ("a| red| kite", " red kite", "right"),
        ("Look, |Tom|!", "look", ""),
        ("a\n|big| kite", "a", ""),
        ("it is very |very| good", "very", ""),
        ("1 |2| 3", "1", ""),
        # Only blanks.
        ("a |big| kite", "", "left"),
        ("a |big| kite", " \n", "left"),
        ("a|  |kite", "  ", ""),
        # Words run into each other.
        ("The hill|| is high", "s", "left"),
        ("The hill|| is high", " top", ""),
        ("The hill|| is high", ",", ""),
        ("The hi||ll", "s", ""),
        ("The hill||", "s", ""),
        ("Oh,|| he said", "my", "left"),
        ("Oh| my|, he said", "my", "left"),
        ("x(|a|) + 1", "b", ""),
        ("The |big |kite", "red", "right"),
        ("The |big |kite", "red ", ""),
        ("\n||Kite", "The", "right"),
        # Blanks where none stood.
        ("self.|name| = name", " he", "left"),
        ("see `|tools|`", "the ", "right"),
        ("see `|tools|`", " the ", "left right"),
        ("1,|Tom|,red", " Tom", "left"),
        ("the dog|.| The", " and a cat.", ""),
        ("|Tom| ran", " He", "left"),
        ("Oh.\n|Tom| ran", " He", "left"),
        ("Oh.\n|Tom| ran", "\nHe", "left"),
        ("Oh.\r\n|  Tom| ran", "  He", ""),
        ("Oh.\r\n|  Tom| ran", "\r\nHe", "left"),
        ("a| big| kite", "\nred", ""),
        ("a |big| kite", " red", "left"),
        ("a |big| kite", "red ", "right"),
        ("||kite", "red ", ""),
        ("Oh.|| ", " My", ""),
        # Punctuation.
        ("Tom |ran|.", "ran.", "right"),
        ("Tom, |ran|.", ", and", "left"),
        ("Tom |!= x|", "!= y", ""),
        ("Tom |..|.", ".", ""),
    ],
)
def test_what_joins_badly(where: str, text: str, sides: str) -> None:
    before, original, after = where.split("|")
    assert faulty_sides(before, text, after, original) == set(sides.split())
