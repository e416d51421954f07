"""Draw the README's pictures from real runs. `python docs/pictures.py`"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli import Request, Run, load_checkpoint
from sedd_cli.cli.watch import make_frame, title_of
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.render.live import LiveView
from sedd_cli.render.picture import picture, without_fonts
from sedd_cli.text.document import Document
from sedd_cli.tui.app import SeddApp
from sedd_cli.tui.recent import RecentFiles
from sedd_cli.tui.recovery import RecoveryStore
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from textual.pilot import Pilot

PROMPT, SEED, HALFWAY = "Once upon a time", 0, 0.55
STORY = """\
Once upon a time there was a little dog named Max. Max had a big red ball. He loved to play with it.

One day, Max went to the park. He saw a small cat under a tree. "Hello," said Max. The cat was sad because she was
hungry. Max gave the cat some food. They were friends and played all day.
"""


def save(name: str, svg: str) -> None:
    Path(__file__).with_name(name).write_text(without_fonts(svg))


def live() -> None:
    """The live view of `sedd generate`, halfway."""
    checkpoint = load_checkpoint()
    run = Run(checkpoint, with_defaults(checkpoint, Request(prompt=PROMPT, seed=SEED), given=()).options)
    view = LiveView(title_of(run), needed := run.calls_needed(), run.exact_calls)
    for calls, step in enumerate(run.steps(), start=1):
        view.show(make_frame(run, step, calls))
        if calls >= HALFWAY * needed:
            break
    save("live.svg", picture(view, f'sedd generate "{PROMPT}" --seed {SEED}', width=88, height=22))


async def until(pilot: "Pilot[None]", holds: Callable[[], object]) -> None:
    while not holds():
        await pilot.pause(0.02)


async def session(name: str, title: str, text: str, keys: Callable[["Pilot[None]"], object]) -> None:
    """A picture of `sedd tui` after some keys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "story.txt")
        path.write_text(text)
        document = Document(path if text else None, text.encode(), text)
        stores = RecoveryStore(Path(folder)), RecentFiles(Path(folder, "recent.json"))
        app = SeddApp(document, Settings(seed=SEED, lock_seed=True), None, *stores)
        async with app.run_test(size=(110, 26)) as pilot:
            screen = app.main_screen
            await until(pilot, lambda: screen.session.checkpoint)
            await keys(pilot)  # type: ignore[misc]
            app.clear_notifications()
            await pilot.pause(0.3)
            save(name, app.export_screenshot(title=title))


async def a_run(pilot: "Pilot[None]") -> None:
    """Stopped halfway, the cursor on a token."""
    screen = pilot.app.main_screen  # type: ignore[attr-defined]
    await pilot.press("enter")
    await until(pilot, lambda: screen.scene.branch is not None and screen.scene.branch.last >= 90)
    await pilot.press("space")
    screen.session.seek(90)
    await pilot.press("down", "down", *["right"] * 5)
    await until(pilot, lambda: screen.tokens.alternatives)


async def a_document(pilot: "Pilot[None]") -> None:
    """Two gaps filled, the cursor on the first."""
    screen = pilot.app.main_screen  # type: ignore[attr-defined]
    for start, words in ((STORY.index("red"), 2), (STORY.index("The cat was"), 8)):
        screen.canvas.move_cursor((start, 0))
        await pilot.press(*["ctrl+shift+right"] * words, "shift+left", "shift+left", "m")
    await pilot.press("g")
    await until(pilot, lambda: screen.scene.branches and all(b.nats is not None for b in screen.scene.branches))
    await until(pilot, lambda: screen.runs.active_run_id is None)
    await pilot.press("ctrl+home", "tab")
    await until(pilot, lambda: screen.tokens.alternatives)


async def branches(pilot: "Pilot[None]") -> None:
    """The list of branches after another token was chosen, and later one more."""
    await a_run(pilot)
    screen = pilot.app.main_screen  # type: ignore[attr-defined]
    for choice in (1, 4):
        await pilot.press("enter", *["down"] * (choice - 1), "enter", "g")
        await until(
            pilot,
            lambda: screen.runs.active_run_id is None and not screen.runs.playing and screen.scene.branch.finished,
        )
        screen.on_timeline_seek_requested(Timeline.SeekRequested(120))
        await pilot.press(*["right"] * 3)
        await until(pilot, lambda: screen.tokens.alternatives)
    await pilot.press("b")


async def interactive() -> None:
    await session("tui-run.svg", "sedd tui", "", a_run)
    await session("tui-document.svg", "sedd tui story.txt", STORY, a_document)
    await session("tui-branches.svg", "sedd tui", "", branches)


def main() -> None:
    live()
    asyncio.run(interactive())


if __name__ == "__main__":
    main()
