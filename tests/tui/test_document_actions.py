"""The document by its keys: masked, written, judged, edited; all of it undone and done again."""

import re
from dataclasses import replace

import pytest
from textual.events import Paste
from textual.widgets import Input

from sedd_cli.text.draft import Mark
from sedd_cli.tui.screens.diff import DiffScreen
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.widgets.inspector import Inspector
from tests.tui.conftest import Opened, Seat, one_size

pytestmark = pytest.mark.asyncio

STORY = "Once upon a time, there was a little dog.\nHe ran to the park.\n"
UPON = STORY.index("upon")
DOG = STORY.index("dog")


def spans(seat: Seat) -> list[tuple[int, int]]:
    return [(mark.start, mark.end) for mark in seat.scene.draft.marks]


def shown(seat: Seat) -> str:
    """The whole page."""
    return "".join(seat.page.text_of(y) for y in range(seat.page.height))


async def two_gaps(seat: Seat) -> None:
    """`upon` and `dog` are masked; the cursor is on the first MASK of the second."""
    await seat.rush("ctrl+right", "m")
    seat.canvas.move_cursor((DOG, 0))
    await seat.press("m")
    assert spans(seat) == [(UPON, UPON + 4), (DOG, DOG + 3)]


async def test_the_word_at_the_cursor_is_masked_without_the_blank_and_the_punctuation_beside_it(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await seat.rush("ctrl+right", "m")
        (mark,) = seat.scene.draft.marks
        assert mark == Mark(UPON, UPON + 4, "upon") and seat.scene.text == STORY
        assert shown(seat) == STORY.replace("upon", "···") and seat.canvas.cursor == (UPON, -1)
        await seat.press("u")
        seat.canvas.move_cursor((1, 0))
        await seat.press("m")
        assert spans(seat) == [(0, 4)] and shown(seat) == STORY.replace("Once", "···")


@one_size
async def test_a_selection_is_masked(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((6, 0))
        await seat.rush(*["shift+right"] * 4, "m")
        assert spans(seat) == [(6, 9)] and seat.canvas.selection is None, "the blank behind the word stays"
        # What touches it becomes part of it.
        seat.canvas.move_cursor((5, 0))
        await seat.press("m")
        assert spans(seat) == [(5, 9)]
        seat.canvas.move_cursor((DOG, 0))
        await seat.rush("shift+down", "m")
        assert spans(seat)[1][0] == DOG and len(spans(seat)) == 2
        await seat.rush("ctrl+a", "m")
        assert spans(seat) == [(0, len(STORY) - 1)]


@one_size
@pytest.mark.parametrize(
    ("selected", "masked"),
    [
        ("Lily ", "Lily"),
        (" Lily", "Lily"),
        (" Lily \n\t", "Lily"),
        ("named Lily", "named Lily"),
        ("Lily \n\tHe ran.\r\n", "Lily \n\tHe ran."),
    ],
)
async def test_blanks_at_the_edges_of_a_selection_stay_outside_the_gap(
    opened: Opened, selected: str, masked: str
) -> None:
    text = "A girl named Lily \n\tHe ran.\r\n"
    at = text.index(selected)
    async with opened(text) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((at + len(selected), 0), (at, 0))
        await seat.press("m")
        (mark,) = seat.scene.draft.marks
        assert mark == Mark(text.index(masked), text.index(masked) + len(masked), masked)


@one_size
async def test_a_word_selected_by_keyboard_is_written_once(opened: Opened) -> None:
    """With the blank behind it in the gap, two tokens were written: `named LilyLily`."""
    text = "Once there was a little girl named Lily who ran."
    async with opened(text) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((text.index("Lily"), 0))
        await seat.rush("ctrl+shift+right", "m")
        await seat.go()
        assert len(seat.scene.ids_of(0)) == 1
        assert re.fullmatch(r"Once there was a little girl named \w+ who ran\.", seat.scene.text)


@one_size
async def test_of_blanks_alone_no_gap_is_made(opened: Opened) -> None:
    async with opened("One  two") as seat:
        seat.canvas.move_cursor((5, 0), (3, 0))
        await seat.press("m")
        assert not seat.scene.draft.marks and "only blank space" in seat.told[-1]


@one_size
@pytest.mark.parametrize(
    ("text", "gap"),
    [
        # Lily is one token with the blank before it and two without; the second gap's blank is beside the first.
        *(("girl named Lily ran", "Lily"), ("girl named Lily ran", "named Lily"), ("Lily ran", "Lily"), ("a b", "b")),
        # The network reads CRLF as one line end.
        ("a dog ran\r\n\r\nto Lily", "dog ran\r\n\r\nto Lily"),
    ],
)
async def test_as_many_masks_are_shown_as_tokens_are_written(opened: Opened, text: str, gap: str) -> None:
    async with opened(text) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((0, 0))
        await seat.press("m")
        at = text.index(gap)
        seat.canvas.move_cursor((at + len(gap), 0), (at, 0))
        await seat.press("m")
        masks = shown(seat).count("···")
        await seat.go()
        assert masks == sum(len(seat.scene.ids_of(i)) for i in range(len(seat.scene.draft.marks)))


@one_size
async def test_where_there_is_nothing_nothing_is_masked(opened: Opened) -> None:
    async with opened("One") as seat:
        await seat.press("ctrl+end", "m")
        assert "nothing to mask" in seat.told[-1] and not seat.scene.draft.marks


MARKED = "One [[3]] two [[2]][[4-5]] and [[...]]. [[x]]\n"


@one_size
async def test_markers_in_a_document_become_gaps_when_asked(opened: Opened) -> None:
    async with opened(MARKED) as seat:
        assert seat.told == ["The text has 4 markers such as [[12]]: M makes gaps of them."]
        assert not seat.scene.draft.marks
        seat.canvas.move_cursor((0, 0))
        await seat.rush("m", "M")
        own, first, second, third = seat.scene.draft.marks
        assert own.end == 3 and first == Mark(4, 9, "[[3]]", 3)
        assert (second.original, second.tokens) == ("[[2]][[4-5]]", (6, 7))
        assert (third.original, third.tokens) == ("[[...]]", (1, 8))
        # The document is as it was.
        assert seat.scene.text == MARKED and "*" not in seat.named
        await seat.press("M")
        assert "There is no marker" in seat.told[-1] and len(seat.scene.draft.marks) == 4
        await seat.go()
        assert len(seat.scene.ids_of(1)) == 3 and 6 <= len(seat.scene.ids_of(2)) <= 7
        assert seat.scene.text.endswith(". [[x]]\n") and seat.scene.text.count("[[") == 1
        await seat.press("X")
        assert seat.scene.text == MARKED and not seat.scene.draft.marks
        await seat.rush("u", "u", "u")
        assert [mark.end for mark in seat.scene.draft.marks] == [3]


@one_size
@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("[[0]]", "[[0]] at 2:5 asks for an impossible"),
        ("[[5-2]]", "[[5-2]] at 2:5 asks for an impossible"),
        ("[[5", "at 2:5 is never closed"),
        (f"[[{'9' * 5000}]]", "is not a number of tokens"),
    ],
    ids=["none", "reversed", "unclosed", "long"],
)
async def test_what_can_be_no_marker_is_said_and_stays_text(opened: Opened, marker: str, told: str) -> None:
    text = f"One [[3]]\ntwo {marker}"
    async with opened(text) as seat:
        assert seat.told == []
        await seat.press("M")
        assert told in seat.told[-1] and "--mask" not in seat.told[-1]
        assert not seat.scene.draft.marks and seat.scene.text == text


