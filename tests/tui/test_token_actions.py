"""Taking hold of tokens by their keys: what is changed leaves the branch, what is locked stays."""

import pytest
from textual.widgets import Input

from sedd_cli.generation.alternatives import alternatives
from sedd_cli.text.words import word_spans
from sedd_cli.tui import token_edits
from sedd_cli.tui.scene_text import scene_text
from sedd_cli.tui.screens.token_chooser import TokenChooser
from sedd_cli.tui.settings import read_settings
from sedd_cli.tui.token_text import percent_to_tenth, token_label
from sedd_cli.tui.widgets.inspector import Inspector, LatestToken
from tests.tui.conftest import Opened, Seat, one_size

pytestmark = pytest.mark.asyncio

STORY = "Once upon a time, there was a little dog. He ran to the park."


def put(seat: Seat, position: int, last: int | None = None) -> None:
    """The cursor on a token of a canvas, with the tokens up to another one selected."""
    n = len(seat.ids)
    first = 0, position - n
    if last is None:
        seat.canvas.move_cursor(first)
    else:
        seat.canvas.move_cursor(seat.page.move((0, last - n), 1), first)


def masked(seat: Seat) -> list[int]:
    return [i for i, token in enumerate(seat.ids) if token == seat.branch.job.checkpoint.mask_id]


def free(seat: Seat) -> list[bool]:
    return seat.moment.states[0].free.tolist()


def inspected(seat: Seat) -> str:
    return str(seat.main_screen.query_one(Inspector).content)


