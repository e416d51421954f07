"""The session on a document of its own, with small runs, in a small and in a large terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from textual.events import Key
from textual.keys import _character_to_key
from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Label

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.generation.branches import Branch, Moment
from sedd_cli.text.document import Document, read_file
from sedd_cli.tui.app import SeddApp
from sedd_cli.tui.engine import _cores
from sedd_cli.tui.main_screen import MainScreen
from sedd_cli.tui.messages import Loaded
from sedd_cli.tui.page_layout import Page
from sedd_cli.tui.recent import RecentFiles
from sedd_cli.tui.recovery import RecoveryStore
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.widgets.canvas_view import CanvasView

SMALL: dict[str, Any] = {"steps": 8, "length": 32, "seed": 7, "lock_seed": True, "candidates": 1}
TURNS = 3000
QUIET_TURNS = 12
"""Turns of the event loop without a message after which none is on its way."""
PAINTINGS = 20
"""Paintings that are waited for; a run in progress never ceases to paint."""

S = TypeVar("S", bound=Screen[Any])


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let the session work until something is so."""
    for _ in range(TURNS):
        if pilot.app._exception is not None:
            raise pilot.app._exception
        if condition():
            return
        assert not pilot.app._exit, "the session has ended"
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


class QuickPilot(Pilot[None]):
    """Waits until no widget has a message to process. Textual's own waits until the process is idle: 20 ms at least."""

    async def pause(self, delay: float | None = None) -> None:
        assert delay is None
        for _ in range(PAINTINGS):
            quiet = 0
            while quiet < QUIET_TURNS:
                await asyncio.sleep(0)
                pending = any(node.message_queue_size for node in self.app._registry)
                quiet = 0 if pending else quiet + 1
            screen, animator = self.app.screen, self.app.animator
            if not (screen._update_timer._active.is_set() or screen._callbacks or animator._animations):
                break
            # What the next tick of a timer would do: scroll, lay out, paint, call what waits for that.
            animator()
            screen._on_timer_update()

    async def press(self, *keys: str) -> None:
        """Keys one after another, each only once the one before it is dealt with."""
        for key in keys:
            self.send(key)
            await self.pause()

    def send(self, key: str) -> None:
        """A key that is not waited for."""
        character = {"space": " ", "enter": "\r", "tab": "\t"}.get(key, key if len(key) == 1 else None)
        name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
        self.app.post_message(Key(name, character))


