"""Dialogs, by keyboard and by mouse."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.text import Text
from textual.app import App
from textual.content import Content
from textual.events import Key, MouseScrollDown
from textual.screen import Screen
from textual.widgets import Button, Input, OptionList, Select, Static, Switch

from sedd_cli.render.diff import diff_parts
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.screens.diff import DiffLines, DiffScreen
from sedd_cli.tui.screens.fields import CHOICES, FIELDS, NUMBERS, WHOLE
from sedd_cli.tui.screens.help import HelpScreen, Row, Section, first_half, matching
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.screens.settings import SettingsScreen
from sedd_cli.tui.settings import Settings
from tests.tui.conftest import QuickPilot

pytestmark = pytest.mark.asyncio

HOSTILE = "[/red] [bold]x \x1b[31m\x9b1m\x07 \u202e日本"
NONE: list[Any] = [None]


class Host(App[None]):
    """Shows a screen and keeps what it answers."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self.animation_level = "none"
        self.shown = screen
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self.shown, self.answers.append)


@asynccontextmanager
async def host(screen: Screen[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Host, QuickPilot]]:
    app = Host(screen)
    async with app.run_test(size=size):
        pilot = QuickPilot(app)
        await pilot.pause()
        yield app, pilot


async def answers(make: Callable[[], Screen[Any]], *presses: list[str]) -> list[Any]:
    """What a screen answers to keys, opened anew for each list of them; `...` is no answer."""
    found = []
    async with host(make()) as (app, pilot):
        for i, keys in enumerate(presses):
            if i:
                app.push_screen(make(), app.answers.append)
                await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            found.append(app.answers.pop() if app.answers else ...)
            assert not app.answers
    return found


def on_screen(app: App[Any]) -> str:
    """Everything that is in sight."""
    return "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())


def confirm() -> ConfirmDialog:
    return ConfirmDialog(
        "Quit?", "It is not saved.", [("s", "Save", "save"), ("d", "Discard", "discard"), ("c", "Stay", "stay")]
    )


def ask() -> InputDialog:
    return InputDialog("Save as", "a.txt", "a name", lambda name: None if name.endswith(".txt") else "not a .txt")


def choose(n: int = 12) -> ChoiceDialog:
    return ChoiceDialog("Pick", [Text(f"option {i}", "bold") for i in range(n)], highlighted=2)


def form(**values: Any) -> SettingsScreen:
    return SettingsScreen(Settings(**values))


def help_screen() -> HelpScreen:
    rows = [Row(Text(f"ctrl+{i}"), f"does the thing of number {i}") for i in range(40)]
    signs = [Row(Text("···", "dim"), "a word that is not written yet")]
    return HelpScreen([Section("Signs", signs), Section("Keys", rows), Section("More keys", [Row(Text("x"), "do it")])])


def diff(lines: int = 3, width: int = 5) -> DiffScreen:
    before = "".join(f"old\t{i}{'.' * width}\n" for i in range(lines))
    after = before.replace("old", "new")
    return DiffScreen(diff_parts(before, after, [((0, len(before)), (0, len(after)))], "a.txt"))


SCREENS: list[Callable[[], Screen[Any]]] = [confirm, ask, choose, form, help_screen, diff]


@pytest.mark.parametrize("make", SCREENS)
async def test_every_screen_opens_at_any_size_and_escape_closes_it(make: Callable[[], Screen[Any]]) -> None:
    async with host(make()) as (app, pilot):
        for size in ((20, 5), (2, 1), (200, 50)):
            await pilot.press("tab", "down", "pagedown", "escape")
            await pilot.pause()
            assert app.answers.pop() is None and len(app.screen_stack) == 1
            await pilot.resize_terminal(*size)
            app.push_screen(make(), app.answers.append)
            await pilot.pause()
            assert on_screen(app)
        await pilot.resize_terminal(20, 5)
        assert on_screen(app)


@pytest.mark.parametrize("make", SCREENS)
async def test_every_binding_has_an_id_and_can_be_rebound(make: Callable[[], Screen[Any]]) -> None:
    async with host(make()) as (app, pilot):
        own = [
            b for cls in type(app.screen).__mro__ for b in vars(cls).get("BINDINGS", []) if "sedd_cli" in cls.__module__
        ]
        assert own and all(binding.id for binding in own)
        app.set_keymap({"dialog.close": "ctrl+g,f9"})
        await pilot.press("escape")
        assert not app.answers
        await pilot.press("f9")
        await pilot.pause()
        assert app.answers == NONE


