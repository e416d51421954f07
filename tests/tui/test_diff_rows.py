"""A diff in rows: what stands beside what, and which words are marked."""

from hypothesis import given
from hypothesis import strategies as st

from sedd_cli.render.diff import changes_between, diff_parts
from sedd_cli.tui.diff_rows import Line, Row, lines_of, rows_beside, rows_under

BEFORE = "One day Max ran to the park and back home again.\nHe sat.\nThe end.\n"
AFTER = "One day Max swam to the big lake and then back home again, and then he slept.\nThe end.\n"


def lines(before: str, after: str) -> list[Line]:
    return list(lines_of(diff_parts(before, after, changes_between(before, after), "story.txt")))


def text_of(rows: list[Row], side: int) -> list[str]:
    return [row[side].text if row[side] else "" for row in rows if len(row) > 1]  # type: ignore[union-attr]


def test_lines_have_signs_changed_words_and_places() -> None:
    place, removed, gone, added, same = lines(BEFORE, AFTER)
    assert place == Line("", "line 1", "place")
    assert (removed.sign, removed.kind, gone.text, same) == ("-", "removed", "He sat.", Line(" ", "The end.", ""))
    assert [added.text[a:b] for a, b in added.changed] == ["swam", "big lake", "then", ", and then he slept"]


def test_one_under_the_other_long_lines_are_wrapped_between_words() -> None:
    rows = [row[0] for row in rows_under(lines(BEFORE, AFTER), 30)]
    assert all(line is not None and len(line.sign + line.text) <= 30 for line in rows)
    removed = [line for line in rows if line and line.kind == "removed"]
    assert [line.sign for line in removed] == ["-", " ", "-"]
    marked = [line.text[a:b] for line in removed for a, b in line.changed]
    assert marked[0] == "ran" and "park" in marked


def test_side_by_side_the_same_line_is_on_the_same_row() -> None:
    rows = rows_beside(lines(BEFORE, AFTER), 63)
    assert rows[0] == (Line("", "line 1", "place"),)
    old, new = text_of(rows, 0), text_of(rows, 1)
    assert old[0].startswith("One day Max ran") and new[0].startswith("One day Max swam")
    # The new line takes more rows than the old one: what follows still begins beside its like.
    assert old[2:] == ["", "He sat.", "The end."] and new[3:] == ["", "The end."]
    assert "".join(text_of(rows, 1)) == AFTER.replace("\n", "")


def test_what_is_only_added_has_nothing_beside_it() -> None:
    rows = rows_beside(lines("a\nb\n", "a\nnew\nb\n"), 63)
    assert [(row[0] and row[0].text, row[-1] and row[-1].text) for row in rows[1:]] == [
        ("a", "a"),
        (None, "new"),
        ("b", "b"),
    ]


def test_a_missing_newline_is_remarked_beside_its_text() -> None:
    rows = rows_beside(lines("a\nb", "a\nc\n"), 63)
    assert [line.text if line else None for line in rows[-1]] == ["No newline at end of file", None]


def test_tabs_and_control_characters_do_not_shift_what_is_marked() -> None:
    _, removed, added = lines("a\tdog\x1b ran.\n", "a\tcat\x1b ran.\n")
    assert [line.text[a:b] for line in (removed, added) for a, b in line.changed] == ["dog", "cat"]
    assert removed.text.startswith("a   dog") and "\x1b" not in removed.text


TEXTS = st.lists(st.text(alphabet="ab 日", max_size=30), max_size=6).map("\n".join)


@given(TEXTS, TEXTS, st.integers(12, 80))
def test_no_line_is_lost_on_either_side(before: str, after: str, width: int) -> None:
    found = lines(before, after)
    rows = rows_beside(found, width)
    for side, kinds in ((0, ("removed", "")), (1, ("added", ""))):
        shown = "".join(row[side].text for row in rows if len(row) > 1 and row[side] and row[side].kind in kinds)  # type: ignore[union-attr]
        assert shown == "".join(line.text for line in found if line.kind in kinds)
