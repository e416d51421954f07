"""The mouse: click, drag, double click, wheel."""

import pytest
from textual.events import MouseScrollDown, MouseScrollUp

from sedd_cli.tui.screens.help import HelpScreen
from sedd_cli.tui.screens.token_chooser import TokenChooser
from sedd_cli.tui.widgets.hints import Hints
from sedd_cli.tui.widgets.timeline import Timeline
from tests.tui.conftest import Opened, Seat, one_size

pytestmark = pytest.mark.asyncio

STORY = "Once upon a time,\nthere was a little 🐕 dog.\nHe ran to the park.\n"


def cell(seat: Seat, x: int, y: int) -> tuple[int, int]:
    """A cell of the page, as an offset in the canvas: a border, a padding, and what is left of the centred text."""
    left, top = seat.canvas.content_region.offset - seat.canvas.region.offset
    return left + seat.canvas.text_left + x, top + y


def bar(seat: Seat, at: int) -> tuple[int, int]:
    """Where a moment stands on the timeline."""
    timeline = seat.main_screen.query_one(Timeline)
    left, top = timeline.content_region.offset - timeline.region.offset
    return left + timeline.column_of(at), top


async def drag(seat: Seat, where: str, *offsets: tuple[int, int]) -> None:
    await seat.pilot.mouse_down(where, offset=offsets[0])
    for offset in offsets[1:]:
        await seat.pilot.hover(where, offset=offset)
    await seat.pilot.mouse_up(where, offset=offsets[-1])
    await seat.settle()


async def click_hint(seat: Seat, label: str) -> None:
    """Click on a label at the foot."""
    hints = seat.main_screen.query_one(Hints)
    line = seat.seen.splitlines()[hints.region.y]
    assert line.count(label) == 1
    await seat.pilot.click("#hints", offset=(line.index(label) - hints.region.x, 0))
    await seat.settle()


async def test_a_click_puts_the_cursor(opened: Opened) -> None:
    async with opened(STORY) as seat:
        dog = STORY.index("🐕")
        for (x, y), offset in {
            (0, 0): 0,
            (5, 0): 5,
            # Right of a line its end, below the last the end of the text.
            (40, 0): STORY.index("\n"),
            (0, 1): 18,
            # Either half of a character of two cells.
            (19, 1): dog,
            (20, 1): dog,
            (21, 1): dog + 1,
            (3, 9): len(STORY),
        }.items():
            await seat.pilot.click("#canvas", offset=cell(seat, x, y))
            assert seat.canvas.cursor == (offset, 0) and seat.canvas.selection is None


async def test_a_drag_selects_and_a_click_drops_the_selection(opened: Opened) -> None:
    async with opened(STORY) as seat:
        for offsets in ([(5, 0), (7, 0), (8, 0)], [(8, 0), (40, 0), (5, 0)]):
            await drag(seat, "#canvas", *(cell(seat, *offset) for offset in offsets))
            assert seat.canvas.selection == ((5, 0), (8, 0))
        # From within a word to within another: both are whole, without the punctuation beside them.
        for offsets in ([(14, 0), (1, 1)], [(1, 1), (14, 0)]):
            await drag(seat, "#canvas", *(cell(seat, *offset) for offset in offsets))
            assert seat.canvas.selection == ((12, 0), (22, 0))
        await seat.press("y")
        assert seat.app.clipboard == "time,\nthere"
        await seat.pilot.click("#canvas", offset=cell(seat, 2, 0))
        assert seat.canvas.selection is None
        await seat.pilot.click("#canvas", offset=cell(seat, 4, 0), shift=True)
        assert seat.canvas.selection == ((0, 0), (4, 0))