@one_size
async def test_masking_a_gap_again_leaves_it_as_it_is(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((STORY.index("a time"), 0))
        await seat.press("m")
        (mark,) = seat.scene.draft.marks
        await seat.press("m")
        assert seat.scene.draft.marks == (mark,)


@one_size
async def test_a_selection_that_ends_with_a_gap_takes_in_all_of_it_and_no_more(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((STORY.index("a time"), 0))
        await seat.press("m")
        (mark,) = seat.scene.draft.marks
        seat.canvas.move_cursor((mark.end, 0), (0, 0))
        await seat.press("m")
        assert spans(seat) == [(0, mark.end)]


async def insert(seat: Seat, at: int, tokens: str) -> None:
    """A gap where nothing stands."""
    seat.canvas.move_cursor((at, 0))
    await seat.press("t")
    await seat.shown(InputDialog)
    await seat.answer(tokens)
    await seat.back()


@one_size
async def test_a_selection_across_a_gap_that_was_accepted_is_masked_as_it_is_seen(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await insert(seat, 4, "3")
        seat.canvas.move_cursor((DOG, 0))
        await seat.press("m")
        await seat.go()
        seat.canvas.move_cursor((4, -1))
        written = seat.scene.written(0)
        await seat.press("a")
        assert dict(seat.scene.verdicts) == {0: written}
        seat.canvas.move_cursor((STORY.index(" time"), 0), (1, 0))
        await seat.press("m")
        first = seat.scene.draft.marks[0]
        assert seat.scene.draft.text[first.start : first.end] == f"nce{written} upon a"
        assert first.masked and seat.scene.draft.marks[1].original == "dog"


@one_size
@pytest.mark.parametrize(("text", "at"), [("One dog", 4), ("One dog", 3), ("One dog", 0), ("One ", 4)])
async def test_what_is_inserted_stands_apart_from_the_words_beside_it(opened: Opened, text: str, at: int) -> None:
    async with opened(text) as seat:
        await seat.loaded()
        await insert(seat, at, "3")
        assert spans(seat) == [(at, at)] and seat.scene.draft.text == text
        await seat.go()
        written = seat.scene.written(0)
        words = [word for part in (text[:at], written, text[at:]) for word in part.split()]
        assert seat.scene.text.split() == words or (at == 3 and written[0] in ",.!?")
        # What is seen is what is saved.
        assert shown(seat) == seat.scene.text


@one_size
async def test_what_a_format_is_made_of_is_not_masked(opened: Opened) -> None:
    text = "1\n00:01 --> 00:02\nA dog.\n\n2\n00:03 --> 00:04\nTwo cats.\n"
    async with opened(text) as seat:
        await seat.loaded()
        for name, masked in (("a.srt", ["A dog.", "Two cats."]), ("a.txt", [text.strip()])):
            seat.session.document = replace(seat.session.document, path=seat.folder / name)
            seat.canvas.move_cursor((len(text) - 1, 0), (0, 0))
            await seat.press("m")
            assert [text[start:end] for start, end in spans(seat)] == masked
            await seat.press("u")


@one_size
async def test_how_many_tokens_a_gap_gets(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await seat.rush("ctrl+right", "m")
        for line, tokens, masks in (("5", 5, 5), ("2-4", (2, 4), 2), ("auto", "auto", 1)):
            await seat.press("t")
            await seat.shown(InputDialog)
            await seat.answer(line)
            await seat.back()
            assert seat.scene.draft.marks == (Mark(UPON, UPON + 4, "upon", tokens),)
            assert shown(seat).count("···") == masks
            asked = "" if tokens == 5 else line
            assert f"{asked}···" in shown(seat) and f"tokens {line}" in seat.seen and f"({line} tokens)" in seat.seen
        await seat.press("t")
        await seat.shown(InputDialog)
        for line in ("0", "-1", "x", "", "3-"):
            await seat.answer(line)
            assert isinstance(seat.app.screen, InputDialog)
        await seat.press("escape")
        await seat.back()
        await seat.press("u")
        assert seat.scene.draft.marks[0].tokens == (2, 4)
        await seat.go()
        count = len(seat.scene.ids_of(0))
        assert 2 <= count <= 4 and f"The gap gets {count} tokens" in seat.told[-1]
        # A draft keeps the number of tokens.
        await seat.press("u")
        seat.main_screen.use_settings(replace(seat.main_screen.settings, strength=0.5, by="unlikely"))
        await seat.press("g")
        assert seat.told[-1].startswith("At strength 0.5 gaps keep") and seat.main_screen.runs.idle
        await seat.press("X")
        seat.canvas.move_cursor((STORY.index(" the park"), 0), (0, 0))
        await seat.press("m")
        hint = str(seat.main_screen.query_one(Inspector).content)
        assert "writes 50% of it anew, the least likely tokens" in hint
        await seat.go()
        assert int(seat.branch.moments[0].states[0].free.sum()) == round(len(seat.scene.ids_of(0)) / 2)
        assert "strength 0.5" in seat.title


@one_size
@pytest.mark.parametrize("line", ["5-2", "0-3"])
async def test_impossible_numbers_of_tokens_are_not_taken(opened: Opened, line: str) -> None:
    async with opened(STORY) as seat:
        await seat.rush("ctrl+right", "m")
        await seat.press("t")
        await seat.shown(InputDialog)
        await seat.answer(line)
        assert isinstance(seat.app.screen, InputDialog)


@one_size
async def test_a_full_gap_is_written_anew(opened: Opened) -> None:
    """The same seed again: the rows after those that were seen."""
    async with opened(STORY, temperature=5.0) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        seen = {branch.number for branch in seat.scene.branches}
        first, second = seat.scene.written(0), seat.scene.written(1)
        seat.canvas.move_cursor((UPON, -1))
        await seat.press("t")
        dialog = await seat.shown(InputDialog)
        assert dialog.query_one(Input).value == "1"
        await seat.answer("3")
        await seat.until(lambda: len(seat.scene.draft.marks) == 2 and seat.scene.branches)
        await seat.still()
        # The other gap keeps what was written, which still awaits its verdict.
        (gap,) = seat.scene.draft.masked
        assert gap.original == "upon" and len(seat.scene.ids_of(0)) == 3 and seat.canvas.cursor[0] == UPON
        assert seat.scene.draft.marks[1].original == "dog"
        assert {branch.number for branch in seat.scene.branches}.isdisjoint(seen)
        assert seat.scene.text == STORY.replace("upon", seat.scene.written(0)).replace("dog", second)
        await seat.press("X")
        assert seat.scene.text == STORY
        # All of it is undone: the verdicts, the second run, the gap, the first run.
        await seat.press("u", "u", "u")
        assert seat.scene.written(0) == first and seat.scene.written(1) == second


@one_size
async def test_what_was_decided_or_is_text_already_is_written_anew(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        await seat.press("x", "t")
        assert seat.canvas.cursor[0] == UPON
        await seat.shown(InputDialog)
        await seat.press("escape")
        await seat.back()
        seat.canvas.move_cursor((DOG, -1))
        for original in ("dog", "dog"):
            await seat.press("t")
            await seat.shown(InputDialog)
            await seat.answer("2")
            await seat.until(lambda: seat.scene.draft.masked and seat.scene.branches)
            await seat.still()
            assert [mark.original for mark in seat.scene.draft.marks] == ["upon", original]
            assert [mark.masked for mark in seat.scene.draft.marks] == [False, True]
            # As text, it awaits its verdict.
            await seat.rush("i", "escape")
            seat.canvas.move_cursor((seat.scene.draft.marks[1].start, 0))
        await seat.press("X")
        assert seat.scene.text == STORY


def underlined(seat: Seat) -> str:
    """What is underlined on the screen's canvas, the cursor put aside."""
    rows = seat.app.screen._compositor.render_strips()[2 : 2 + seat.page.height]
    return "".join(s.text for row in rows for s in row if s.style and s.style.underline)


@one_size
@pytest.mark.parametrize("no_color", [False, True], ids=["colour", "no-colour"])
async def test_what_is_written_looks_new_until_it_is_accepted_and_what_is_kept_never_does(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        assert underlined(seat) == ""
        await seat.go()
        first, second = seat.scene.written(0), seat.scene.written(1)
        seat.canvas.move_cursor((0, 0))
        await seat.settle()
        assert underlined(seat) == first + second
        new, kept = seat.canvas.style_of("pending"), seat.canvas.style_of("text")
        assert new.color != kept.color
        seat.canvas.move_cursor((UPON, -1))
        await seat.press("a", "ctrl+home")
        assert underlined(seat) == second
        # The gaps are text again, of which one is accepted and one awaits its verdict.
        await seat.press("i", "escape")
        assert underlined(seat) == second
        await seat.press("A")
        assert underlined(seat) == ""


@one_size
async def test_something_is_inserted_where_nothing_stands(opened: Opened) -> None:
    at = STORY.index(" dog")
    async with opened(STORY) as seat:
        await seat.loaded()
        await insert(seat, at, "3")
        assert seat.scene.draft.marks == (Mark(at, at, "", 3),) and seat.scene.text == STORY
        assert shown(seat) == STORY[:at] + " ···" * 3 + STORY[at:]
        await seat.go()
        text = seat.scene.text
        assert text.startswith(STORY[:at]) and text.endswith(STORY[at:]) and len(text) > len(STORY)
        await seat.press("x")
        assert seat.scene.text == STORY and not seat.scene.draft.marks


async def test_each_gap_is_accepted_or_rejected(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.press("a")
        assert "not written yet" in seat.told[-1]
        await seat.go()
        first, second = seat.scene.written(0), seat.scene.written(1)
        assert seat.canvas.cursor[0] == DOG
        assert "Once¹" in seat.seen and "little²" in seat.seen
        seat.canvas.move_cursor((UPON + 6, 0), (0, 0))
        await seat.press("y")
        assert seat.app.clipboard == f"Once {first} a", "numbers are no text"
        seat.canvas.move_cursor((DOG, -1))
        await seat.settle()
        assert "accept ²" in seat.seen and "reject ²" in seat.seen
        await seat.press("x")
        assert "accept ¹" in seat.seen and "accept ²" not in seat.seen
        assert "Once¹" in seat.seen and "little²" not in seat.seen
        assert dict(seat.scene.verdicts) == {1: "dog"}
        assert seat.scene.text == STORY.replace("upon", first)
        seat.canvas.move_cursor((UPON, -1))
        await seat.press("a")
        assert not seat.scene.branches and not seat.scene.draft.marks
        assert seat.scene.text == STORY.replace("upon", first) and second
        await seat.press("a")
        assert "no gap" in seat.told[-1]
        # Verdicts are undone one by one, then the run.
        await seat.press("u")
        assert dict(seat.scene.verdicts) == {1: "dog"}
        await seat.press("u", "u")
        assert not seat.scene.branches and len(seat.scene.draft.masked) == 2
        await seat.press("ctrl+r", "ctrl+r", "ctrl+r")
        assert seat.scene.text == STORY.replace("upon", first) and not seat.scene.draft.marks
        # What to do next is said, until it is done.
        await seat.press("i", "!", "escape")
        assert "saves the text as it is now" in seat.seen
        await seat.press("ctrl+s")
        assert "saves the text as it is now" not in seat.seen and seat.file.read_text() == seat.scene.text


@one_size
async def test_the_best_of_each_candidate_is_taken(opened: Opened) -> None:
    # At this temperature two candidates are hardly ever the same.
    async with opened(STORY, candidates=2, temperature=5.0) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        second = seat.scene.written(1)
        await seat.press("a", "n")
        assert seat.scene.current == 1 and seat.scene.written(1) != second
        first = seat.scene.written(0)
        seat.canvas.move_cursor((UPON, -1))
        await seat.press("a")
        assert seat.scene.text == STORY.replace("upon", first).replace("dog", second)


@one_size
async def test_after_a_verdict_the_cursor_goes_to_a_gap_that_waits_for_one(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        await seat.press("x")
        assert dict(seat.scene.verdicts) == {1: "dog"} and seat.canvas.cursor[0] == UPON
        for key in ("tab", "shift+tab"):
            await seat.press(key)
            assert seat.canvas.cursor[0] == UPON


@one_size
async def test_what_is_not_full_is_not_accepted(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        await seat.press("less_than_sign", "a")
        assert "not full yet" in seat.told[-1] and not seat.scene.verdicts and seat.scene.text == STORY
        await seat.press("A")
        assert seat.told[-1] == "No gap is full yet: g writes." and seat.scene.branches, "what is written stays"


@one_size
async def test_where_there_is_nothing_to_accept_that_is_said(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("A")
        assert seat.told == ["There is no gap to accept."] and not seat.session.undo()
        await seat.rush("ctrl+right", "m")
        await seat.press("A")
        assert seat.told[-1] == "No gap is full yet: g writes." and len(seat.scene.draft.marks) == 1
        await seat.go()
        await seat.press("A")
        assert seat.told[-1] == "No gap is full yet: g writes." and not seat.scene.draft.marks, "now there was"


@one_size
async def test_all_are_accepted_or_rejected(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        assert "2 gaps to write" in seat.seen
        await seat.go()
        written = STORY.replace("upon", seat.scene.written(0)).replace("dog", seat.scene.written(1))
        await seat.press("A")
        assert "no gap to write" in seat.seen and "nothing written" not in seat.seen
        assert seat.scene.text == seat.scene.draft.text == written and not seat.scene.draft.marks
        await seat.press("u", "X")
        assert seat.scene.text == seat.scene.draft.text == STORY and not seat.scene.draft.marks
        await seat.press("u", "u", "X")
        assert seat.scene.text == STORY and not seat.scene.draft.marks, "what is only masked is unmasked"


@one_size
async def test_a_text_without_a_file_is_accepted_or_given_up(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        text = seat.scene.text
        await seat.press("a")
        assert not seat.scene.branches and seat.scene.draft.text == text and seat.session.unsaved
        await seat.press("u", "x")
        assert not seat.scene.branches and seat.scene.draft.text == "" and not seat.session.unsaved


@one_size
async def test_a_canvas_that_is_not_full_becomes_a_text_with_gaps(opened: Opened) -> None:
    async with opened(model="tinystories") as seat:
        await seat.go()
        await seat.press("comma", "comma", "comma")
        masked = seat.moment.masked
        await seat.press("a")
        assert not seat.scene.branches and sum(mark.tokens for mark in seat.scene.draft.marks) == masked
        assert shown(seat).count("···") == masked
        await seat.go()
        assert seat.scene.infilling is not None and seat.branch.finished


async def test_to_the_next_gap_and_the_one_before(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await seat.press("tab")
        assert "There is no gap" in seat.told[-1]
        await two_gaps(seat)
        seat.canvas.move_cursor((0, 0))
        for key, start in (("tab", UPON), ("tab", DOG), ("tab", UPON), ("shift+tab", DOG), ("shift+tab", UPON)):
            await seat.press(key)
            assert seat.canvas.cursor[0] == start and seat.canvas.cursor[1] < 0
        await seat.go()
        await seat.rush("tab", "i", "escape")
        # What was written awaits a verdict as text.
        assert [mark.masked for mark in seat.scene.draft.marks] == [False, False]
        starts = [mark.start for mark in seat.scene.draft.marks]
        seat.canvas.move_cursor((0, 0))
        for start in (*starts, starts[0]):
            await seat.press("tab")
            assert seat.canvas.cursor == (start, 0)
        await seat.press("x")
        assert seat.scene.draft.text.startswith("Once upon a time") and len(seat.scene.draft.marks) == 1


async def test_text_is_edited_and_one_undo_takes_it_all_back(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await seat.press("i")
        assert seat.main_screen.document.editing and seat.foot == "EDIT"
        # Letters are no commands now, nor are tab and enter.
        await seat.write("mg\t?\n")
        assert seat.scene.draft.text == "mg\t?\n" + STORY and seat.canvas.cursor == (5, 0)
        await seat.write("\b\b")
        await seat.press("delete", "right", "delete")
        await seat.write("X")
        text = "mg\tnXe" + STORY[4:]
        assert seat.scene.draft.text == text and seat.canvas.cursor == (5, 0)
        await seat.press("escape")
        assert not seat.main_screen.document.editing and seat.foot == "COMMAND" and seat.session.unsaved
        await seat.press("u")
        assert seat.scene.draft.text == STORY and not seat.session.unsaved
        await seat.press("ctrl+r")
        assert seat.scene.draft.text == text


@one_size
async def test_what_is_selected_is_replaced(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("i", *["shift+right"] * 3, "T")
        assert seat.scene.draft.text == "T" + STORY[3:]
        await seat.press("ctrl+a", "backspace")
        assert seat.scene.draft.text == ""
        await seat.write("a")
        assert seat.scene.draft.text == "a"


@one_size
@pytest.mark.parametrize(
    ("text", "keys", "edited"),
    [
        ("a\r\nb", ["down", "backspace"], "ab"),
        ("a\r\nb", ["enter"], "\r\na\r\nb"),
        ("a\r\nb", ["right", "delete"], "ab"),
        ("a\nb", ["enter"], "\na\nb"),
        ("👩\u200d🚀!", ["right", "backspace"], "!"),
        ("e\u0301!", ["delete"], "!"),
        ("🇩🇪🇫🇷!", ["right", "right", "backspace"], "🇩🇪!"),
        ("🇩🇪🇫🇷!", ["right", "delete"], "🇩🇪!"),
        ("日本", ["delete"], "本"),
        ("a", ["backspace"], "a"),
        ("a", ["right", "delete"], "a"),
        ("\ufeffa", ["end", "b"], "\ufeffab"),
    ],
)
async def test_what_a_key_takes_is_what_is_seen(opened: Opened, text: str, keys: list[str], edited: str) -> None:
    async with opened(text) as seat:
        await seat.press("i", *keys)
        assert seat.scene.draft.text == edited


@one_size
async def test_pasted_text_is_typed_at_once_and_only_where_text_is_edited(opened: Opened) -> None:
    async with opened("ab") as seat:
        await seat.press("right")
        seat.app.post_message(Paste("no"))
        await seat.settle()
        assert seat.scene.draft.text == "ab"
        await seat.press("i")
        seat.app.post_message(Paste("[/red] 日本\nx"))
        await seat.settle()
        assert seat.scene.draft.text == "a[/red] 日本\nxb"
        await seat.press("escape", "u")
        assert seat.scene.draft.text == "ab"


@one_size
@pytest.mark.parametrize(("text", "ending"), [("a\nb", "\n"), ("a\r\nb", "\r\n")])
async def test_pasted_line_endings_become_those_of_the_text(opened: Opened, text: str, ending: str) -> None:
    """Terminals paste a newline as the return that the Enter key sends."""
    async with opened(text) as seat:
        await seat.press("i")
        seat.app.post_message(Paste("1\r2\n3\r\n4"))
        await seat.settle()
        assert seat.scene.draft.text == ending.join("1234") + text


@one_size
async def test_edits_move_gaps_along_and_may_end_them(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        seat.canvas.move_cursor((0, 0))
        await seat.press("i")
        await seat.write("Oh! ")
        assert spans(seat) == [(UPON + 4, UPON + 8), (DOG + 4, DOG + 7)]
        seat.canvas.move_cursor((UPON + 8, 0))
        await seat.press("backspace")
        assert spans(seat) == [(DOG + 4, DOG + 7)], "of what a gap hides nothing is taken unseen"
        seat.canvas.move_cursor((UPON + 4, 0), (UPON + 8, 0))
        await seat.write("\b")
        assert spans(seat) == [(DOG, DOG + 3)] and seat.scene.draft.text == "Oh! " + STORY.replace("upon", "")
        await seat.press("escape")
        await seat.go()
        assert seat.branch.finished and seat.scene.text.startswith("Oh! Once  a time, there was a little")


@one_size
@pytest.mark.parametrize(
    ("key", "cursor"),
    [("backspace", (UPON + 5, 0)), ("backspace", (UPON, -1)), ("delete", (UPON, -2)), ("delete", (UPON, -1))],
)
async def test_a_key_that_would_erase_a_mask_takes_the_gap_away_and_leaves_the_text(
    opened: Opened, key: str, cursor: tuple[int, int]
) -> None:
    marked = f"{STORY[:UPON]}[[2]]{STORY[UPON + 4 :]}"
    async with opened(marked) as seat:
        await seat.press("M")
        (mark,) = seat.scene.draft.marks
        await seat.press("i")
        seat.canvas.move_cursor(cursor)
        await seat.press(key)
        assert seat.scene.draft.text == marked == shown(seat) and not seat.scene.draft.marks
        assert seat.canvas.cursor == (cursor[0], 0)
        await seat.write("x")
        await seat.press("escape", "u")
        assert seat.scene.draft.marks == (mark,) and seat.scene.text == marked


@one_size
@pytest.mark.parametrize(
    ("key", "cursor"), [("backspace", (UPON - 1, 0)), ("delete", (UPON - 1, -3)), ("delete", (UPON - 1, -1))]
)
async def test_a_gap_where_nothing_stands_is_taken_away(opened: Opened, key: str, cursor: tuple[int, int]) -> None:
    async with opened(STORY) as seat:
        seat.canvas.move_cursor((UPON - 1, 0))
        await seat.press("t")
        await seat.shown(InputDialog)
        await seat.answer("3")
        await seat.back()
        (mark,) = seat.scene.draft.marks
        await seat.press("i")
        seat.canvas.move_cursor(cursor)
        await seat.press(key)
        assert not seat.scene.draft.marks and shown(seat) == STORY
        await seat.press("escape", "u")
        assert seat.scene.draft.marks == (mark,)


@one_size
async def test_before_a_gap_a_key_erases_what_it_did(opened: Opened) -> None:
    async with opened("[[2]] b") as seat:
        await seat.rush("M", "i")
        seat.canvas.move_cursor((0, -2))
        await seat.press("backspace")
        assert len(seat.scene.draft.marks) == 1 and seat.scene.text == "[[2]] b"
        await seat.write("a")
        seat.canvas.move_cursor((1, -2))
        await seat.press("backspace")
        assert len(seat.scene.draft.marks) == 1 and seat.scene.text == "[[2]] b"


@one_size
async def test_gaps_that_an_edit_brings_together_are_written(opened: Opened) -> None:
    async with opened("One two three four five.") as seat:
        await seat.loaded()
        for word in (4, 14):
            seat.canvas.move_cursor((word, 0))
            await seat.press("m")
        assert spans(seat) == [(4, 7), (14, 18)]
        await seat.press("i")
        seat.canvas.move_cursor((14, -(10**6)), (7, 0))
        await seat.rush("delete", "escape")
        assert seat.scene.draft.text == "One twofour five."
        await seat.go()
        assert seat.scene.text.startswith("One") and seat.scene.text.endswith(" five.")


@one_size
async def test_a_run_becomes_text_where_it_is_edited(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        await two_gaps(seat)
        await seat.go()
        written = [seat.scene.written(gap) for gap in (0, 1)]
        seat.canvas.move_cursor((0, 0))
        await seat.press("i")
        await seat.write("> ")
        await seat.press("escape")
        draft = seat.scene.draft
        assert not seat.scene.branches
        assert [draft.text[m.start : m.end] for m in draft.marks] == written
        assert [m.original for m in draft.marks] == ["upon", "dog"]
        await seat.press("X")
        assert seat.scene.text == "> " + STORY
        await seat.press("u", "u")
        assert seat.scene.branches and [seat.scene.written(gap) for gap in (0, 1)] == written


@one_size
async def test_undo_and_redo_go_through_edits_masks_and_runs(opened: Opened) -> None:
    async with opened("The cat sat.") as seat:
        await seat.loaded()
        scenes = [seat.scene]
        await seat.press("i")
        await seat.write("Oh. ")
        await seat.press("escape")
        scenes.append(seat.scene)
        await seat.press("m")
        scenes.append(seat.scene)
        await seat.go()
        scenes.append(seat.scene)
        await seat.press("R")
        scenes.append(seat.scene)
        await seat.press("X")
        scenes.append(seat.scene)
        for scene in reversed(scenes[:-1]):
            await seat.press("u")
            assert seat.scene == scene
        await seat.press("u")
        assert "nothing to undo" in seat.told[-1] and seat.scene is scenes[0]
        for scene in scenes[1:]:
            await seat.press("ctrl+r")
            assert seat.scene == scene
        await seat.press("ctrl+r")
        assert "nothing to redo" in seat.told[-1]
        await seat.press("u", "m")
        await seat.press("ctrl+r")
        assert "nothing to redo" in seat.told[-1], "another change was made since"


@one_size
@pytest.mark.parametrize("keys", [["i", "escape"], ["X"]])
async def test_what_changes_nothing_leaves_nothing_to_undo(opened: Opened, keys: list[str]) -> None:
    async with opened(STORY) as seat:
        await seat.press("i")
        await seat.write("x")
        await seat.press("escape", *keys, "u")
        assert seat.scene.draft.text == STORY


@one_size
async def test_what_was_changed_is_compared_with_the_file(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("d")
        assert "There is no difference" in seat.seen
        await seat.press("escape")
        await seat.press("i")
        await seat.write("Oh! ")
        await seat.press("escape", "d")
        await seat.shown(DiffScreen)
        for line in ("+1 -1", "-Once upon a time", "+Oh! Once upon a time", " He ran to the park."):
            assert line in seat.seen
        await seat.press("d")
        await seat.back()


@one_size
async def test_the_text_or_what_is_selected_is_copied(opened: Opened) -> None:
    text = "One\r\ntwo\t 日本 three \r\n"
    async with opened(text) as seat:
        await seat.press("y")
        assert seat.app.clipboard == text and seat.told[-1] == "Copied the text."
        seat.canvas.move_cursor((10, 0), (1, 0))
        await seat.press("y")
        assert seat.app.clipboard == text[1:10] and seat.told[-1] == "Copied the selection."
        await seat.press("escape")
        assert seat.canvas.selection is None


@one_size
async def test_what_is_edited_is_not_put_under_a_run_again(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("u", "A", "ctrl+r")
        await seat.write(" cat")
        assert seat.scene.branch is None and seat.scene.text == "A cat"


@one_size
async def test_gaps_within_a_line_of_a_table_or_where_that_is_set_stay_on_it(opened: Opened) -> None:
    text = "1,Once upon a time,dog\r\n2,The end,cat\r\n"
    async with opened(text) as seat:
        await seat.loaded()
        cases = (("story.csv", 1, 0, 1), ("new.csv", 0, 0, 1), ("story.txt", 1, 0, 0), ("story.txt", 1, 1, 1))
        for name, there, one_line, stays in cases:
            file = seat.folder / name
            seat.session.settings = replace(seat.session.settings, one_line=bool(one_line))
            seat.session.document = replace(seat.session.document, path=file if there else None)
            seat.session.new_path = file
            await seat.press("home", "ctrl+right", "m")
            await seat.go()
            infilling = seat.scene.infilling
            assert infilling is not None and [gap.one_line for gap in infilling.sized_gaps] == [stays]
            await seat.press("u", "u")
            assert seat.scene.text == text and not seat.scene.draft.marks


@one_size
async def test_what_is_written_in_a_document_of_crlf_ends_its_lines_so(opened: Opened) -> None:
    text = "Tom ran.\r\n\r\nSam sat.\r\n\r\nThe end.\r\n"
    async with opened(text, model="tinystories", length=64, seed=1) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((text.index("The end"), 0))
        await seat.press("t")
        await seat.shown(InputDialog)
        await seat.answer("16")
        await seat.back()
        await seat.go()
        written = seat.scene.written(0)
        assert "\r\n" in written and written.count("\n") == written.count("\r\n")
        await seat.press("a")
        assert seat.scene.text == text.replace("The end", f"{written}The end") == seat.scene.draft.text
