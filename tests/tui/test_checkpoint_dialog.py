"""Choosing a checkpoint: what is there is loaded, what is not is downloaded first, from the hub on loopback."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sedd_cli import Checkpoint
from sedd_cli.errors import SeddError
from sedd_cli.models.cache import cached_folder
from sedd_cli.models.catalogue import Listed, checkpoints
from sedd_cli.models.hub import PIECE
from sedd_cli.models.names import find_checkpoint
from sedd_cli.ranges import size_label
from sedd_cli.tui.downloads import Downloads, Progress
from sedd_cli.tui.screens.checkpoint_dialog import CheckpointDialog, about, said_of, shortened
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from tests import hub as loopback
from tests.hub import Hub, sha256
from tests.tui.conftest import Opened, one_size, until
from tests.tui.test_downloads import files
from tests.tui.test_screens import NONE, host, on_screen

SMALL = "louaaron/sedd-small"


@pytest.fixture
def home(hub: Hub, tmp_path: Path) -> Iterator[Path]:
    with loopback.variables(loopback.environment(hub, tmp_path)):
        yield tmp_path


def dialog(home: Path, downloads: Downloads) -> CheckpointDialog:
    return CheckpointDialog(lambda: checkpoints(home), find_checkpoint(None), downloads)


@pytest.mark.asyncio
async def test_what_is_there_is_loaded_by_enter_and_the_present_one_is_marked(built_in: Checkpoint, home: Path) -> None:
    async with host(dialog(home, Downloads())) as (app, pilot):
        await until(pilot, lambda: "● tinystories" in on_screen(app))
        seen = on_screen(app)
        assert f"{size_label(built_in.parameters)}  children's stories" in seen
        assert "On the hub, to download" in seen and SMALL in seen
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.answers == ["tinystories-sedd"])


@pytest.mark.asyncio
async def test_what_is_not_there_is_downloaded_stopped_and_begun_again(hub: Hub, home: Path) -> None:
    data, go_on = files(3 * PIECE), threading.Event()
    hub.add(SMALL, data)
    hub.stalls_after[sha256(data["model.safetensors"])] = PIECE, lambda: go_on.wait(60)
    downloads = Downloads()
    async with host(dialog(home, downloads)) as (app, pilot):

        async def seen(*words: str) -> None:
            await until(pilot, lambda: all(word in on_screen(app) for word in words))

        await seen("● tinystories")
        await pilot.press("down", "down", "enter")
        await seen("3.3 MB to download", "of memory", "enter downloads it")
        assert not hub.gets("cdn"), "nothing comes unasked"
        await pilot.press("enter")
        await seen("32%, 1.0 of 3.3 MB", "esc stops it")
        # Another one has to wait.
        await pilot.press("down", "enter")
        await seen(f"esc stops that of {SMALL}")
        await pilot.press("up", "escape")
        await seen("Stopped at 32%", "enter downloads it")
        go_on.set()
        await pilot.press("enter")
        await seen("3.3 MB to download")
        await pilot.press("enter")
        await until(pilot, lambda: app.answers == [SMALL])
        assert cached_folder(SMALL) is not None and downloads.current is None


@pytest.mark.asyncio
async def test_a_download_goes_on_behind_and_an_error_is_said(hub: Hub, home: Path) -> None:
    downloads = Downloads()
    asked, answered = threading.Event(), threading.Event()
    hub.hang = lambda: (asked.set(), answered.wait(60))
    async with host(dialog(home, downloads)) as (app, pilot):
        await until(pilot, lambda: "● tinystories" in on_screen(app))
        await pilot.press("down", "down", "enter")
        await until(pilot, asked.is_set)
        await pilot.press("b")
        assert app.answers == NONE and downloads.running and not downloads.watched
        # The hub has no such repository.
        app.push_screen(dialog(home, downloads))
        await until(pilot, lambda: "Asking the hub" in on_screen(app))
        answered.set()
        await until(pilot, lambda: f"the hub has no repository {SMALL}" in on_screen(app))
        await pilot.press("escape")
        assert downloads.current is None


@one_size
@pytest.mark.asyncio
async def test_quitting_asks_before_it_ends_a_download(hub: Hub, home: Path, opened: Opened) -> None:
    data, go_on = files(3 * PIECE), threading.Event()
    hub.add(SMALL, data)
    hub.stalls_after[sha256(data["model.safetensors"])] = PIECE, lambda: go_on.wait(60)
    async with opened("A cat") as seat:
        await seat.loaded()
        await seat.press("k")
        await seat.until(lambda: "● tinystories" in seat.seen)
        await seat.press("down", "down", "enter")
        await seat.until(lambda: "3.3 MB to download" in seat.seen)
        await seat.press("enter")
        await seat.until(lambda: "32%" in seat.seen)
        await seat.press("b", "ctrl+q")
        await seat.shown(ConfirmDialog)
        assert f"The download of {SMALL} is at 32%" in seat.seen
        await seat.press("c")
        await seat.back()
        go_on.set()
        await seat.until(lambda: any("is downloaded" in told for told in seat.told))
        await seat.press("ctrl+q")
        await seat.until(lambda: seat.app._exit)


def test_what_is_known_is_one_line() -> None:
    here = Listed("/runs/mine", "mine", "folder", "6.8M", "text, RADD", 10**7, Path("/runs/mine"))
    assert about(here) == "mine: text, RADD, 6.8M parameters, in the folder mine"
    assert about(Listed("a/b", "a/b", "in part", "", "", 5_000_000)) == "a/b: downloaded in part, 5.0 MB"


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress("planned", 0, 16_000_000_000, 32_000_000_000), "16 GB to download; 32 GB of memory"),
        (Progress("fetching", 210_000_000, 570_000_000), "███████░░░░░░░░░░░░░ 36%, 210 of 570 MB"),
        (Progress("checking", 570, 570), "████████████████████ checking the files"),
        (Progress("stopped", 0, 570), "Stopped. Enter begins again"),
        (Progress("failed", error=SeddError("no network", "Check it.")), "no network"),
    ],
)
def test_a_download_is_said_plainly(progress: Progress, said: str) -> None:
    assert said_of(progress).startswith(said)


def test_of_long_names_the_middle_is_left_out() -> None:
    assert shortened("owner/name", 20) == "owner/name"
    assert shortened("owner/a-very-long-name-v0.1", 15) == "owner/a…me-v0.1" and len(shortened("x" * 40, 15)) == 15
