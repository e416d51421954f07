"""A draft's marks: they stay where they belong, never overlap, and give back what stood there."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sedd_cli.text.draft import Draft, Mark
from sedd_cli.text.gaps import check_gaps

TEXT = st.text(alphabet="ab \r\né🌍", min_size=1, max_size=20)
NEW = st.text(alphabet="xy\n", max_size=5)


def span(draft: Draft, data: st.DataObject) -> tuple[int, int]:
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(draft.text))] * 2)))
    return low, high


def masked(draft: Draft, data: st.DataObject) -> Draft:
    """The draft with something more to be written; at an empty span, some tokens."""
    low, high = span(draft, data)
    return draft.mask(low, high, data.draw(st.sampled_from([None, 3, (2, 5), "auto"])) if low < high else 3)


def filled(draft: Draft, data: st.DataObject) -> Draft:
    """The draft with some of its gaps written; what is written is something."""
    some = [mark for mark in draft.masked if data.draw(st.booleans())]
    return draft.fill({mark: data.draw(NEW.filter(bool)) for mark in some})


def edited(draft: Draft, data: st.DataObject) -> Draft:
    return draft.edit(*span(draft, data), data.draw(NEW))


def judged(draft: Draft, data: st.DataObject) -> Draft:
    if not draft.marks:
        return draft
    mark = data.draw(st.sampled_from(draft.marks))
    return draft.accept(mark) if data.draw(st.booleans()) else draft.reject(mark)


def after(changes: list[object], text: str, data: st.DataObject) -> Draft:
    """A draft of a text after some changes of these kinds."""
    draft = Draft(text)
    for change in data.draw(st.lists(st.sampled_from(changes), max_size=8)):
        draft = change(draft, data)  # type: ignore[operator]
    return draft


def restored(draft: Draft, data: st.DataObject) -> Draft:
    """The draft with every mark's original put back, in any order."""
    while draft.marks:
        draft = draft.reject(data.draw(st.sampled_from(draft.marks)))
    return draft


def texts(draft: Draft) -> list[str]:
    """What stands in each mark."""
    return [draft.text[mark.start : mark.end] for mark in draft.marks]


@given(TEXT, st.data())
def test_what_was_masked_and_written_can_be_taken_back(text: str, data: st.DataObject) -> None:
    draft = after([masked, filled], text, data)
    assert restored(draft, data).text == text


@given(TEXT, st.data())
def test_masking_changes_no_text_and_remembers_it(text: str, data: st.DataObject) -> None:
    draft = after([masked], text, data)
    assert draft.text == text and [mark.original for mark in draft.marks] == texts(draft)
    low, high = span(draft, data)
    more = draft.mask(low, high, 3)
    assert any(mark.start <= low and high <= mark.end for mark in more.masked)
    assert {i for m in more.marks for i in range(m.start, m.end)} >= {
        *range(low, high),
        *(i for m in draft.marks for i in range(m.start, m.end)),
    }


@given(TEXT, st.data())
def test_marks_are_in_order_and_never_overlap(text: str, data: st.DataObject) -> None:
    draft = after([masked, filled, edited, judged], text, data)
    at = 0
    for mark in draft.marks:
        assert at <= mark.start <= mark.end <= len(draft.text)
        at = mark.end
        assert mark.end > mark.start or mark.tokens is not None


@given(TEXT, st.data())
def test_every_gap_that_is_asked_for_is_one_of_its_own(text: str, data: st.DataObject) -> None:
    """Gaps that touch are one to the filler: the second would have no tokens of its own."""
    draft = after([masked, filled, edited, judged], text, data)
    assert check_gaps(draft.gaps, len(draft.text)) == draft.gaps


@pytest.mark.parametrize("how", ["what is between is deleted", "what is between is taken back", "masked up to it"])
def test_gaps_that_come_to_touch_become_one(how: str) -> None:
    draft = Draft("one two three four").mask(3, 7).mask(13, 18)
    if how == "what is between is deleted":
        draft = draft.edit(7, 13, "")
    elif how == "what is between is taken back":
        draft = Draft("one two four").mask(3, 6).mask(7, 7, 2).mask(8, 12)
        draft = draft.fill({draft.marks[1]: "x"}).edit(8, 9, "").edit(6, 7, "")
        draft = draft.reject(draft.marks[1])
    else:
        draft = Draft("one two three four").mask(3, 7).mask(8, 13)
        draft = draft.fill({draft.marks[1]: "xyz"}).edit(7, 8, "").mask(9, 12)
    assert len(draft.masked) == 1 and check_gaps(draft.gaps, len(draft.text)) == draft.gaps


