"""A document in a session with a checkpoint of another family: marked, written, accepted, saved."""

from pathlib import Path

import pytest

from tests.models.other_families import OF_EACH_KIND, save_family
from tests.tui.conftest import Opened, one_size

pytestmark = pytest.mark.asyncio
TEXT = "One day a dog ran home.\nIt was late."


@one_size
@pytest.mark.parametrize("family", OF_EACH_KIND)
async def test_a_gap_is_written_accepted_and_saved(opened: Opened, tmp_path: Path, family: str) -> None:
    folder = save_family(tmp_path / "checkpoint", family)
    async with opened(TEXT, model=str(folder), length=None) as seat:
        await seat.loaded()
        assert seat.main_screen.session.checkpoint is not None and seat.main_screen.session.checkpoint.folder == folder
        seat.canvas.move_cursor((TEXT.index("dog"), 0))
        await seat.press("m")
        await seat.go()
        written = seat.scene.written(0)
        await seat.press("a", "ctrl+s")
        assert seat.file.read_bytes() == TEXT.replace("dog", written).encode()
