"""The canvas alone: where the text stands on screens of any width, and how long lines of code are read."""

import random

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from sedd_cli.tui.page_layout import Page, Replacement, Steady, Token
from sedd_cli.tui.widgets.canvas_view import MEASURE, CanvasView
from tests.tui.conftest import QuickPilot

pytestmark = pytest.mark.asyncio

STORY = "Once upon a time there was a little dog who ran. " * 12
CODE = f"def long():\n    return {'x + ' * 60}1\n"


class Alone(App[None]):
    CSS = "CanvasView { scrollbar-size: 1 1; & > .canvas--cursor { text-style: bold; } }"

    def __init__(self, text: str, wraps: bool = True) -> None:
        super().__init__()
        self.text, self.wraps = text, wraps

    @property
    def view(self) -> CanvasView:
        return self.query_one(CanvasView)

    def compose(self) -> ComposeResult:
        yield CanvasView(Page(self.text, [], [], 80))

    def on_mount(self) -> None:
        self.view.wraps = self.wraps
        self.view.focus()

    def on_canvas_view_resized(self) -> None:
        self.view.show(Page(self.text, [], [], self.view.page_width))

    def rows(self) -> list[str]:
        return [self.view.render_line(y).text for y in range(self.view.size.height)]


@pytest.mark.parametrize("width", [40, 91, 120, 200])
async def test_text_is_centred_and_at_most_as_wide_as_its_measure(width: int) -> None:
    app = Alone(STORY)
    async with app.run_test(size=(width, 24)) as usual:
        pilot = QuickPilot(usual.app)
        await pilot.pause()
        left = max(0, (width - MEASURE - 1) // 2)
        rows = app.rows()
        assert {len(row) for row in rows} == {width}
        words = [row for row in rows if row.strip()]
        assert all(row[:left].isspace() or not left for row in words)
        assert all(len(row.rstrip()) - left <= MEASURE for row in words)
        assert words[0][left:].startswith("Once upon") and len(words[0].split()) > min(width, MEASURE) // 6
        # A click finds the word that it is on, and right and left of the text its row's ends.
        word = rows[1].split()[2]
        x = rows[1].index(f" {word} ") + 1
        await pilot.click(CanvasView, offset=(x, 1))
        at = app.view.cursor[0]
        assert STORY[at:].startswith(f"{word} ") and app.view.page.locate((at, 0)) == (1, x - left)
        await pilot.click(CanvasView, offset=(0, 1))
        assert app.view.page.locate(app.view.cursor) == (1, 0)
        await pilot.click(CanvasView, offset=(width - 1, 1))
        assert app.view.page.locate(app.view.cursor)[0] == 1
        # The cursor is drawn where it is.
        app.view.move_cursor((at, 0))
        segments = [s for s in app.view.render_line(1) if s.text == word[0] and s.style and s.style.bold]
        assert len(segments) == 1


async def test_code_is_not_wrapped_and_scrolls_with_the_cursor() -> None:
    app = Alone(CODE, wraps=False)
    async with app.run_test(size=(60, 8)) as usual:
        pilot = QuickPilot(usual.app)
        await pilot.pause()
        assert app.view.page.height == 3
        assert [row.rstrip() for row in app.rows()[:2]] == ["def long():", CODE.splitlines()[1][:60].rstrip()]
        await pilot.press("down", "end")
        await pilot.pause()
        assert app.rows()[1].rstrip().endswith("x + 1") and app.view.scroll_offset.x > 0
        assert app.rows()[0].strip() == ""
        x = app.rows()[1].index("1")
        await pilot.click(CanvasView, offset=(x - 4, 1))
        assert CODE[app.view.cursor[0]] == "x"
        await pilot.press("home")
        await pilot.pause()
        assert app.view.scroll_offset.x == 0 and app.rows()[0].startswith("def long():")
    wide = Alone(CODE.replace(" + x", ""), wraps=False)
    async with wide.run_test(size=(200, 8)) as usual:
        await QuickPilot(usual.app).pause()
        assert wide.rows()[0].index("def") == (200 - MEASURE - 1) // 2


@pytest.mark.parametrize("seed", [0, 1])
async def test_what_is_painted_is_what_would_be_painted_from_nothing(seed: int) -> None:
    app, draws = Alone(""), random.Random(seed)
    tokens = [Token(" ···", "mask")] * 60
    async with app.run_test(size=(60, 8)) as usual:
        pilot, view = QuickPilot(usual.app), app.view
        for _ in range(30):
            match draws.randrange(6):
                case 0 | 1 | 2:
                    for _ in range(draws.choice([1, 2, 50])):
                        word = draws.choice([" a", " wonderful", ".", "ing", "\n", " 日本", " ···"])
                        classes = "mask" if word == " ···" else f"revealed sure{draws.randrange(5)}"
                        tokens[draws.randrange(60)] = Token(word, classes)
                    steady, replacement = Steady(view.page, 0.15), Replacement(0, 0, tuple(tokens))
                    view.show(Page("", [replacement], [], view.page_width, steady))
                case 3:
                    first, last = (view.page.address(draws.randrange(12), draws.randrange(60)) for _ in range(2))
                    view.move_cursor(first, draws.choice([None, last]))
                case 4:
                    app.theme = draws.choice(["textual-dark", "textual-light", "nord"])
                    await usual.pause()  # the app calls itself: no message that a quick pilot would wait for
                case 5:
                    await pilot.resize_terminal(draws.choice([40, 60, 100]), draws.choice([5, 8, 30]))
            await pilot.pause()
            everything = Region(0, 0, *view.outer_size)
            painted = view.render_lines(everything)
            view.notify_style_update()
            view._visible.clear()
            view.refresh()
            assert painted == view.render_lines(everything)


async def test_a_wider_page_moves_the_rows_that_stay_as_they_were() -> None:
    app = Alone("")
    async with app.run_test(size=(100, 8)) as usual:
        pilot, view = QuickPilot(usual.app), app.view
        for width in (60, 80):
            view.show(Page("Tom ran.\nSam swam.\n", [], [], width))
            await pilot.pause()
            rows = [strip.text for strip in view.render_lines(Region(0, 0, *view.outer_size))]
            assert [len(row) - len(row.lstrip()) for row in rows[:2]] == [view.text_left] * 2
        assert view.text_left < 20