@dataclass
class Seat:
    """Whoever sits before a session: what is pressed, and what there is to see."""

    app: SeddApp
    pilot: QuickPilot
    folder: Path
    told: list[str] = field(default_factory=list)
    """What was said in passing."""
    loads: set[int] = field(default_factory=set)
    """Load ids of the checkpoints that were loaded."""

    @property
    def main_screen(self) -> MainScreen:
        return self.app.main_screen

    @property
    def session(self) -> EditingSession:
        return self.main_screen.session

    @property
    def scene(self) -> Scene:
        return self.main_screen.scene

    @property
    def canvas(self) -> CanvasView:
        return self.main_screen.canvas

    @property
    def page(self) -> Page:
        return self.canvas.page

    @property
    def title(self) -> str:
        return str(self.main_screen.query_one("#title", Label).content)

    @property
    def named(self) -> str:
        """What stands at the right of the title: file and branch."""
        return str(self.main_screen.query_one("#file", Label).content)

    @property
    def foot(self) -> str:
        """The mode that is shown."""
        return str(self.main_screen.query_one("#mode", Label).content)

    @property
    def seen(self) -> str:
        """Everything that is in sight."""
        return "\n".join("".join(s.text for s in strip) for strip in self.app.screen._compositor.render_strips())

    @property
    def branch(self) -> Branch:
        assert self.scene.branch is not None
        return self.scene.branch

    @property
    def moment(self) -> Moment:
        assert self.scene.moment is not None
        return self.scene.moment

    @property
    def ids(self) -> list[int]:
        """The tokens of the first canvas."""
        return self.moment.states[0].ids.tolist()

    @property
    def file(self) -> Path:
        return self.folder / "story.txt"

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def settle(self) -> None:
        """Wait until no widget has a message to process, painting included."""
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Keys one after another, each only once the one before it is dealt with."""
        await self.pilot.press(*keys)

    async def rush(self, *keys: str) -> None:
        """The same keys as fast as they come."""
        for key in keys:
            self.pilot.send(key)
        await self.settle()

    async def tap(self, key: str, condition: Callable[[], object]) -> None:
        """A key while something runs: that the session is idle cannot be waited for."""
        self.pilot.send(key)
        await self.until(condition)

    async def write(self, text: str) -> None:
        """Keys of a text; `\b` is backspace."""
        await self.rush(*({"\n": "enter", "\t": "tab", "\b": "backspace"}.get(c, c) for c in text))

    async def loaded(self) -> None:
        await self.until(lambda: self.main_screen.session.checkpoint is not None)

    async def still(self) -> None:
        """Until nothing runs or plays."""
        await self.until(lambda: self.main_screen.runs.active_run_id is None and not self.main_screen.runs.playing)

    async def go(self, *keys: str) -> None:
        """Press keys (what begins a run: `g`, Enter on the start card) and let what they begin come to its end."""
        await self.loaded()
        await self.press(*keys or ["enter" if self.session.empty else "g"])
        await self.still()

    async def known(self) -> None:
        """Until it is known what else could stand at the cursor."""
        await self.until(lambda: self.main_screen.tokens.alternatives)

    async def shown(self, kind: type[S]) -> S:
        """A dialog, once it is there."""
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.screen.is_mounted)
        await self.settle()
        assert isinstance(self.app.screen, kind)
        return self.app.screen

    async def back(self) -> None:
        """Until no dialog is left."""
        await self.until(lambda: self.app.screen is self.main_screen)
        await self.settle()

    async def answer(self, line: str) -> None:
        """Give a line to the question on screen."""
        self.app.screen.query_one(Input).value = line
        await self.press("enter")


@lru_cache(maxsize=4)
def load_shared(model: str | None, device: str) -> Checkpoint:
    """A checkpoint that all tests of a worker share: loading one takes longer than most of them.

    Of the default one a single block, with no bound to compare documents with: faster, for what does not depend on what
    it has learnt. For what does, `model="tinystories"` is all of it.
    """
    checkpoint = load_checkpoint(model, device)
    if model is not None:
        return checkpoint
    backbone = checkpoint.model.backbone
    backbone.blocks = backbone.blocks[:1]
    provenance = {key: value for key, value in checkpoint.config.provenance.items() if key != "bound"}
    return replace(checkpoint, config=checkpoint.config.model_copy(update={"provenance": provenance}))


@pytest.fixture
def one_block() -> Checkpoint:
    """The checkpoint of a session that names none."""
    return load_shared(None, "cpu")


Opened = Callable[..., AbstractAsyncContextManager[Seat]]


@pytest.fixture(params=[(80, 24), pytest.param((200, 50), marks=pytest.mark.slow)], ids=["small", "large"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


one_size = pytest.mark.parametrize("size", [(80, 24)], indirect=True, ids=["small"])
"""For what does not depend on the terminal."""


@pytest.fixture
def opened(tmp_path: Path, size: tuple[int, int]) -> Opened:
    """Opens a session on a text in a file (None: on nothing), with settings beside the small ones."""

    @asynccontextmanager
    async def open_(text: str | bytes | None = None, **settings: Any) -> AsyncIterator[Seat]:
        document = Document(None, b"", "")
        if text is not None:
            file = tmp_path / "story.txt"
            file.write_bytes(text.encode() if isinstance(text, str) else text)
            document = read_file(file)
        told: list[str] = []
        loads: set[int] = set()

        def heard(message: Message) -> None:
            if isinstance(message, Notify):
                told.append(message.notification.message)
            elif isinstance(message, Loaded):
                loads.add(message.load_id)

        store = RecoveryStore(tmp_path / "recovery")
        recent = RecentFiles(tmp_path / "state" / "recent.json")
        values = Settings(**{**SMALL, **settings})
        app = SeddApp(document, values, tmp_path / "settings.toml", store, recent, load=load_shared)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True, message_hook=heard) as pilot:
            await until(pilot, lambda: app.screen is app.main_screen or len(app.screen_stack) > 2)
            yield Seat(app, QuickPilot(app), tmp_path, told, loads)

    return open_


@pytest.fixture
def threads() -> Iterator[None]:
    """As many threads as the session's engine takes: rounding depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, _cores() - 1)))
    yield
    torch.set_num_threads(before)
