"""Where the numbers of gaps are drawn, and that the page's text has none."""

import pytest

from sedd_cli.text.draft import Draft, Mark
from sedd_cli.tui.gap_numbers import number_of, numbered, numbered_span, signs
from sedd_cli.tui.page_layout import Page, Replacement, Token
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import PageBuilder
from sedd_cli.tui.wrapping import drawn

STORY = "Once upon a time\nA dog ran."
UPON, DOG = Mark(5, 9, "upon"), Mark(19, 22, "dog")


def seen(page: Page) -> list[str]:
    """The rows as they are drawn."""
    rows = []
    for y in range(page.height):
        visible = drawn(page.text_of(y))
        row = list(visible)
        for at, sign in signs(page.row(y), visible).items():
            row[at] = sign
        rows.append("".join(row).rstrip())
    return rows


def test_masks_are_numbered_over_the_blank_before_them() -> None:
    scene = Scene(Draft(STORY, (UPON, DOG)))
    page = PageBuilder(None, "certainty").build(scene, 40)
    assert seen(page) == ["Once¹··· a time", "A²··· ran."]
    assert "".join(map(page.text_of, range(page.height))) == "Once ··· a time\nA ··· ran."
    assert page.address(0, 4) == (4, 0) and page.address(0, 5) == (5, -1)


def test_one_gap_has_no_number() -> None:
    scene = Scene(Draft(STORY, (UPON,)))
    assert seen(PageBuilder(None, "certainty").build(scene, 40)) == ["Once ··· a time", "A dog ran."]


def test_what_is_written_and_awaits_a_verdict_keeps_its_number() -> None:
    marks = Mark(5, 9, "was", masked=False), DOG
    page = PageBuilder(None, "certainty").build(Scene(Draft(STORY, marks)), 40)
    assert seen(page) == ["Once¹upon a time", "A²··· ran."]
    # A span of two rows is numbered once.
    marks = Mark(5, 18, "was", masked=False), DOG
    page = PageBuilder(None, "certainty").build(Scene(Draft(STORY, marks)), 40)
    assert "".join(seen(page)).count("¹") == 1


@pytest.mark.parametrize(
    ("before", "token", "after", "shown"),
    [
        ("a ", Token("···", "mask"), " b", "a¹··· b"),
        ("a", Token(" ···", "mask"), " b", "a¹··· b"),
        ("", Token("···", "mask"), " b", "¹·· b"),
        ("(", Token("···", "mask"), ") b", "(¹··) b"),
        ("", Token("He", "pending"), " ran", "He¹ran"),
        ("(", Token("he", "pending"), ")", "(he)"),
    ],
)
def test_a_number_takes_the_nearest_cell_that_says_nothing(before: str, token: Token, after: str, shown: str) -> None:
    text = f"{before}x{after}"
    page = Page(text, [Replacement(len(before), len(before) + 1, numbered((token,), 1))], [], 40)
    assert seen(page) == [shown]


def test_the_first_character_of_a_span_is_not_cut() -> None:
    text = "e\u0301a"
    spans = list(numbered_span(text, Mark(0, 3, "", masked=False), 1, "pending"))
    assert spans == [(0, 2, "pending gap1"), (2, 3, "pending")]
    assert list(numbered_span("x", Mark(0, 1, "", masked=False), 1, "pending")) == [(0, 1, "pending gap1")]


def test_of_many_gaps_the_first_twenty_are_numbered() -> None:
    marks = tuple(Mark(2 * i, 2 * i + 1, "x") for i in range(30))
    draft = Draft("x " * 30, marks)
    assert [number_of(draft, mark) for mark in marks] == [*range(1, 21), *[0] * 10]
