"""How what is written in a gap fits its place: `before|original|after`, what is written, and the faults."""

import pytest

from sedd_cli.text.balance import is_balanced, unmatched
from sedd_cli.text.gap_style import GapStyle
from sedd_cli.text.gaps import Gap
from sedd_cli.text.markers import marker_gaps


def style_of(where: str) -> GapStyle:
    """Of the gap between the first two bars, beside the markers behind it."""
    before, original, after, *_ = where.split("|")
    document, gap = before + original + after, Gap(len(before), len(before + original))
    return GapStyle.of_gap(document, [gap, *(g for g in marker_gaps(document) if g.start > gap.start)])


TALK = 'He said, "I |like| it (much)."'


@pytest.mark.parametrize(
    ("where", "text", "faults"),
    [
        # Quotes and brackets: as balanced as the original, where the paragraph is.
        (TALK, 'see"', {"balance": 1}),
        (TALK, 'see," he said, "that', {}),
        (TALK, "do (not", {"balance": 1}),
        (TALK, "don't", {}),
        (TALK, "a) b) (c", {"balance": 3}),
        ('He said, |"No,| I do not."', "no,", {"balance": 1}),
        ('He said, |"No,| I do not."', '"No, no,', {}),
        ('5" pipe, |red| (new)', '4"', {}),
        ('5" pipe, |red| (new)', "4)", {"balance": 1}),
        ('A 5" pipe.\n\nA |red| one.', '4"', {"balance": 1}),
        ("Oh.|| My.", ' "Go.', {"balance": 1}),
        ('"Oh.|| My.', ' Go."', {}),
        ("see `|a|` and", "b` or", {"balance": 1}),
        # Words that run into each other, where none nearby does.
        ("I ran. |He| did.", "SheHe", {"run-on": 1}),
        ("I ran. |He| did.", "Oh heHe sheHe", {"run-on": 2}),
        ("The iPhone. |He| did.", "SheHe", {}),
        # The end of a sentence.
        ("I ran. |He did.| So.", "She did", {"right": 1}),
        ("I ran. |He did.| So.", '"Oh, go!".', {"right": 1}),
        ("I ran. |He did.| So.", '"Oh, go!"', {}),
        ("I ran. |He did.| So.", "Oh", {}),
        # The first letter.
        ("I ran. |He| did not.", "she", {"case": 1}),
        ("I ran. |He| did not.", '"she"', {"case": 1}),
        ("I ran. |He| did not.", "She", {}),
        ("I ran. |he| did not.", "she", {}),
        ("|He| did not.", "she", {"case": 1}),
        ("I ran.\n\n|He| did not.", "she", {"case": 1}),
        ("x = 1.\n|He| = 2", "she", {}),
        ("I ran the way. |The dog| ran, and |", "the", {"case": 1}),
        ("and so |the| dog", "The", {}),
        ("the dog and so |the| cat", "The", {"case": 1}),
        ("the dog, |the| cat", "Tom", {}),
        ("the dog and |he| ran", "I", {}),
        ("Say Rose, a rose, |and| go", "Rose", {}),
        ("I ran. || He did not.", "she", {"case": 1}),
        ("I ran.|| He did not.", " she", {"case": 1}),
        ("I ran.|| He did not.", " She", {}),
        ("I ran.||", " she", {"case": 1}),
        ("it is self.||\n", "she", {}),
        # A marker names a gap, and is no text.
        ("I ran. |[[3]]| He did not.", "she", {"case": 1}),
        ("I ran|[[2-5]]| home.", "fast", {"left": 1}),
        ("I ran |[[...]]| home.", "fast", {}),
        ("I ran. She sat. i hid. || He did not.", "she", {}),
        ("Ask e.g. || now.", "she", {}),
        ('"Go!" |Tom| said.', "she", {}),
        # Lines from their beginning.
        ("a\n|    b = 1|\nc", "    x", {}),
        ("a\n|    b = 1|\nc", "  x", {"indentation": 1}),
        ("a\n|    b = 1|\nc", "x", {"indentation": 1}),
        ("a\n|    b = 1|\nc", "    (x)", {}),
        ("    a\n||\n    b", "x", {"indentation": 1}),
        ("    a\n||\n    b", "    x", {}),
        ("    a\n||\nb", "x", {}),
        ("if a:\n||\n    b", "x", {"indentation": 1}),
        ("if a:\n||\n    b", "    x", {}),
        ("if a:\n||\n", "  x", {}),
        ("  a\n||\n", "x", {"indentation": 1}),
        ("  return a\n||\n", "x", {}),
        ("  a\n||  b\n", "  x\n", {}),
        ("  a\n||  b\n", "x", {"right": 1, "indentation": 1}),
        ("A.\n|| B.\n", "C.", {}),
        ("A.\n|| B.\n", " C.\n", {"left": 1, "right": 1}),
        ("a\n||\nb", "  x", {"indentation": 1}),
        ("a |b| c", "  x", {"left": 1}),
    ],
)
def test_what_does_not_fit(where: str, text: str, faults: dict[str, int]) -> None:
    style = style_of(where)
    assert style.faults(style.document[: style.start], text, style.document[style.end :]) == faults


