"""The start of a session: the card, what it begins, and documents that are opened in the place of others."""

from pathlib import Path

import pytest
from textual.widgets import Input

from sedd_cli import Checkpoint, generate
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.screens.open_dialog import OpenDialog, completion
from sedd_cli.tui.widgets.start_card import StartCard
from tests.tui.conftest import Opened, one_size

pytestmark = pytest.mark.asyncio


@pytest.mark.usefixtures("threads")
async def test_a_beginning_and_an_ending_are_kept_and_written_between(opened: Opened, one_block: Checkpoint) -> None:
    options = {"steps": 8, "length": 32, "seed": 7}
    (sample,) = generate(one_block, prompt="A cat", suffix="The end.", defaults="checkpoint", **options)  # type: ignore[arg-type]
    async with opened() as seat:
        card = seat.main_screen.query_one(StartCard)
        assert card.display and card.has_focus and "write a story" in seat.seen and "?" in seat.seen
        # Faster than the canvas is there: the blank is text, and so is the key of a command.
        await seat.rush(*"A cax", "backspace", "t")
        assert seat.scene.text == "A cat" and seat.foot == "EDIT" and not card.display and seat.canvas.has_focus
        await seat.press("ctrl+e")
        await seat.shown(InputDialog)
        # Asked for while the checkpoint may still be loading: written once it is there.
        await seat.answer("The end.")
        await seat.until(lambda: seat.scene.branch and seat.branch.finished)
        await seat.still()
        assert seat.ids == sample.ids.tolist() and seat.scene.text == sample.text
        assert seat.scene.text.startswith("A cat") and seat.scene.text.endswith("The end.")
        await seat.press("u")
        assert seat.scene.text == "A cat[[...]]The end." and seat.session.unsaved
        await seat.press("u", "u")
        assert seat.session.empty and card.display and card.has_focus


@one_size
async def test_a_document_is_opened_in_the_place_of_another_and_nothing_is_lost(opened: Opened, tmp_path: Path) -> None:
    other, new = tmp_path / "other.txt", tmp_path / "new.txt"
    other.write_text("Another day.\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    async with opened() as seat:
        await seat.write("One")
        await seat.press("ctrl+o")
        await seat.shown(OpenDialog)
        await seat.answer(str(binary))
        await seat.back()
        assert "binary" in seat.told[-1] and seat.scene.text == "One"
        await seat.press("ctrl+o")
        await seat.shown(OpenDialog)
        await seat.answer(str(other))
        assert "not saved" in str(seat.seen) and isinstance(await seat.shown(ConfirmDialog), ConfirmDialog)
        await seat.press("c")
        await seat.back()
        assert seat.scene.text == "One" and seat.session.path is None
        await seat.press("ctrl+o")
        await seat.shown(OpenDialog)
        await seat.answer(str(other))
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await seat.shown(InputDialog)
        await seat.answer(str(new))
        await seat.back()
        assert new.read_text() == "One" and seat.scene.text == "Another day.\n" and seat.foot == "COMMAND"
        assert "other.txt" in seat.named and not seat.session.unsaved and not seat.session.undo()
    async with opened() as seat:
        # What was opened last comes first.
        names = [name for name, _ in seat.main_screen.query_one(StartCard).shown.recent]
        assert [Path(name).name for name in names] == ["other.txt", "new.txt"]
        await seat.press("2")
        assert seat.scene.text == "One" and "new.txt" in seat.named
        await seat.press("ctrl+o")
        dialog = await seat.shown(OpenDialog)
        await seat.write(str(tmp_path / "ot"))
        await seat.until(lambda: dialog.query_one(Input)._suggestion)
        await seat.press("right", "enter")
        await seat.back()
        assert seat.scene.text == "Another day.\n"
        # Opened again, with changes that are saved first: they are what is opened.
        await seat.press("i")
        await seat.write("Not ")
        await seat.press("ctrl+o")
        await seat.shown(OpenDialog)
        await seat.answer(str(other))
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await seat.back()
        assert seat.scene.text == "Not Another day.\n" == other.read_text()
        # What is masked and not written is in no file.
        await seat.press("m", "ctrl+o")
        await seat.shown(OpenDialog)
        await seat.answer(str(new))
        await seat.shown(ConfirmDialog)
        assert "1 masked word was not written." in seat.seen
        await seat.press("o")
        await seat.back()
        assert seat.scene.text == "One" and not seat.scene.draft.marks


async def test_a_path_is_completed_as_far_as_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tales").mkdir()
    for name in ("tales/one.txt", ".hidden", "b\x1b.txt"):
        (tmp_path / name).touch()
    cases = {"ta": "tales/", "tales/o": "tales/one.txt", "tales/one.txt": None, "": None, "b": None, ".h": ".hidden"}
    assert {typed: completion(typed) for typed in cases} == cases
    assert completion("nowhere/x") is None and completion(f"{tmp_path}/ta") == f"{tmp_path}/tales/"