@given(TEXT, st.data())
def test_marks_move_along_with_what_is_typed_around_them(text: str, data: st.DataObject) -> None:
    draft = after([masked, filled], text, data)
    edges = [0, *(edge for mark in draft.marks for edge in (mark.start, mark.end)), len(draft.text)]
    k = data.draw(st.integers(0, len(edges) // 2 - 1)) * 2
    # Between two marks; an empty one is not in the middle of what is replaced.
    low, high = sorted(data.draw(st.tuples(*[st.integers(edges[k], edges[k + 1])] * 2)))
    new = data.draw(NEW)
    assume(new or (low, high) != (edges[k], edges[k + 1]))  # gaps that come to touch are one, as above
    typed = draft.edit(low, high, new)
    assert typed.text == draft.text[:low] + new + draft.text[high:]
    assert texts(typed) == texts(draft)
    assert [replace(mark, start=0, end=0) for mark in typed.marks] == [
        replace(mark, start=0, end=0) for mark in draft.marks
    ]
    # Taking the marks back gives the text that was typed into without them.
    before = restored(replace(draft, text=draft.text[:low] + "\0" * (high - low) + draft.text[high:]), data).text
    if low < high:
        assert restored(typed, data).text == before.replace("\0" * (high - low), new)


@given(TEXT, st.data())
def test_typing_inside_a_mark_belongs_to_it_and_replacing_all_of_it_ends_it(text: str, data: st.DataObject) -> None:
    draft = after([masked, filled], text, data)
    wide = [mark for mark in draft.marks if mark.end - mark.start > 1]
    if not wide:
        return
    mark = data.draw(st.sampled_from(wide))
    at, new = data.draw(st.integers(mark.start + 1, mark.end - 1)), data.draw(NEW)
    (found,) = [m for m in draft.edit(at, at, new).marks if m.start == mark.start and m.end > m.start]
    assert found.end == mark.end + len(new) and found.original == mark.original
    gone = draft.edit(mark.start, mark.end, new)
    assert gone.text == draft.text[: mark.start] + new + draft.text[mark.end :]
    assert len(gone.marks) < len(draft.marks)


@given(TEXT, st.data())
def test_settle_and_keep_change_no_text(text: str, data: st.DataObject) -> None:
    draft = after([masked, filled], text, data)
    if not draft.marks:
        return
    mark = data.draw(st.sampled_from(draft.marks))
    others = tuple(other for other in draft.marks if other != mark)
    assert draft.accept(mark) == Draft(draft.text, others)
    changed = draft.set_length(mark, tokens=7)
    assert changed.text == draft.text and len(changed.marks) == len(draft.marks)
    assert replace(mark, tokens=7) in changed.marks and set(others) <= set(changed.marks)


@settings(max_examples=30)
@given(TEXT, st.data())
def test_a_character_finds_its_mark(text: str, data: st.DataObject) -> None:
    draft = after([masked], text, data)
    for offset in range(len(text) + 1):
        found = draft.at(offset)
        around = [m for m in draft.marks if m.start <= offset < m.end or m.start == m.end == offset]
        assert found == (around[0] if around else None)


def test_a_gap_takes_in_what_it_touches() -> None:
    draft = Draft("one two three").mask(0, 3, 2).mask(8, 13)
    assert draft.mask(3, 8).marks == (Mark(0, 13, "one two three"),)
    assert draft.mask(1, 2).marks[0] == Mark(0, 3, "one", 2)
    assert draft.mask(4, 6).marks == (Mark(0, 3, "one", 2), Mark(4, 6, "tw"), Mark(8, 13, "three"))
    assert draft.mask(5, 5) is draft
    assert draft.mask(5, 5, 4).marks[1] == Mark(5, 5, "", 4)


def test_what_was_written_is_masked_again_with_what_it_replaced() -> None:
    draft = Draft("one two three").mask(4, 7)
    draft = draft.fill({draft.marks[0]: "twenty"})
    assert (draft.text, draft.marks) == ("one twenty three", (Mark(4, 10, "two", masked=False),))
    again = draft.mask(6, 16)
    assert again.marks == (Mark(4, 16, "two three"),)
    assert again.reject(again.marks[0]) == Draft("one two three")