@pytest.mark.parametrize(
    ("where", "ends"),
    [
        # What stood there did.
        ("I ran. |He fell.| She laughed.", True),
        ("I ran. |He fell|. She laughed.", False),
        ("I ran. |He fell.|", True),
        ("I ran. He |fell!|\n\nShe laughed.", True),
        ('I ran. |"He fell."| She laughed.', True),
        ('He said, "I ran. |I fell.|" She laughed.', True),
        ('|"I fell!"| he said.', False),
        ("I ran. |He fell,| and rose.", False),
        ("I gave |3.|50 to him.", False),
        ('|name = "Who?"|\n', False),
        ('|Print("Hello.")|\n', False),
        ("# |last customer.|\n", True),
        ('{"a": "|He ran.|"}', True),
        ("**|He ran.|** He sat.", True),
        ("He met |Dr.| Smith.", False),
        ("|x.save!|\n", False),
        ("|1.| One", False),
        # Nothing did, between sentences.
        ("I ran. || She laughed.", True),
        ("I ran.|| She laughed.", True),
        ("I ran.||", True),
        ("I ran.||She laughed.", False),
        ("I ran. ||She laughed.", True),
        ("I ran all day.\n\n||\n\nShe laughed out loud.", True),
        ("I ran all day.\n\n||She laughed out loud.", True),
        ("I ran all day.\n\n||\n\nTom", False),
        ("I ran all day.\n\n||\n====\n", False),
        ('"Go!" || She laughed.', True),
        ("(I ran.) || *She* laughed.", True),
        ("I ran. || 3 cats sat.", True),
        ("I ran. |[[5]]| She sat. [[6]] I ran.", True),
        ("I ran. |[[5]]| [[6]] She sat.", True),
        ("I saw Mr. || Smith.", False),
        ("Chapter IV. ||\n", False),
        ("User.save!\n||\nputs x", False),
        ('    "Hello."\n    ||\n)', False),
        ("I ran. |[[12]]| She laughed.", True),
        ("I ran. || and laughed.", False),
        ("I ran||. She laughed.", False),
        ("I || ran.", False),
        ("x = a.\n||\n", False),
        ("|| She laughed.", False),
    ],
)
def test_where_a_sentence_has_to_end(where: str, ends: bool) -> None:
    assert style_of(where).ends_sentence == ends


@pytest.mark.parametrize(
    ("where", "within"),
    [
        ("The || kite flew.", True),
        ("The|| kite flew.", True),
        ("The kite flew||.", True),
        ('He ran. "Oh," he said, "I || like it, too."', True),
        ("The |[[...]]| kite flew.", True),
        ("The |[[...]]| kite [[...]] flew.", True),
        ("When || I sat, he ran.", True),
        ("The |red| kite flew.", False),
        ("He ran. || the kite flew.", False),
        ("He ran. || The kite flew.", False),
        ("He saw || Tom.", False),
        # Code is no prose.
        ("x = || and b", False),
        ("return ||.", False),
        ("Item(||, b)", False),
        ("self.items = a ||, b", False),
    ],
)
def test_what_is_inserted_within_a_sentence(where: str, within: bool) -> None:
    assert style_of(where).is_within_sentence == within


def test_signs_without_a_counterpart() -> None:
    assert unmatched('a) "b" (c [d] “e "f') == {")": (1,), "(": (7,), "“": (14,), '"': (17,)}
    assert is_balanced('"Hi"', "a (b)") and not is_balanced('"Hi', "Hi")
    assert is_balanced("x)", "y)") and not is_balanced(")(", "(") and not is_balanced(")(", "")
