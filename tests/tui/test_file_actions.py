"""Files by their keys: saved to the byte, exported, remembered, asked about before anything is lost."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandInput
from textual.widgets import Input

from sedd_cli.text.document import Document
from sedd_cli.text.draft import Mark
from sedd_cli.tui.commands import COMMANDS, key_name
from sedd_cli.tui.recovery import Recovery, RecoveryStore
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.screens.help import HelpScreen
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.screens.settings import SettingsScreen
from sedd_cli.tui.settings import read_settings
from tests.conftest import PARITY
from tests.generation.test_branches import replayed
from tests.tui.conftest import Opened, Seat, one_size
from tests.tui.test_recovery import ended

pytestmark = pytest.mark.asyncio

STORY = "Once upon a time, there was a little dog.\n"
HARD = "\ufeffOnce upon a time\r\n\ta 🐕\u200d🦺  \r\nHe \x1b[31mran[/red].\u2028 \t"
"""BOM, CRLF, tabs, blanks at the ends of lines, an emoji, what a terminal would obey, no last newline."""


def files(folder: Path) -> dict[str, bytes]:
    """The user's files."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "settings.toml"}


async def typed(seat: Seat, text: str) -> None:
    if not seat.session.empty:
        await seat.press("i")
    await seat.write(text)
    await seat.press("escape")


async def leaves(seat: Seat) -> None:
    """The session ends."""
    await seat.until(lambda: seat.app._exit)


async def test_a_gap_is_written_and_all_else_is_saved_to_the_byte(opened: Opened) -> None:
    data = HARD.encode()
    async with opened(data) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((HARD.index("time"), 0))
        await seat.press("m")
        await seat.press("ctrl+s")
        assert files(seat.folder)["story.txt"] == data, "a gap that is not written keeps what stood there"
        await seat.go()
        written = seat.scene.written(0)
        assert written != "time"
        await seat.press("a", "ctrl+s")
        saved = files(seat.folder)
        before, after = HARD.split("time")
        assert saved == {"story.txt": f"{before}{written}{after}".encode(), "story.txt~": data}
        assert not seat.session.unsaved and seat.told[-1] == "Saved; the earlier version is in story.txt~."
        await seat.press("ctrl+end")
        await typed(seat, "x")
        await seat.press("ctrl+s")
        assert seat.told[-1] == "Saved."
        assert files(seat.folder) == {**saved, "story.txt": saved["story.txt"] + b"x"}
        await seat.press("d")
        assert "There is no difference" in seat.seen


@one_size
async def test_what_is_rejected_leaves_the_file_as_it_was(opened: Opened) -> None:
    async with opened(HARD) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((HARD.index("upon"), 0))
        await seat.press("m")
        seat.canvas.move_cursor((HARD.index("ran"), 0))
        await seat.press("m", "ctrl+q", "ctrl+q")
        await seat.shown(ConfirmDialog)
        assert "2 masked words were not written." in seat.seen and "[s]" not in seat.seen
        await seat.press("enter")
        await seat.back()
        await seat.go()
        await seat.press("X", "ctrl+s")
        assert seat.file.read_bytes() == HARD.encode()
        await seat.press("ctrl+q")
        await leaves(seat)


@one_size
async def test_a_text_without_a_file_is_saved_where_one_says(opened: Opened) -> None:
    async with opened() as seat:
        await typed(seat, "One\n")
        await seat.press("ctrl+s")
        await seat.shown(InputDialog)
        await seat.answer(" ")
        assert isinstance(seat.app.screen, InputDialog), "that is no name"
        await seat.answer(str(seat.folder / "new.txt"))
        await seat.back()
        assert files(seat.folder) == {"new.txt": b"One\n"} and "new.txt" in seat.named and "*" not in seat.named
        await typed(seat, "x")
        assert "new.txt *" in seat.named
        await seat.press("ctrl+s")
        assert files(seat.folder) == {"new.txt": b"One\nx"}


