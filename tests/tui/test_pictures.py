"""How the session looks. After a change that is meant: `pytest tests/tui/test_pictures.py --snapshot-update`; look."""

import re

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.widgets import Input

from sedd_cli.tui.screens.help import HelpScreen
from tests.tui.conftest import Opened, Seat

pytestmark = pytest.mark.asyncio

STORY = """\
Once upon a time, there was a little dog named Max. Max liked to run in the park.

One day, Max saw a big tree. "I want to climb it," he said.
[/red] 日本 🐕\t\x1b[31m and the end.
"""


class Picture(SingleFileSnapshotExtension):
    """An SVG in a file of its own."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def size() -> tuple[int, int]:
    return 100, 30


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Picture)


async def drawn(seat: Seat) -> str:
    """The screen; the ids in it are random numbers otherwise."""
    await seat.settle()
    assert not seat.main_screen.runs.playing and seat.main_screen.runs.active_run_id is None and not seat.told
    return re.sub(r"terminal-\d+", "terminal", seat.app.export_screenshot())


async def test_a_run_gone_back_in(opened: Opened, picture: SnapshotAssertion) -> None:
    async with opened(model="tinystories", length=96, steps=16, candidates=1) as seat:
        await seat.go()
        await seat.rush(*["comma"] * 6)
        assert seat.moment.step is not None
        seat.canvas.move_cursor((0, int(seat.moment.step.changed[0]) - len(seat.ids)))
        await seat.known()
        assert await drawn(seat) == picture


async def test_a_document_with_gaps(opened: Opened, picture: SnapshotAssertion) -> None:
    async with opened(STORY, model="tinystories", length=96) as seat:
        await seat.loaded()
        for word in (" little", " big tree", " climb"):
            seat.canvas.move_cursor((STORY.index(word) + len(word), 0), (STORY.index(word), 0))
            await seat.press("m")
        await seat.go()
        await seat.rush("shift+tab", "shift+tab", "a", "comma")
        seat.canvas.move_cursor((STORY.index("climb"), -1))
        await seat.known()
        assert seat.moment.masked and seat.scene.verdicts
        assert await drawn(seat) == picture


async def test_help(opened: Opened, picture: SnapshotAssertion) -> None:
    async with opened() as seat:
        await seat.loaded()
        await seat.press("question_mark")
        dialog = await seat.shown(HelpScreen)
        # Otherwise the time decides whether it is seen.
        dialog.query_one(Input).cursor_blink = False
        assert await drawn(seat) == picture