@pytest.mark.parametrize(
    ("make", "key"), [(confirm, "s"), (ask, "enter"), (choose, "1"), (form, "ctrl+s"), (diff, "q")]
)
async def test_two_keys_at_once_close_one_screen(make: Callable[[], Screen[Any]], key: str) -> None:
    async with host(ChoiceDialog("These keys mean nothing here", [])) as (app, pilot):
        app.push_screen(make(), app.answers.append)
        await pilot.pause()
        for _ in range(2):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert len(app.answers) == 1 and app.screen is app.shown


@pytest.mark.parametrize("make", SCREENS)
async def test_every_screen_follows_the_theme(make: Callable[[], Screen[Any]]) -> None:
    async with host(make()) as (app, pilot):
        pictures = set()
        for theme in ("textual-light", "ansi-dark"):
            app.theme = theme
            await pilot.pause()
            pictures.add(app.export_screenshot(simplify=True))
        assert len(pictures) == 2


@pytest.mark.parametrize(
    "screen",
    [
        ConfirmDialog(HOSTILE, HOSTILE, [("x", HOSTILE, "yes")]),
        InputDialog(HOSTILE, HOSTILE, HOSTILE, lambda value: HOSTILE),
        ChoiceDialog(HOSTILE, [Text(HOSTILE, "red"), Content(HOSTILE)], hint=HOSTILE),
        SettingsScreen(Settings(model=HOSTILE)),
        HelpScreen([Section(HOSTILE, [Row(Text(HOSTILE), HOSTILE)])]),
        DiffScreen([(f"+{HOSTILE}\n", "green")], HOSTILE),
    ],
    ids=lambda screen: type(screen).__name__,
)
async def test_text_is_shown_and_never_obeyed(screen: Screen[Any]) -> None:
    async with host(screen) as (app, pilot):
        await pilot.press("end", "]")
        await pilot.pause()
        seen = on_screen(app)
        assert "[/red] [bold]x ␛[31m" in seen
        assert not any(sign in seen for sign in "\x1b\x9b\x07\u202e")


class TestConfirm:
    async def test_keys(self) -> None:
        cases: dict[str, Any] = {
            "enter": "save",
            "s": "save",
            "d": "discard",
            "right enter": "discard",
            "tab tab enter": "stay",
            "down up right left enter": "save",
            "shift+tab enter": "stay",
            "escape": None,
            "x S 1": ...,
        }
        assert await answers(confirm, *map(str.split, cases)) == [*cases.values()]

    async def test_mouse(self) -> None:
        async with host(confirm()) as (app, pilot):
            await pilot.click("#choice-1")
            await pilot.pause()
            assert app.answers == ["discard"]

    async def test_buttons_stand_below_one_another_where_they_do_not_fit(self) -> None:
        async with host(confirm(), (24, 16)) as (app, _):
            buttons = list(app.screen.query(Button))
            assert len({button.region.y for button in buttons}) == 3
            assert all(button.region.right <= 24 and button.region.height == 1 for button in buttons)

    async def test_no_label_is_cut(self) -> None:
        async with host(confirm(), (60, 20)) as (app, _):
            assert all(label in on_screen(app) for label in (" [s] Save ", " [d] Discard ", " [c] Stay "))

    async def test_on_a_tiny_terminal_the_question_is_seen_first(self) -> None:
        async with host(confirm(), (20, 5)) as (app, pilot):
            await pilot.pause()
            assert "Quit?" in on_screen(app)


