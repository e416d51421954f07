"""Proofreading by its keys: unlikely words are shown one after another, changed, masked; all of it undone."""

from dataclasses import replace

import pytest

from sedd_cli.text.words import word_spans
from sedd_cli.tui.scene_text import scene_text
from sedd_cli.tui.screens.proof_popup import ProofPopup
from tests.tui.conftest import Opened, Seat, one_size

pytestmark = pytest.mark.asyncio

TEXT = (
    "Once upon a time, there was a little grl named Lily.\r\n"
    "She had a dog. The dog was very sda. They became good frineds.\r\n"
)


def popup(seat: Seat) -> str:
    """The title, the sentence and the keys that are shown."""
    screen = seat.app.screen
    assert isinstance(screen, ProofPopup)
    view = screen._view
    return f"{view.title}: {view.sentence.plain}; {view.keys}"


def selected(seat: Seat) -> str:
    assert seat.canvas.selection is not None
    return seat.page.text_between(*seat.canvas.selection).strip()


async def read(seat: Seat) -> None:
    """Until all is read."""
    reading = seat.main_screen.proof._reading
    await seat.until(lambda: reading is not None and reading.finished)
    await seat.settle()


@one_size
async def test_the_unlikely_words_of_a_document_are_gone_through(opened: Opened) -> None:
    async with opened(TEXT, model="tinystories") as seat:
        await seat.loaded()
        await seat.press("p")
        await seat.shown(ProofPopup)
        await read(seat)
        assert popup(seat).startswith('word 1 of 3: "grl" ') and ', "girl" ' in popup(seat) and selected(seat) == "grl"
        assert '"grl"' in seat.seen and "↵ takes it" in seat.seen and "words read" in seat.seen
        await seat.press("enter")
        assert seat.scene.text == TEXT.replace("grl", "girl") and selected(seat) == "sda" and "u undo" in popup(seat)
        await seat.press("m")
        (mark,) = seat.scene.draft.marks
        assert (mark.original, mark.tokens, selected(seat)) == ("sda", (1, 2), "frineds")
        # There is none behind it that is not dealt with, and none before it.
        await seat.press("N")
        assert selected(seat) == "frineds"
        await seat.press("u")
        assert selected(seat) == "sda" and not seat.scene.draft.marks
        await seat.press("n", "N", "u")
        assert selected(seat) == "grl" and seat.scene.text == TEXT
        await seat.press("n", "n", "enter")
        await seat.back()
        assert seat.scene.text == TEXT.replace("frineds", "friends") and seat.told[-1] == "1 word changed."
        await seat.press("u")
        assert seat.scene.text == TEXT
        # Of a selection, the words that it touches; and again on what is masked.
        seat.canvas.move_cursor((TEXT.index("She"), 0), (TEXT.index("grl") + 1, 0))
        await seat.press("p")
        await seat.shown(ProofPopup)
        await read(seat)
        assert popup(seat).startswith("word 1 of 1: ")
        await seat.press("m")
        await seat.back()
        assert seat.told[-1] == "1 word masked: g writes there."
        seat.canvas.move_cursor((TEXT.index("named"), 0), (TEXT.index("grl") - 1, 0))
        await seat.press("p")
        assert seat.told[-1] == "There is no word to read here."


@one_size
async def test_unsure_words_of_a_document_are_masked(opened: Opened) -> None:
    async with opened(TEXT, model="tinystories", unsure_below=0.01) as seat:
        await seat.loaded()
        await seat.press("c")
        await seat.back()
        await seat.until(lambda: seat.scene.draft.marks)
        assert {mark.original for mark in seat.scene.draft.marks} >= {"grl", "sda", "frineds"}
        count = len(seat.scene.draft.marks)
        assert seat.told[-1] == f"{count} words less likely than 1% are masked: g writes them anew."
        await seat.press("u")
        assert seat.scene.text == TEXT and not seat.scene.draft.marks


@one_size
async def test_a_reading_is_left_or_fails(opened: Opened) -> None:
    async with opened(TEXT * 20) as seat:
        await seat.loaded()
        for key in ("p", "c"):
            await seat.tap(key, lambda: isinstance(seat.app.screen, ProofPopup))
            await seat.tap("escape", lambda: seat.app.screen is seat.main_screen)
            assert seat.main_screen.proof._reading is None
        # What is asked for next is not kept waiting.
        seat.canvas.move_cursor((TEXT.index("dog"), 0))
        await seat.press("m")
        await seat.go()
        assert seat.scene.branch is not None and not seat.moment.masked
        # A checkpoint that cannot read words.
        checkpoint = seat.session.checkpoint
        assert checkpoint is not None
        graph = checkpoint.config.graph.model_copy(update={"type": "uniform"})
        seat.session.checkpoint = replace(checkpoint, config=checkpoint.config.model_copy(update={"graph": graph}))
        await seat.press("p")
        await seat.until(lambda: any("cannot give a word by what stands" in line for line in seat.told))
        await seat.back()


@one_size
async def test_words_of_a_written_text_are_changed_where_they_stand(opened: Opened) -> None:
    async with opened(model="tinystories", proof_below=0.9, unsure_below=0.001) as seat:
        await seat.go()
        shown = scene_text(seat.scene)
        assert shown is not None and shown.text == seat.scene.text
        first = next(part for part in shown.parts if part.piece.strip().isalpha())
        seat.canvas.move_cursor(first.address)
        await seat.press("l", "p")
        await seat.shown(ProofPopup)
        await read(seat)
        reading = seat.main_screen.proof._reading
        assert reading is not None and len(reading.findings) > 3
        locked = next(span for span in word_spans(shown.text) if span[0] < first.end and first.start < span[1])
        assert locked[0] not in {finding.start for finding in reading.findings}, "what is locked is not read"
        size, changed = len(seat.ids), reading.current
        assert changed is not None and selected(seat) == changed.word
        expected = f"{shown.text[: changed.start]}{changed.suggestion}{shown.text[changed.end :]}"
        await seat.press("enter")
        assert seat.scene.text == expected
        # It has as many tokens: it is locked there.
        assert len(seat.ids) == size and seat.branch.tip.edit.startswith("chose")
        await seat.press("m")
        assert seat.moment.masked and seat.branch.tip.edit.startswith("remasked")
        await seat.press("u", "u")
        assert seat.scene.text == shown.text and selected(seat) == changed.word
        await seat.press("enter", "m", "enter")
        await seat.press("escape")
        await seat.back()
        assert seat.told[-1] == "2 words changed, 1 masked: g writes there."
        await seat.press("p")
        assert seat.told[-1].startswith("Not all is written yet")