@one_size
async def test_saving_under_another_name_leaves_the_first_file(opened: Opened) -> None:
    async with opened(STORY) as seat:
        (seat.folder / "other.txt").write_text("other's")
        await typed(seat, "x")
        await seat.press("S")
        dialog = await seat.shown(InputDialog)
        assert dialog.query_one(Input).value == str(seat.file)
        await seat.answer(str(seat.folder / "other.txt"))
        await seat.shown(ConfirmDialog)
        assert "There is a file other.txt already" in seat.seen
        await seat.press("c")
        await seat.back()
        assert files(seat.folder) == {"story.txt": STORY.encode(), "other.txt": b"other's"}
        await seat.press("S")
        await seat.shown(InputDialog)
        await seat.answer(str(seat.folder / "other.txt"))
        await seat.shown(ConfirmDialog)
        await seat.press("o")
        await seat.back()
        text = ("x" + STORY).encode()
        assert files(seat.folder) == {"story.txt": STORY.encode(), "other.txt": text, "other.txt~": b"other's"}
        assert "other.txt" in seat.named


@one_size
async def test_what_was_changed_on_disk_is_not_overwritten_unasked(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await typed(seat, "x")
        seat.file.write_bytes(b"theirs")
        await seat.press("ctrl+s")
        await seat.shown(ConfirmDialog)
        assert "story.txt was changed on disk" in seat.seen
        await seat.press("escape")
        await seat.back()
        assert files(seat.folder) == {"story.txt": b"theirs"} and seat.session.unsaved
        await seat.press("ctrl+s")
        await seat.shown(ConfirmDialog)
        await seat.press("a")
        await seat.shown(InputDialog)
        await seat.press("escape")
        await seat.back()
        await seat.press("ctrl+s")
        await seat.shown(ConfirmDialog)
        await seat.press("o")
        await seat.back()
        assert files(seat.folder) == {"story.txt": ("x" + STORY).encode(), "story.txt~": b"theirs"}
        assert not seat.session.unsaved


@one_size
async def test_a_file_that_vanished_is_written_again_if_that_is_wanted(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await typed(seat, "x")
        seat.file.unlink()
        for key in ("c", "w"):
            await seat.press("ctrl+s")
            await seat.shown(ConfirmDialog)
            assert "no longer exists" in seat.seen and not files(seat.folder)
            await seat.press(key)
            await seat.back()
        assert files(seat.folder) == {"story.txt": ("x" + STORY).encode()} and not seat.session.unsaved


@one_size
async def test_what_cannot_be_written_is_said_and_nothing_is_lost(opened: Opened) -> None:
    async with opened() as seat:
        await typed(seat, "x")
        for name in ("nowhere/new.txt", "."):
            await seat.press("ctrl+s")
            await seat.shown(InputDialog)
            await seat.answer(str(seat.folder / name))
            if name == ".":
                await seat.shown(ConfirmDialog)
                await seat.press("o")
            await seat.back()
            assert str(seat.folder) in seat.told[-1] and seat.session.unsaved and seat.scene.text == "x"


@one_size
@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/x"])
@pytest.mark.parametrize("key", ["S", "e"])
async def test_a_name_that_no_file_can_have_is_said(opened: Opened, name: str, key: str) -> None:
    async with opened(STORY) as seat:
        await seat.press(key)
        if key == "e":
            await seat.shown(ChoiceDialog)
            await seat.press("1")
        await seat.shown(InputDialog)
        await seat.answer(name)
        await seat.until(lambda: seat.told)


@one_size
async def test_the_run_is_exported_as_a_trace(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("R")
        await seat.go()
        path = seat.folder / "run.jsonl"
        await seat.press("e")
        await seat.shown(ChoiceDialog)
        await seat.press("4")
        dialog = await seat.shown(InputDialog)
        assert dialog.query_one(Input).value == "sedd.jsonl"
        await seat.answer(str(path))
        await seat.back()
        assert str(path) in seat.told[-1]
        header, rows = replayed(path)
        assert rows == {0: seat.ids} and header["seed"] == 7
        edits = [json.loads(line).get("edit") for line in path.read_text().splitlines()]
        assert [edit for edit in edits if edit] == ["remasked 32 tokens"]
        # Not over what is there, unless that is said.
        for key, kept in (("c", True), ("o", False)):
            path.write_text("mine")
            await seat.press("e")
            await seat.shown(ChoiceDialog)
            await seat.press("4")
            await seat.shown(InputDialog)
            await seat.answer(str(path))
            await seat.shown(ConfirmDialog)
            await seat.press(key)
            await seat.back()
            assert (path.read_text() == "mine") is kept


async def test_the_screen_is_exported_as_a_picture(opened: Opened) -> None:
    async with opened(STORY + "[/red] <script> \x1b[31m") as seat:
        path = seat.folder / "screen.svg"
        await seat.press("e")
        dialog = await seat.shown(ChoiceDialog)
        assert len(dialog._options) == 1, "there is no run to be exported"
        await seat.press("1")
        await seat.shown(InputDialog)
        await seat.answer(str(path))
        await seat.back()
        picture = path.read_text()
        assert picture.startswith("<svg") and "upon&#160;a&#160;time" in picture and "COMMAND" in picture
        assert "Picture&#160;of" not in picture, "what was asked is not on it"
        assert "\x1b" not in picture and "<script" not in picture


async def test_settings_are_used_and_remembered(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('# mine\nsteps = 8 # few\n\n[keys]\n"run.go" = "g"\n')
    async with opened() as seat:
        await seat.loaded()
        await seat.press("f2")
        form = await seat.shown(SettingsScreen)
        form.query_one("#steps", Input).value = "4"
        form.query_one("#temperature", Input).value = "0.5"
        await seat.press("ctrl+s")
        await seat.back()
        assert file.read_text().startswith("# mine\nsteps = 4 # few\n")
        settings = read_settings(file)
        assert (settings.steps, settings.temperature) == (4, 0.5) and "tweedie" not in seat.title
        await seat.go()
        request = seat.branch.job.request
        assert (request.steps, request.asked.temperature, request.length) == (4, 0.5, 32) and "tweedie 4" in seat.title
        await seat.press("o")
        form = await seat.shown(SettingsScreen)
        form.query_one("#steps", Input).value = "9"
        await seat.press("escape")
        await seat.back()
        assert read_settings(file) == settings and seat.main_screen.settings.steps == 4


@one_size
async def test_a_setting_that_was_not_changed_stays_in_the_file(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    text = "seed = 7\nsteps = 8\nlength = 32\ncandidates = 1\n"
    file.write_text(text)
    themes = tmp_path / "themes"
    themes.mkdir()
    (themes / "dusk.toml").write_text('primary = "teal"')
    (themes / "dawn.toml").write_text('primary = "blu"')
    async with opened(lock_seed=False, theme="dusk") as seat:
        assert seat.app.theme == "dusk" and seat.told[0].startswith("themes/dawn.toml: primary must be a colour")
        await seat.go()
        await seat.press("h")
        assert file.read_text() == text + 'shading = "order"\n'
        # Another setting changes before the session has heard of the theme.
        seat.app.theme = "nord"
        seat.app.theme = "dracula"
        seat.app.apply_settings(replace(seat.main_screen.settings, top_k=40))
        await seat.until(lambda: seat.app.settings.theme == "dracula")
        await seat.settle()
        assert seat.app.theme == seat.app.settings.theme == "dracula"


@one_size
async def test_what_was_written_in_the_settings_meanwhile_stays(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("seed = 7\nsteps = 8\n")
    async with opened("A cat") as seat, opened() as other:
        text = 'seed = 7\nsteps = 99\ntop_p = 0.9\n\n[keys]\n"run.go" = "x"\n'
        file.write_text(text)
        await seat.press("h")
        kept = text.replace("\n\n", '\nshading = "order"\n\n')
        assert file.read_text() == kept
        other.app.apply_settings(replace(other.main_screen.settings, top_k=40))
        assert file.read_text() == kept.replace("\n\n", "\ntop_k = 40\n\n")


@one_size
async def test_settings_that_cannot_be_written_are_said(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    async with opened("A cat") as seat:
        await seat.press("h")
        assert "settings.toml" in seat.told[-1] and seat.main_screen.settings.shading == "order"
        # The next time what could not be written then is not forgotten.
        (tmp_path / "settings.toml").rmdir()
        seat.app.apply_settings(replace(seat.main_screen.settings, top_k=40))
        assert (tmp_path / "settings.toml").read_text() == 'top_k = 40\nshading = "order"\n'


@one_size
async def test_a_key_is_what_the_settings_say(opened: Opened) -> None:
    async with opened(keys={"run.go": "f5", "text.mask": "g", "canvas.right": "l"}) as seat:
        await seat.loaded()
        await typed(seat, "A")
        assert "f5 go" in seat.seen
        await seat.press("ctrl+end", "g")
        assert "nothing to mask" in seat.told[-1] and not seat.scene.branches
        await seat.go("f5")
        assert seat.branch.finished
        cursor = seat.canvas.cursor
        await seat.press("l")
        assert seat.canvas.cursor == (cursor[0], cursor[1] + 1)
        await seat.press("question_mark")
        await seat.shown(HelpScreen)
        await seat.press("f", "5")
        assert any("f5 " in line and "Write what is masked" in line for line in seat.seen.splitlines())


async def test_help_tells_every_command_and_sign(opened: Opened) -> None:
    async with opened() as seat:
        for key in ("question_mark", "f1"):
            await seat.press(key)
            dialog = await seat.shown(HelpScreen)
            told = {(sign.plain, meaning) for _, rows in dialog._sections for sign, meaning in rows}
            assert {(key_name(c.keys), c.description) for cs in COMMANDS.values() for c in cs} <= told
            assert {"···", "¶", "◌"} <= {sign for sign, _ in told}
            await seat.press("escape")
            await seat.back()


async def test_the_palette_runs_every_command(opened: Opened) -> None:
    async with opened() as seat:
        names = {command.title for command in seat.app.get_system_commands(seat.main_screen)}
        assert {c.description for cs in COMMANDS.values() for c in cs if c.id != "session.palette"} <= names
        assert not {"Quit the application as soon as possible", "Keys"} & names
        await seat.press("ctrl+p")
        await seat.until(lambda: seat.app.screen.query(CommandInput))
        seat.app.screen.query_one(CommandInput).value = "Remask the word"
        await seat.until(lambda: "Remask the word" in seat.seen)
        await seat.press("enter")
        await seat.until(lambda: seat.told)
        assert seat.told == ["Nothing is written yet: g writes."] and seat.app.screen is seat.main_screen


@one_size
async def test_what_is_untouched_is_left_without_a_question(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("ctrl+q")
        await leaves(seat)
    async with opened(length=200, sampler="first-hitting") as seat:
        # A canvas that is half-written and that no hand has touched can be had again by its seed.
        await seat.loaded()
        await seat.tap("enter", lambda: seat.scene.branch and seat.branch.last > 2)
        await seat.press("space")
        assert not seat.branch.finished and "*" not in seat.named
        await seat.press("ctrl+q")
        await leaves(seat)


@one_size
async def test_a_text_that_was_generated_is_asked_about_until_it_is_saved(opened: Opened, tmp_path: Path) -> None:
    async with opened() as seat:
        await seat.go()
        written = seat.scene.text
        assert "untitled *" in seat.named
        # At an earlier moment too: what is asked about is seen.
        await seat.press("less_than_sign")
        assert "untitled *" in seat.named and seat.main_screen.autosave.save_for_next()
        (kept,) = (tmp_path / "recovery").iterdir()
        assert json.loads(kept.read_bytes())["text"] == written
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        assert "This text is not saved." in seat.seen and seat.scene.text == written
        await seat.press("c")
        await seat.back()
        assert seat.scene.at == 0
        await seat.press("greater_than_sign", "ctrl+s")
        await seat.shown(InputDialog)
        await seat.answer(str(tmp_path / "new.txt"))
        await seat.back()
        assert (tmp_path / "new.txt").read_text() == written and "*" not in seat.named
        assert not list((tmp_path / "recovery").iterdir())
        # One more is another text, and is lost with the same question.
        await seat.go("G")
        assert "new.txt *" in seat.named
        await seat.press("u", "ctrl+q")
        await leaves(seat)


@one_size
async def test_a_text_that_was_given_up_is_not_asked_about(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("u")
        assert "*" not in seat.named
        await seat.go()
        await seat.press("x", "ctrl+q")
        await leaves(seat)


@one_size
async def test_a_canvas_without_a_text_is_not_asked_about(opened: Opened) -> None:
    async with opened(model=str(PARITY / "radd"), length=8) as seat:
        await seat.go()
        assert seat.branch.finished
        await seat.press("ctrl+q")
        await leaves(seat)


@one_size
async def test_what_a_run_writes_is_kept_while_an_earlier_moment_is_looked_at(opened: Opened, tmp_path: Path) -> None:
    async with opened(STORY * 6, sampler="first-hitting", length=256) as seat:
        await seat.loaded()
        await seat.press("ctrl+a", "m")
        await seat.tap("g", lambda: seat.scene.branch and seat.branch.last > 2)
        await seat.tap("less_than_sign", lambda: not seat.main_screen.runs.playing)
        scene = seat.scene
        seat.main_screen.autosave.check()
        assert not seat.branch.finished
        await seat.until(lambda: "story.txt *" in seat.named)
        assert seat.scene is scene and seat.branch.finished
        seat.main_screen.autosave.check()
        (kept,) = (tmp_path / "recovery").iterdir()
        text = json.loads(kept.read_bytes())["text"]
        await seat.press("greater_than_sign")
        assert text == seat.scene.text != STORY * 6


@one_size
async def test_what_is_unsaved_is_asked_about(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await typed(seat, "x")
        await seat.press("m", "ctrl+q")
        await seat.shown(ConfirmDialog)
        assert "story.txt has changes that are not saved. 1 masked" in seat.seen
        await seat.press("c")
        await seat.back()
        assert not seat.app._exit
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("d")
        await leaves(seat)
        assert files(seat.folder) == {"story.txt": STORY.encode()}
    async with opened(STORY) as seat:
        await seat.press("i")
        await seat.write("x")
        # In edit mode, too.
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await leaves(seat)
        assert seat.file.read_text() == "x" + STORY


@one_size
async def test_whoever_stays_is_where_they_were(opened: Opened) -> None:
    """What is not saved may be at another moment and on another branch: it is shown while the question is."""
    async with opened(STORY * 20, candidates=2, sampler="first-hitting") as seat:
        await seat.loaded()
        seat.canvas.move_cursor((len(STORY) * 15, 0), (len(STORY) * 15 - 30, 0))
        await seat.press("m")
        await seat.go()
        await seat.press("n", "less_than_sign", "full_stop")
        seat.canvas.move_cursor((len(STORY) * 12, 0), (len(STORY) * 12 + 5, 0))
        seat.canvas.scroll_to(y=3, animate=False, immediate=True)
        await seat.settle()
        canvas, moment = seat.canvas, seat.moment
        place = (canvas.cursor, canvas.selection_anchor, canvas.scroll_offset.y, seat.scene.current, seat.scene.at)
        assert canvas.scroll_offset.y == 3 and moment.masked
        for key in ("escape", "c"):
            await seat.press("ctrl+q")
            await seat.shown(ConfirmDialog)
            assert seat.moment is not moment and not seat.moment.masked
            await seat.press(key)
            await seat.back()
            now = (canvas.cursor, canvas.selection_anchor, canvas.scroll_offset.y, seat.scene.current, seat.scene.at)
            assert now == place and seat.moment is moment


@one_size
async def test_a_run_goes_on_behind_the_question_whether_to_quit(opened: Opened) -> None:
    async with opened("A cat.", length=200, sampler="first-hitting") as seat:
        await seat.loaded()
        await typed(seat, "x")
        await seat.press("ctrl+a", "m", "t")
        await seat.shown(InputDialog)
        await seat.answer("40")
        await seat.back()
        await seat.tap("g", lambda: seat.scene.branches)
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("escape")
        await seat.back()
        await seat.still()
        assert seat.branch.finished and seat.scene.at == seat.branch.last


@one_size
async def test_a_file_that_is_not_there_yet_gives_a_text_its_name(opened: Opened, tmp_path: Path) -> None:
    new = tmp_path / "new.txt"
    async with opened() as seat:
        seat.session.new_path = new
        await typed(seat, "One")
        assert seat.named == "new.txt *"
        assert seat.main_screen.autosave.save_for_next()
        (left,) = RecoveryStore(tmp_path / "recovery")._entries(str(new))
        assert left[1].text == "One"
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        assert "new.txt is not saved." in seat.seen
        await seat.press("c")
        await seat.back()
        await seat.press("ctrl+s")
        assert new.read_text() == "One" and seat.named == "new.txt" and not seat.session.unsaved
        await typed(seat, "x")
        await seat.press("ctrl+s")
        assert new.read_text() == "Onex"


@one_size
async def test_a_file_that_appeared_meanwhile_is_not_overwritten_unasked(opened: Opened, tmp_path: Path) -> None:
    new = tmp_path / "new.txt"
    async with opened() as seat:
        seat.session.new_path = new
        await typed(seat, "One")
        new.write_text("Two")
        await seat.press("ctrl+s")
        await seat.shown(ConfirmDialog)
        assert new.read_text() == "Two"
        await seat.press("o")
        await seat.back()
        assert new.read_text() == "One" and (tmp_path / "new.txt~").read_text() == "Two"


@one_size
async def test_a_canvas_that_was_taken_hold_of_is_asked_about(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("l", "ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await seat.shown(InputDialog)
        await seat.answer(str(seat.folder / "new.txt"))
        await leaves(seat)
        assert (seat.folder / "new.txt").read_text() == seat.scene.text


@one_size
async def test_what_was_done_on_another_branch_is_asked_about_and_kept(opened: Opened, tmp_path: Path) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("l")
        held = seat.scene.text
        await seat.go("G")
        assert seat.scene.current == 2 and seat.scene.text != held
        seat.main_screen.autosave.save_for_next()
        (kept,) = (tmp_path / "recovery").iterdir()
        assert json.loads(kept.read_bytes())["text"] == held
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await seat.shown(InputDialog)
        await seat.answer(str(seat.folder / "new.txt"))
        await leaves(seat)
        assert (seat.folder / "new.txt").read_text() == held


@one_size
async def test_what_was_written_is_asked_about_at_its_first_moment_too(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("ctrl+a", "m")
        await seat.go()
        written = seat.scene.text
        await seat.press("<")
        assert seat.scene.text == STORY != written
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        assert written.split()[1] in seat.seen
        await seat.press("c")
        await seat.back()
        assert seat.scene.at == 0
        await seat.press(">", "ctrl+s")
        assert seat.file.read_text() == written
        await seat.press("ctrl+q")
        await leaves(seat)


@one_size
async def test_a_beginning_that_was_typed_is_asked_about(opened: Opened) -> None:
    async with opened() as seat:
        await typed(seat, "A cat")
        await seat.go()
        await seat.press("ctrl+q")
        await seat.until(lambda: seat.app._exit or isinstance(seat.app.screen, ConfirmDialog))
        assert isinstance(seat.app.screen, ConfirmDialog)


@one_size
async def test_saving_that_fails_does_not_leave(opened: Opened) -> None:
    async with opened() as seat:
        await typed(seat, "x")
        await seat.press("ctrl+q")
        await seat.shown(ConfirmDialog)
        await seat.press("s")
        await seat.shown(InputDialog)
        await seat.answer(str(seat.folder / "nowhere" / "new.txt"))
        await seat.back()
        assert "nowhere" in seat.told[-1] and not seat.app._exit


@one_size
async def test_unsaved_work_of_a_session_that_was_ended_is_offered(opened: Opened, tmp_path: Path) -> None:
    document = Document(tmp_path / "story.txt", STORY.encode(), STORY)
    gaps = [{"start": 4, "end": 9, "original": " upon", "tokens": [2, 4], "masked": True}]
    left = replace(Recovery.of(document, "Once xpon a time", gaps), pid=ended())
    RecoveryStore(tmp_path / "recovery").autosave(left)
    for key, text in (("l", STORY), ("r", left.text), ("r", STORY)):
        async with opened(STORY) as seat:
            if text == left.text or key == "l":
                await seat.shown(ConfirmDialog)
                await seat.press(key)
                await seat.back()
            assert seat.scene.draft.text == text
            if key == "r" and text == left.text:
                (mark,) = seat.scene.draft.marks
                assert (mark.start, mark.end, mark.tokens) == (4, 9, (2, 4)) and seat.session.unsaved
                await seat.press("u", "ctrl+q")
                await leaves(seat)


@one_size
async def test_work_that_is_recovered_keeps_its_own_gaps(opened: Opened, tmp_path: Path) -> None:
    text = "One [[3]] two [[4]]\n"
    document = Document(tmp_path / "story.txt", text.encode(), text)
    gaps = [{"start": 4, "end": 9, "original": "[[3]]", "tokens": 7, "masked": True}]
    RecoveryStore(tmp_path / "recovery").autosave(replace(Recovery.of(document, text, gaps), pid=ended()))
    async with opened(text) as seat:
        await seat.shown(ConfirmDialog)
        await seat.press("r")
        await seat.back()
        assert seat.scene.draft.marks == (Mark(4, 9, "[[3]]", 7),)


@one_size
async def test_a_fault_of_ours_loses_nothing(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        async with opened(STORY) as seat:
            await typed(seat, "x")
            await seat.press("m")
            await seat.go()
            # A draft that is not the one of the branches: this cannot be drawn, nor settled.
            seat.session.scene = replace(seat.scene, draft=seat.scene.draft.mask(25, 30))
            await seat.press("h")
    (kept,) = (tmp_path / "recovery").iterdir()
    assert json.loads(kept.read_bytes())["text"] == "x" + STORY


@one_size
async def test_a_terminal_that_goes_away_loses_nothing(opened: Opened, tmp_path: Path) -> None:
    async with opened(STORY) as seat:
        await typed(seat, "x")
        await seat.press("m")
        os.kill(os.getpid(), signal.SIGHUP)
        await leaves(seat)
    (kept,) = (tmp_path / "recovery").iterdir()
    found = json.loads(kept.read_bytes())
    assert found["text"] == "x" + STORY and len(found["gaps"]) == 1
    assert seat.app.return_code == 1 and seat.file.read_text() == STORY


@one_size
async def test_what_was_saved_or_discarded_is_not_offered_again(opened: Opened, tmp_path: Path) -> None:
    for key in ("s", "d"):
        async with opened(STORY) as seat:
            await typed(seat, "x")
            seat.main_screen.autosave.save_for_next()
            assert list((tmp_path / "recovery").iterdir())
            await seat.press("ctrl+q")
            await seat.shown(ConfirmDialog)
            await seat.press(key)
            await leaves(seat)
        assert not list((tmp_path / "recovery").iterdir()), key


@one_size
async def test_a_branch_is_exported_to_be_played_elsewhere(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        # One more text, of a row that was not asked for at first, and a change by hand, once its last moment is shown.
        await seat.go("G")
        await seat.rush("ctrl+home", "r", "g")
        await seat.still()
        assert seat.branch.finished
        for number, name in (("2", "sedd.html"), ("3", "sedd.cast")):
            await seat.press("e")
            await seat.shown(ChoiceDialog)
            await seat.press(number)
            await seat.shown(InputDialog)
            await seat.answer(str(seat.folder / name))
            await seat.back()
            assert "remasked 1 token" in (seat.folder / name).read_text()