class TestAsk:
    async def test_keys(self) -> None:
        cases: dict[str, Any] = {
            "enter": "a.txt",
            "b . t x t enter": "b.txt",
            "x escape": None,
            "x enter": ...,
        }
        assert await answers(ask, *map(str.split, cases)) == [*cases.values()]
        assert await answers(lambda: InputDialog("without a check"), ["enter"]) == [""]

    async def test_a_fault_is_told_while_typing_and_goes_away(self) -> None:
        async with host(ask()) as (app, pilot):
            assert "not a .txt" not in on_screen(app)
            await pilot.press("x")
            await pilot.pause()
            assert "not a .txt" in on_screen(app) and app.screen.query_one(Input).has_class("-invalid")
            await pilot.press(*".txt")
            await pilot.pause()
            assert "not a .txt" not in on_screen(app) and not app.screen.query_one(Input).has_class("-invalid")

    async def test_what_stands_there_at_first_is_only_faulted_when_accepted(self) -> None:
        async with host(InputDialog("t", "bad", check=lambda name: "too bad")) as (app, pilot):
            assert "too bad" not in on_screen(app)
            await pilot.press("enter")
            await pilot.pause()
            assert "too bad" in on_screen(app) and not app.answers

    async def test_mouse(self) -> None:
        async with host(ask()) as (app, pilot):
            await pilot.click(Input, offset=(4, 1))
            await pilot.press("X", "enter")
            await pilot.pause()
            assert app.answers == ["aX.txt"]


class TestChoose:
    async def test_keys(self) -> None:
        cases: dict[str, Any] = {
            "enter": 2,
            "j j k enter": 3,
            "down up up enter": 1,
            "1": 0,
            "9": 8,
            "end enter": 11,
            "escape": None,
        }
        assert await answers(choose, *map(str.split, cases)) == [*cases.values()]
        assert await answers(lambda: choose(3), ["4", "9"]) == [...]

    async def test_mouse(self) -> None:
        async with host(choose()) as (app, pilot):
            await pilot.click(OptionList, offset=(3, 4))
            await pilot.pause()
            assert app.answers == [4]

    async def test_nothing_to_choose_from(self) -> None:
        async with host(ChoiceDialog("Pick", [])) as (app, pilot):
            assert "nothing to choose from" in on_screen(app)
            await pilot.press("j", "k", "1", "enter", "escape")
            await pilot.pause()
            assert app.answers == NONE

    @pytest.mark.parametrize("size", [(80, 24), (20, 5)])
    async def test_a_long_list_scrolls_and_shows_what_is_highlighted(self, size: tuple[int, int]) -> None:
        options = [Text(f"number {i}") for i in range(500)]
        async with host(ChoiceDialog("Pick", options, highlighted=400), size) as (app, pilot):
            await pilot.pause()
            assert "number 400" in on_screen(app)
            await pilot.press("end")
            await pilot.pause()
            assert "number 499" in on_screen(app) and "Pick" in on_screen(app)

    async def test_a_highlight_out_of_range_is_the_nearest(self) -> None:
        assert await answers(lambda: choose(2), ["enter"]) == [1]