async def test_another_token_is_chosen_and_locked(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        original, before = seat.branch, seat.ids
        put(seat, 5)
        await seat.known()
        expected = alternatives(original.job.checkpoint, seat.moment.states[0], 5)
        answer = seat.main_screen.tokens.alternatives
        # Computed on another thread, which may take other numbers of cores: rounding differs.
        assert answer is not None and answer.tokens == expected.tokens
        assert answer.probability == pytest.approx(expected.probability, rel=1e-4)
        confidence = float(seat.moment.confidence[0][5])
        step = original.moments[int(seat.moment.revealed[0][5])].step
        assert step is not None and answer.current is not None
        story = (
            f"written at step {step.step}, {percent_to_tenth(confidence)} sure; now {percent_to_tenth(answer.current)}"
        )
        assert story in inspected(seat)
        word = seat.canvas.cursor_region()
        await seat.press("enter")
        dialog = await seat.shown(TokenChooser)
        assert not dialog.query_one("#box").region.overlaps(word), "the word stays in sight"
        assert [choice.tokens[0] for choice in dialog._offered[:10]] == expected.tokens[:10]
        await seat.press("escape")
        await seat.back()
        assert seat.scene.branches == (original,)
        # Keys may be faster than the screen.
        await seat.rush("right", "enter")
        await seat.shown(TokenChooser)
        await seat.press("escape")
        await seat.back()
        await seat.press("left", "enter")
        await seat.shown(TokenChooser)
        await seat.press("down", "down", "enter")
        await seat.back()
        assert seat.ids == [*before[:5], expected.tokens[2], *before[6:]] and not free(seat)[5]
        branch = seat.branch
        assert branch.parent is original and branch.forked_at == original.last and seat.scene.current == 1
        assert branch.tip.edit == f"chose {token_label(original.job.checkpoint.tokenizer, expected.tokens[2])}"
        assert "locked" in inspected(seat)


@one_size
async def test_a_word_of_ones_own_is_written_where_there_is_room(opened: Opened) -> None:
    async with opened(STORY, model="tinystories") as seat:
        seat.canvas.move_cursor((STORY.index("there"), 0), (STORY.index("dog"), 0))
        await seat.press("m")
        await seat.go()
        (mark,), (canvas, places) = seat.scene.draft.masked, seat.scene.canvas_of(0)
        tokenizer = seat.branch.job.checkpoint.tokenizer
        assert tokenizer is not None and canvas == 0
        size = len(tokenizer.encode(" dragonfly"))
        before = seat.ids
        # At the last token of the gap there is no room for it.
        for back, written in ((1, False), (size, True)):
            seat.canvas.move_cursor((mark.start, -back))
            await seat.known()
            await seat.press("enter")
            dialog = await seat.shown(TokenChooser)
            await seat.rush(*"dragonfly")
            assert dialog.query_one(Input).value == "dragonfly"
            if not written:
                assert f"needs {size} tokens; 1 is free here" in seat.seen
                await seat.press("enter", "escape")
            else:
                await seat.press("enter")
            await seat.back()
            assert (seat.ids != before) is written
        first = places.stop - size
        assert tokenizer.decode(seat.ids[first : places.stop]).strip() == "dragonfly"
        assert seat.ids[:first] == before[:first] and seat.ids[places.stop :] == before[places.stop :]
        assert not any(free(seat)[first : places.stop]) and seat.scene.written(0).endswith(" dragonfly")
        await seat.press("u")
        assert seat.ids == before


@one_size
async def test_a_run_that_is_played_tells_its_latest_word(opened: Opened) -> None:
    async with opened(length=200, sampler="first-hitting") as seat:
        await seat.loaded()
        tokens = seat.main_screen.tokens
        await seat.tap("enter", lambda: isinstance(tokens.inspected(), LatestToken) and tokens.inspected().step > 5)
        latest = tokens.inspected()
        assert isinstance(latest, LatestToken)
        step = next(m.step for m in seat.branch.moments if m.step is not None and m.step.step == latest.step)
        assert latest.id == int(step.ids[step.changed[-1]]) and latest.confidence == float(step.probability[-1])
        assert len(latest.top) == 3 and token_label(latest.tokenizer, latest.id) in inspected(seat)
        # Enter takes hold of the token under the cursor: the run stops, and the list opens once it is known.
        put(seat, int(step.changed[-1]))
        await seat.press("enter")
        await seat.shown(TokenChooser)
        assert seat.main_screen.runs.idle and not isinstance(tokens.inspected(), LatestToken)


@one_size
async def test_a_masked_position_can_be_chosen_too_and_the_run_goes_around_it(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("less_than_sign")
        put(seat, 5)
        await seat.known()
        assert inspected(seat).startswith("MASK")
        await seat.press("enter")
        await seat.shown(TokenChooser)
        await seat.press("enter")
        await seat.back()
        token = seat.ids[5]
        assert masked(seat) == [i for i in range(32) if i != 5]
        await seat.go()
        assert not masked(seat) and seat.ids[5] == token and seat.branch.finished


@one_size
async def test_a_token_is_remasked_and_written_anew(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        before = seat.ids
        put(seat, 5)
        await seat.press("r")
        assert masked(seat) == [5] and seat.branch.tip.edit == "remasked 1 token" and not seat.branch.finished
        assert seat.ids[:5] + seat.ids[6:] == before[:5] + before[6:]
        await seat.press("r")
        assert "MASK already" in seat.told[-1]
        await seat.go()
        assert not masked(seat) and seat.ids[:5] + seat.ids[6:] == before[:5] + before[6:]
        assert seat.branch.calls_made(seat.branch.last) == seat.scene.branches[0].last + 1
        await seat.press("N")
        assert seat.ids == before


@one_size
async def test_a_selection_is_remasked(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        put(seat, 5)
        await seat.rush("shift+right", "shift+right", "shift+right")
        await seat.press("r")
        assert masked(seat) == [5, 6, 7] and seat.branch.tip.edit == "remasked 3 tokens"


@one_size
async def test_a_word_is_remasked(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        tokenizer = seat.branch.job.checkpoint.tokenizer
        assert tokenizer is not None
        begins = [tokenizer.decode([token])[:1].isspace() for token in seat.ids]
        # The first token that goes on with a word.
        inside = next(i for i in range(1, 32) if not begins[i])
        end = next((i for i in range(inside + 1, 32) if begins[i]), 32)
        put(seat, inside)
        await seat.press("W")
        assert masked(seat) == list(range(inside - 1, end))


@one_size
async def test_words_that_the_network_was_unsure_of_are_remasked(opened: Opened) -> None:
    async with opened(unsure_below=0.2) as seat:
        await seat.go()
        confidence = seat.moment.confidence[0].tolist()
        locked, *unsure = [i for i, p in enumerate(confidence) if p < 0.2]
        put(seat, locked)
        await seat.press("l")
        shown, below = scene_text(seat.scene), set(unsure)
        assert shown is not None and 1 < len(below) < 31
        words = [shown.covering(span) for span in word_spans(shown.text)]
        whole = {part.position[1] for word in words for part in word if part.position}
        first, last = unsure[:2]
        put(seat, first, last - 1)
        await seat.press("c")
        assert first in masked(seat) and last not in masked(seat)
        await seat.press("escape", "c")
        assert below <= set(masked(seat)) <= below | whole and locked not in masked(seat)
        of_words = [{part.position[1] for part in word if part.position} for word in words]
        assert all(positions - {locked} <= set(masked(seat)) for positions in of_words if positions & below)
        assert "less than 20% sure" in seat.told[-1] and "g writes" in seat.told[-1]
        await seat.press("c")
        assert seat.told[-1] == "No unlocked word here was less than 20% sure."


async def test_what_is_locked_survives_all_remasking_and_the_run_after_it(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        before = seat.ids
        put(seat, 5)
        await seat.press("l")
        assert not free(seat)[5] and seat.branch.tip.edit == "locked 1 token"
        await seat.press("r")
        assert "locked" in seat.told[-1] and not masked(seat)
        put(seat, 9, 11)
        await seat.press("l")
        kept = [5, 9, 10, 11]
        await seat.press("R")
        assert masked(seat) == [i for i in range(32) if i not in kept]
        await seat.press("l")
        assert free(seat)[9] and not free(seat)[5], "what is selected still, and all locked, is unlocked"
        await seat.press("l")
        await seat.go()
        assert not masked(seat) and [seat.ids[i] for i in kept] == [before[i] for i in kept] and seat.ids != before
        assert not any(free(seat)[i] for i in kept)
        # Edits one after another are one branch.
        assert len(seat.scene.branches) == 2


@one_size
async def test_locking_a_mixed_selection_locks_all_of_it_but_mask(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        put(seat, 3)
        await seat.press("r")
        await seat.press("l")
        assert seat.told[-1] == "MASK cannot be locked." and free(seat)[3]
        put(seat, 2)
        await seat.press("l")
        put(seat, 1, 4)
        await seat.press("l")
        assert [free(seat)[i] for i in range(6)] == [True, False, False, True, False, True]
        await seat.press("l")
        assert all(free(seat))


@one_size
async def test_a_change_in_the_past_leaves_the_branch_there(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        original, moments = seat.branch, list(seat.branch.moments)
        # Before the readings at the end, which write nothing.
        await seat.rush(*["comma"] * 8)
        at = seat.scene.at
        put(seat, int(moments[at].step.changed[0]))
        await seat.press("r")
        first = seat.branch
        assert first.parent is original and first.forked_at == at and first.moments[: at + 1] == moments[: at + 1]
        await seat.press("comma", "comma")
        put(seat, int(moments[at - 1].step.changed[0]))
        await seat.press("r")
        assert len(seat.scene.branches) == 3 and original.moments == moments
        assert seat.branch.parent is first and seat.branch.forked_at == at - 1
        # Undone one by one, done again one by one.
        await seat.press("u")
        assert seat.branch is first and len(seat.scene.branches) == 2
        await seat.press("u")
        assert seat.scene.branches == (original,)
        await seat.press("ctrl+r", "ctrl+r")
        assert len(seat.scene.branches) == 3 and seat.scene.current == 2


@one_size
async def test_a_change_during_a_run_stops_it_there(opened: Opened) -> None:
    async with opened(length=200, sampler="first-hitting") as seat:
        await seat.loaded()
        await seat.tap("enter", lambda: seat.scene.at >= 3)
        original = seat.branch
        await seat.tap("R", lambda: len(seat.scene.branches) == 2)
        assert seat.main_screen.runs.active_run_id is None and not seat.main_screen.runs.playing
        assert len(masked(seat)) == 200 and seat.branch.forked_at <= original.last < 200


@one_size
async def test_colours_show_certainty_order_or_nothing_and_that_is_remembered(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()

        def looks() -> str:
            return " ".join(piece.classes for y in range(seat.page.height) for piece in seat.page.row(y))

        assert "sure" in looks()
        for shading, there in (("order", "order"), ("plain", ""), ("certainty", "sure")):
            await seat.press("h")
            assert [scale for scale in ("sure", "order") if scale in looks()] == [there] * bool(there)
            assert read_settings(seat.folder / "settings.toml").shading == shading


async def test_tokens_of_a_gap_are_held_as_those_of_a_canvas(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.rush("ctrl+right", "m")
        await seat.rush(*["ctrl+right"] * 8, "m")
        await seat.go()
        first, second = (list(seat.scene.canvas_of(gap)[1]) for gap in (0, 1))
        kept = [token for i, token in enumerate(seat.ids) if i not in (*first, *second)]
        seat.canvas.move_cursor((seat.scene.draft.masked[0].start, -1))
        await seat.known()
        await seat.press("l", "R")
        assert masked(seat) == [*first[:-1], *second]
        await seat.go()
        assert not masked(seat)
        assert [token for i, token in enumerate(seat.ids) if i not in (*first, *second)] == kept
        # What is not in a gap is the user's: no token to hold.
        seat.canvas.move_cursor((0, 0))
        branch = seat.branch
        await seat.rush(*"rWl", "enter")
        assert seat.branch is branch and seat.told[-1] == "Move to a token first."
        assert token_edits.position_at(seat.scene, seat.canvas.cursor) is None
        # m on tokens gives them back, too.
        seat.canvas.move_cursor((seat.scene.draft.masked[1].start, -1))
        await seat.press("m")
        assert masked(seat) == [second[-1]]


@one_size
async def test_the_end_of_text_is_not_offered_in_a_document(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.rush(*["ctrl+right"] * 13, "m")
        await seat.go()
        await seat.known()
        end = seat.branch.job.checkpoint.tokenizer.end_of_text_id
        assert end in alternatives(seat.branch.job.checkpoint, seat.moment.states[0], 0, 2048).tokens
        seat.canvas.move_cursor((seat.scene.draft.masked[0].start, -1))
        await seat.known()
        await seat.press("enter")
        dialog = await seat.shown(TokenChooser)
        assert (end,) not in [choice.tokens for choice in dialog._offered]


@one_size
async def test_where_nothing_is_written_nothing_can_be_held(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.rush(*"wRl", "enter")
        assert len(seat.told) == 4 and all(line.startswith(("Nothing is", "Move")) for line in seat.told)
        assert seat.scene.draft.text == STORY and not seat.scene.branches and seat.app.screen is seat.main_screen
        await seat.press("r")
        assert len(seat.told) == 5
