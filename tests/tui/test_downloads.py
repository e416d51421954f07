"""A download beside the session, from the hub on loopback: asked for, fetched, stopped, begun again."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from sedd_cli.models.cache import cached_folder
from sedd_cli.models.hub import PIECE
from sedd_cli.tui.downloads import Download, Progress, amount_of, bytes_label
from tests import hub as loopback
from tests.conftest import PARITY
from tests.hub import Files, Hub, sha256

NAME = "someone/tiny"


@pytest.fixture
def home(hub: Hub, tmp_path: Path) -> Iterator[Path]:
    """This process finds the hub on loopback, and keeps its cache here."""
    with loopback.variables(loopback.environment(hub, tmp_path)):
        yield tmp_path


def files(padding: int = 0) -> Files:
    """A small checkpoint; `padding`: bytes that make its download longer, though it then does not load."""
    data = {name: (PARITY / "radd" / name).read_bytes() for name in ("config.json", "model.safetensors")}
    return {**data, "model.safetensors": data["model.safetensors"] + bytes(padding)}


def after(download: Download) -> Progress:
    """Its progress once the thread has ended."""
    assert download.thread is not None
    download.thread.join(60)
    assert not download.thread.is_alive()
    return download.progress


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def planned(hub: Hub, data: Files) -> Download:
    hub.add(NAME, data)
    download = Download(NAME)
    download.ask()
    assert after(download).phase == "planned"
    return download


def test_it_is_asked_for_then_fetched(hub: Hub, home: Path) -> None:
    data = files()
    download = planned(hub, data)
    assert download.progress.total == len(data["model.safetensors"]) and not hub.gets("cdn")
    assert download.progress.memory > 0
    download.fetch()
    progress = after(download)
    assert progress.phase == "done" and progress.done == progress.total
    folder = cached_folder(NAME)
    assert folder is not None and (folder / "model.safetensors").read_bytes() == data["model.safetensors"]


def test_it_is_stopped_within_a_file_and_begun_again(hub: Hub, home: Path) -> None:
    data = files(3 * PIECE)
    download = planned(hub, data)
    go_on = threading.Event()
    hub.stalls_after[sha256(data["model.safetensors"])] = PIECE, lambda: go_on.wait(60)
    download.fetch()
    until(lambda: download.progress.done == PIECE)
    assert download.progress.label == "32%, 1.0 of 3.3 MB"
    download.stop()
    assert download.progress.phase == "stopped", "at once, though no byte comes"
    go_on.set()
    assert after(download).phase == "stopped" and cached_folder(NAME) is None
    assert not list(home.rglob("*.incomplete")), "nothing half done is left"
    download.ask()
    assert after(download).phase == "planned"
    download.fetch()
    assert after(download).phase == "done" and cached_folder(NAME) is not None


def test_what_answers_after_it_was_stopped_is_dropped(hub: Hub, home: Path) -> None:
    hub.add(NAME, files())
    asked, answered = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        answered.wait(60)

    hub.hang = hang
    download = Download(NAME)
    download.ask()
    assert asked.wait(60) and download.progress.label == "asking the hub"
    first = download.thread
    download.stop()
    hub.hang = None
    download.ask()
    assert after(download).phase == "planned"
    answered.set()
    assert first is not None
    first.join(60)
    assert download.progress.phase == "planned"


def test_without_a_network_that_is_said(hub: Hub, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with loopback.variables(loopback.environment(hub, home) | {"HF_ENDPOINT": nobody}):
            download = Download(NAME)
            download.ask()
            progress = after(download)
    assert progress.phase == "failed" and progress.error is not None
    assert progress.error.message.startswith(f"{nobody} cannot be reached")


def test_what_is_no_checkpoint_or_damaged_is_said(hub: Hub, home: Path) -> None:
    download = Download("nobody/nothing")
    download.ask()
    assert "no repository nobody/nothing" in str(after(download).error)
    data = files()
    download = planned(hub, data)
    hub.damaged.add(sha256(data["model.safetensors"]))
    download.fetch()
    assert after(download).phase == "failed" and "is damaged" in str(download.progress.error)
    assert constants.HF_HUB_DISABLE_XET


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (210_000_000, 570_000_000, "210 of 570 MB"),
        (0, 16_000_000_000, "0 of 16 GB"),
        (200_000_000, 1_700_000_000, "0.2 of 1.7 GB"),
        (5, 12, "5 of 12 bytes"),
        (1_500, 140_000, "2 of 140 kB"),
    ],
)
def test_amounts_are_in_the_unit_of_the_whole(done: int, total: int, said: str) -> None:
    assert amount_of(done, total) == said
    assert bytes_label(total) == said.partition(" of ")[2]