class TestSettings:
    async def test_enter_and_ctrl_s_save_what_was_there(self) -> None:
        settings = Settings(
            model="m", seed=3, top_p=0.5, sampler="euler", lock_seed=True, keys={"go": "x"}, theme="nord"
        )
        assert await answers(lambda: SettingsScreen(settings), ["enter"], ["ctrl+s"]) == [settings, settings]

    async def test_the_keyboard_reaches_every_setting(self) -> None:
        numbers = [field.name for field in FIELDS if field.name in WHOLE | NUMBERS]
        values: dict[str, Any] = {name: k if name in WHOLE else k / 16 for k, name in enumerate(numbers, 1)}
        values |= {"model": "m", "device": "cpu"}
        async with host(form()) as (app, pilot):
            for field in FIELDS:
                if field.typed:
                    # What is there is selected, and replaced.
                    await pilot.press(*str(values[field.name]))
                elif isinstance(app.focused, Switch):
                    await pilot.press("space")
                else:
                    await pilot.press("enter", "up", "enter")
                await pilot.press("tab")
            await pilot.press("enter")
            await pilot.pause()
            (answer,) = app.answers
        values |= {name: names[-1] for name, names in CHOICES.items()}
        assert answer == Settings(**values, exact=True, lock_seed=True, one_line=True, theme=answer.theme)
        assert answer.theme != "textual-dark" and answer.theme in app.available_themes

    async def test_up_and_down_move_between_fields_and_each_is_explained(self) -> None:
        async with host(form()) as (app, pilot):
            await pilot.press("down", "down")
            assert app.focused is app.screen.query_one("#steps")
            await pilot.press("up")
            assert app.focused is app.screen.query_one("#device")
            await pilot.press("down", "down")
            await pilot.pause()
            assert "Empty: the checkpoint's." in on_screen(app)

    async def test_blank_is_the_default_and_for_a_theme_that_is_not_there_the_one_in_use(self) -> None:
        values = {"model": "m", "device": "cpu", "steps": 7, "seed": 3, "top_k": 5, "temperature": 2.0, "theme": "lost"}
        async with host(form(**values)) as (app, pilot):
            for field in app.screen.query(Input):
                field.value = " "
            await pilot.press("ctrl+s")
            await pilot.pause()
            assert app.answers == [Settings()]

    async def test_a_fault_is_told_live_and_keeps_the_form_open(self) -> None:
        cases = [
            ("steps", "9" * 5000, "must be a whole number, 1 or more"),
            ("temperature", "nan", "must be a number, 0 or more"),
            ("device", "gpu", "must be auto, cpu, cuda, cuda:N or mps"),
        ]
        async with host(form()) as (app, pilot):
            for name, text, told in cases:
                field = app.screen.query_one(f"#{name}", Input)
                field.value = text
                await pilot.pause()
                assert told in on_screen(app)
                await pilot.press("ctrl+s")
                await pilot.pause()
                assert not app.answers and app.focused is field
                field.value = ""
                await pilot.pause()
                assert "must be" not in on_screen(app)

    async def test_mouse_and_what_a_switch_means_is_written_beside_it(self) -> None:
        async with host(form()) as (app, pilot):
            state = app.screen.query_one("#entry-exact .state", Static)
            assert str(state.content) == "off"
            await pilot.click("#exact")
            await pilot.pause()
            assert str(state.content) == "on"
            await pilot.click("#steps")
            await pilot.press("end", "9")
            await pilot.click("#save")
            await pilot.pause()
            assert app.answers == [Settings(exact=True, steps=9)]

    async def test_cancelled_by_mouse(self) -> None:
        async with host(form()) as (app, pilot):
            await pilot.click("#cancel")
            await pilot.pause()
            assert app.answers == NONE

    async def test_escape_closes_an_open_list_first(self) -> None:
        async with host(form()) as (app, pilot):
            app.screen.query_one("#theme", Select).focus()
            await pilot.press("enter", "escape")
            await pilot.pause()
            assert not app.answers
            await pilot.press("escape")
            await pilot.pause()
            assert app.answers == NONE

    @pytest.mark.parametrize("size", [(60, 20), (20, 5)])
    async def test_the_field_that_has_the_focus_is_in_sight(self, size: tuple[int, int]) -> None:
        async with host(form(), size) as (app, pilot):
            for _ in range(12):
                await pilot.press("tab")
                assert app.focused is not None and app.screen.can_view_entire(app.focused)


class TestHelp:
    async def test_keys_that_close(self) -> None:
        assert await answers(help_screen, ["question_mark"], ["f1"], ["escape"]) == NONE * 3

    async def test_typing_selects_rows_and_escape_shows_all_again(self) -> None:
        async with host(help_screen()) as (app, pilot):
            await pilot.press(*"THING 39")
            await pilot.pause()
            seen = on_screen(app)
            assert "of number 39" in seen and "of number 38" not in seen and "Signs" not in seen
            await pilot.press("escape", "z", "z")
            await pilot.pause()
            assert "Nothing matches" in on_screen(app) and "number" not in on_screen(app)
            await pilot.press("escape")
            await pilot.pause()
            assert "of number 0" in on_screen(app) and "Nothing" not in on_screen(app) and not app.answers

    async def test_it_scrolls(self) -> None:
        async with host(help_screen()) as (app, pilot):
            assert "···" in on_screen(app) and "of number 39" not in on_screen(app)
            await pilot.press("ctrl+end")
            await pilot.pause()
            assert "More keys" in on_screen(app) and "of number 39" in on_screen(app)
            await pilot.press("ctrl+home", "down")
            await pilot.pause()
            assert app.screen.query_one("#page").scroll_offset.y == 1

    async def test_meanings_stand_below_one_another_and_sections_beside_where_it_is_wide(self) -> None:
        sections = [Section("A", [Row(Text("a"), "first")]), Section("B", [Row(Text("ctrl+b"), "second")])]
        async with host(HelpScreen(sections)) as (app, _):
            lines = on_screen(app).splitlines()
            first, second = (
                next((y, row.index(w)) for y, row in enumerate(lines) if w in row) for w in ("first", "second")
            )
            assert first[1] == second[1]
        async with host(HelpScreen(sections), (120, 24)) as (app, _):
            assert any("first" in row and "second" in row for row in on_screen(app).splitlines())

    async def test_mouse_wheel(self) -> None:
        async with host(help_screen()) as (app, pilot):
            await pilot._post_mouse_events([MouseScrollDown], "#page", button=0)
            await pilot.pause()
            assert app.screen.query_one("#page").scroll_target_y > 0

    async def test_a_search_finds_keys_first_and_then_words_anywhere(self) -> None:
        save, step, help_ = Row(Text("s ^s"), "Save"), Row(Text("."), "Forward one step"), Row(Text("? f1"), "Help")
        sections = [Section("Time", [step]), Section("Session", [save, help_])]
        found = {query: [row for rows in matching(sections, query) for row in rows] for query in FOUND}
        assert found == {
            q: [{"save": save, "step": step, "help": help_}[n] for n in names] for q, names in FOUND.items()
        }

    async def test_halves_are_as_even_as_sections_allow(self) -> None:
        assert [first_half(sizes) for sizes in ([], [5], [1, 1], [9, 2, 3, 4], [2, 3, 9])] == [0, 0, 1, 1, 2]