@one_size
async def test_in_edit_mode_a_drag_selects_characters(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("i")
        await drag(seat, "#canvas", cell(seat, 2, 0), cell(seat, 6, 0))
        assert seat.canvas.selection == ((2, 0), (6, 0))
        await seat.press("x")
        assert seat.scene.draft.text.startswith("Onxon a time,")


@one_size
async def test_another_button_or_a_move_without_one_selects_nothing(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.pilot.click("#canvas", offset=cell(seat, 2, 0))
        await seat.pilot.click("#canvas", offset=cell(seat, 9, 0), button=3)
        await seat.pilot.hover("#canvas", offset=cell(seat, 9, 1))
        assert seat.canvas.cursor == (2, 0) and seat.canvas.selection is None


@one_size
@pytest.mark.parametrize("cluster", ["🇩🇪", "e\u0301", "日", "👩\u200d🚀"])
async def test_the_cursor_covers_a_whole_character(opened: Opened, cluster: str) -> None:
    async with opened(f"a{cluster}b") as seat:
        await seat.press("right")
        lit = seat.canvas._component("cursor").bgcolor
        assert "".join(s.text for s in seat.canvas.render_line(0) if s.style and s.style.bgcolor == lit) == cluster
        await seat.press("right")
        assert seat.canvas.cursor == (1 + len(cluster), 0)


@one_size
async def test_a_double_click_selects_a_word(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.loaded()
        # The comma is not of the word, and a word may be of one letter.
        for x, first, last in ((14, 12, 15), (16, 16, 16), (10, 10, 10), (7, 5, 8)):
            await seat.pilot.double_click("#canvas", offset=cell(seat, x, 0))
            assert seat.canvas.selection == ((first, 0), (last, 0))
        await seat.press("m")
        assert [(m.start, m.end) for m in seat.scene.draft.marks] == [(5, 9)]
        # On a blank there is no word.
        await seat.pilot.double_click("#canvas", offset=cell(seat, 4, 0))
        assert seat.canvas.selection is None


@one_size
async def test_a_click_puts_the_cursor_on_a_whole_token(opened: Opened) -> None:
    async with opened(length=8) as seat:
        await seat.go()
        piece = seat.page.row(0)[3]
        for x in range(piece.start, piece.start + len(piece.text)):
            await seat.pilot.click("#canvas", offset=cell(seat, x, 0))
            assert seat.canvas.cursor == (0, 3 - 8)
        await seat.pilot.double_click("#canvas", offset=cell(seat, piece.start, 0))
        assert seat.canvas.cursor == (0, 3 - 8)
        await seat.known()
        await seat.press("enter")
        await seat.shown(TokenChooser)


async def test_the_timeline_is_clicked_and_dragged(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        moments, last = seat.branch.moments, seat.branch.last
        for at in (2, 0, last, 3):
            await seat.pilot.click("#timeline", offset=bar(seat, at))
            await seat.until(lambda at=at: seat.scene.at == at)
            assert seat.moment is moments[at]
        visited = [5, 1, 4]
        await seat.pilot.mouse_down("#timeline", offset=bar(seat, visited[0]))
        for at in visited:
            await seat.pilot.hover("#timeline", offset=bar(seat, at))
            await seat.until(lambda at=at: seat.scene.at == at)
        # The button is held, wherever the mouse is.
        await seat.pilot.hover("#canvas", offset=cell(seat, 0, 0))
        await seat.until(lambda: seat.scene.at < visited[-1])
        await seat.pilot.hover("#timeline", offset=bar(seat, 0))
        await seat.until(lambda: seat.scene.at == 0)
        await seat.pilot.mouse_up("#timeline", offset=bar(seat, 0))
        await seat.pilot.hover("#timeline", offset=bar(seat, 3))
        await seat.settle()
        assert seat.scene.at == 0 and seat.branch.last == last


@one_size
async def test_the_timeline_stops_what_plays(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.rush("less_than_sign", *["left_square_bracket"] * 6, "space")
        assert seat.main_screen.runs.playing
        await seat.pilot.click("#timeline", offset=bar(seat, 4))
        await seat.until(lambda: seat.scene.at == 4)
        assert not seat.main_screen.runs.playing


@one_size
async def test_what_is_not_written_yet_cannot_be_sought(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.rush("comma", "comma", "R")
        last = seat.branch.last
        timeline = seat.main_screen.query_one(Timeline)
        assert timeline.state.needed > last
        await seat.press("comma")
        await seat.pilot.click("#timeline", offset=(timeline.region.width - 2, 0))
        await seat.until(lambda: seat.scene.at == last)


async def test_a_hint_is_clicked(opened: Opened) -> None:
    async with opened(model="tinystories") as seat:
        await seat.loaded()
        await click_hint(seat, "help")
        await seat.shown(HelpScreen)
        await seat.press("escape")
        await seat.back()
        # The first row of the start card, and the rest by hints again.
        await seat.pilot.click("#card-text", offset=(5, 1))
        await seat.until(lambda: seat.scene.branches)
        await seat.still()
        await click_hint(seat, "copy")
        assert seat.told == ["Copied the text."]
        await seat.press("comma")
        await click_hint(seat, "back")
        assert seat.scene.at == seat.branch.last - 2
        await click_hint(seat, "step")
        assert seat.scene.at == seat.branch.last - 1
        await click_hint(seat, "step")
        assert seat.scene.at == seat.branch.last
        await click_hint(seat, "another")
        await seat.still()
        assert len(seat.scene.branches) == 2


@one_size
async def test_the_palette_s_hint_is_clicked(opened: Opened) -> None:
    async with opened() as seat:
        await click_hint(seat, "palette")
        await seat.until(lambda: seat.app.screen is not seat.main_screen)


@one_size
async def test_the_hint_of_edit_mode_is_clicked(opened: Opened) -> None:
    async with opened(STORY) as seat:
        await seat.press("i")
        await click_hint(seat, "ends editing")
        assert not seat.main_screen.document.editing


async def test_the_wheel_scrolls_and_leaves_the_cursor(opened: Opened) -> None:
    async with opened("".join(f"line {i}\n" for i in range(200))) as seat:
        assert "line 0" in seat.seen
        for _ in range(3):
            await seat.pilot._post_mouse_events([MouseScrollDown], "#canvas", button=0)
        await seat.until(lambda: seat.canvas.scroll_offset.y > 1)
        await seat.settle()
        assert "line 0 " not in seat.seen and seat.canvas.cursor == (0, 0)
        top = seat.canvas.scroll_offset.y
        await seat.pilot.click("#canvas", offset=cell(seat, 0, 1))
        assert seat.canvas.cursor == ("".join(f"line {i}\n" for i in range(200)).index(f"line {top + 1}\n"), 0)
        for _ in range(9):
            await seat.pilot._post_mouse_events([MouseScrollUp], "#canvas", button=0)
        await seat.until(lambda: seat.canvas.scroll_offset.y == 0)
        await seat.settle()
        assert "line 0 " in seat.seen


@one_size
async def test_nothing_scrolls_sideways_and_the_text_has_most_rows_of_a_low_terminal(opened: Opened) -> None:
    async with opened(STORY) as seat:
        for width, height in ((80, 24), (100, 30), (200, 50), (60, 20), (100, 30)):
            await seat.pilot.resize_terminal(width, height)
            await seat.settle()
            assert not seat.canvas.show_horizontal_scrollbar, (width, height)
        await seat.pilot.resize_terminal(40, 12)
        # Of twelve rows, one each is the timeline's and the foot line's.
        await seat.until(lambda: seat.canvas.size.height == 10)
