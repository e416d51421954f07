"""Two hundred runs begun and broken off at random moments, with resizes between them."""

import random
import threading
import time
from pathlib import Path

import pytest

from sedd_cli.text.document import Document
from sedd_cli.tui.app import SeddApp
from sedd_cli.tui.recent import RecentFiles
from sedd_cli.tui.recovery import RecoveryStore
from sedd_cli.tui.settings import Settings

RUNS = 200
KEYS = (
    "g",
    "space",
    "comma",
    "full_stop",
    "r",
    "l",
    "n",
    "G",
    "u",
    "u",
    "ctrl+r",
    "R",
    "less_than_sign",
    "i",
    "escape",
)
SIZES = ((80, 24), (200, 50), (40, 10), (20, 5), (120, 40))


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
async def test_many_runs_broken_off_leave_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(0)
    threads = threading.active_count()
    app = SeddApp(
        Document(None, b"", ""),
        Settings(length=48, steps=24),
        None,
        RecoveryStore(tmp_path),
        RecentFiles(tmp_path / "recent.json"),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.main_screen
        while screen.session.checkpoint is None:
            await pilot.pause()
        held = 0
        for i in range(RUNS):
            screen.runs.stop()
            screen.session.apply(type(screen.scene)())
            screen.refresh_view()
            await pilot.press("enter")
            steps = chance.randrange(12)
            while screen.runs.active_run_id is not None and (
                screen.scene.branch is None or screen.scene.branch.last < steps
            ):
                await pilot.pause()
            await pilot.press(*chance.choices(KEYS, k=chance.randrange(4)))
            if screen.document.editing:
                await pilot.press("escape")
            if i % 7 == 0:
                await pilot.resize_terminal(*chance.choice(SIZES))
            if i == RUNS // 4:
                held = resident()
        grown = resident() - held
        assert len(screen.session._undo) <= 501
        left = time.monotonic()
    assert time.monotonic() - left < 2
    assert not screen.engine.alive
    assert threading.active_count() <= threads + 1
    # Undo keeps the last 500 changes with their branches: that much may grow, and no more.
    assert grown < 60_000_000