FOUND = {
    "": ["step", "save", "help"],
    " ": ["step", "save", "help"],
    "s": ["save"],
    "S": ["step", "save", "help"],
    "f1": ["help"],
    "ST": ["step"],
    "session e": ["save", "help"],
    "one forward": ["step"],
    "x": [],
}
"""Queries, and the rows that they find."""


class TestDiff:
    async def test_keys_that_close(self) -> None:
        assert await answers(diff, ["q"], ["d"], ["escape"]) == NONE * 3

    async def test_signs_counts_and_tabs(self) -> None:
        async with host(diff(2)) as (app, _):
            seen = on_screen(app)
            assert "Changes  +2 -2" in seen
            assert "-old 0....." in seen and "+new 1....." in seen and "line 1" in seen

    async def test_no_difference_is_said(self) -> None:
        async with host(DiffScreen([])) as (app, pilot):
            assert "There is no difference." in on_screen(app)
            await pilot.press("q")
            await pilot.pause()
            assert app.answers == NONE

    async def test_a_missing_newline_is_said(self) -> None:
        async with host(DiffScreen(diff_parts("a", "b", [((0, 1), (0, 1))], "a.txt"))) as (app, _):
            assert "No newline at end of file" in on_screen(app)

    @pytest.mark.parametrize(("width", "rows"), [(100, [1, 2]), (200, [1, 1])])
    async def test_changed_words_are_underlined(self, width: int, rows: list[int]) -> None:
        before, after = "a\tdog ran.\n", "a\tcat ran.\n"
        parts = diff_parts(before, after, [((2, 5), (2, 5))], "a.txt")
        async with host(DiffScreen(parts), (width, 24)) as (app, _):
            lines = app.screen.query_one(DiffLines)
            drawn = [[(s.text, bool(s.style and s.style.underline)) for s in lines.render_line(y)] for y in rows]
            for sign, word, row in zip("-+", ("dog", "cat"), drawn, strict=True):
                begin = row.index((sign, False))
                assert row[begin : begin + 4] == [(sign, False), ("a   ", False), (word, True), (" ran.", False)]

    async def test_it_scrolls_and_long_lines_are_wrapped(self) -> None:
        async with host(diff(100, 200)) as (app, pilot):
            assert app.screen.query_one(DiffLines).virtual_size.height > 600
            await pilot.press("end")
            await pilot.pause()
            assert app.screen.query_one(DiffLines).is_vertical_scroll_end
            assert "+new" in on_screen(app) and "99...." in on_screen(app)

    async def test_a_long_diff_draws_only_what_is_in_sight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn: list[int] = []
        render_line = DiffLines.render_line
        monkeypatch.setattr(DiffLines, "render_line", lambda self, y: drawn.append(y) or render_line(self, y))
        async with host(diff(20_000)) as (app, pilot):
            assert app.screen.query_one(DiffLines).virtual_size.height == 40_001
            await pilot.press("end")
            await pilot.pause()
            assert "new 19999" in on_screen(app)
        assert len(drawn) < 500
