"""Draw the README's pictures from real runs, and record a session. `python docs/pictures.py`"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain, count, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from sedd_cli import Request, Run, load_checkpoint
from sedd_cli.cli.watch import make_frame, title_of
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.render.cast import header, record
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

Cell = tuple[str, Style | None]

PROMPT, SEED, HALFWAY = "Once upon a time", 0, 0.55
CAST_SIZE, CAST_STEPS, CAST_SEED, FRAMES_PER_SECOND = (100, 26), 64, 1, 10
GAPS = ("red ball", "The cat was sad because she was\nhungry")
STEPS, MOMENT, LATER = 128, 55, 75
CHANGED, CHOSEN = " mean", "small"
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


async def session(
    text: str, size: tuple[int, int], keys: Callable[[SeddApp, "Pilot[None]"], Awaitable[None]], **settings: Any
) -> None:
    """A session of `sedd tui` on a text, on which `keys` works once its checkpoint is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "story.txt")
        path.write_text(text)
        document = Document(path if text else None, text.encode(), text)
        stores = RecoveryStore(Path(folder)), RecentFiles(Path(folder, "recent.json"))
        app = SeddApp(document, Settings(**{"seed": SEED, "lock_seed": True, **settings}), None, *stores)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.main_screen.session.checkpoint)
            await keys(app, pilot)


async def still(
    name: str,
    title: str,
    text: str,
    keys: Callable[["Pilot[None]"], Awaitable[None]],
    size: tuple[int, int] = (110, 26),
    **settings: Any,
) -> None:
    """A picture of `sedd tui` after some keys."""

    async def shot(app: SeddApp, pilot: "Pilot[None]") -> None:
        await keys(pilot)
        app.clear_notifications()
        await pilot.pause(0.3)
        save(name, app.export_screenshot(title=title))

    await session(text, size, shot, **settings)


async def the_start(pilot: "Pilot[None]") -> None:
    """The card of an empty session."""


async def a_run(pilot: "Pilot[None]") -> None:
    """Stopped halfway, the cursor on a token."""
    screen = pilot.app.main_screen  # type: ignore[attr-defined]
    await pilot.press("enter")
    await until(pilot, lambda: screen.scene.branch is not None and screen.scene.branch.last >= MOMENT)
    await pilot.press("space")
    screen.runs.seek(MOMENT)
    await pilot.press("down", "down", *["right"] * 5)
    await until(pilot, lambda: screen.tokens.alternatives)


async def a_document(pilot: "Pilot[None]") -> None:
    """Two gaps filled, the cursor on the first."""
    screen = pilot.app.main_screen  # type: ignore[attr-defined]
    for words in GAPS:
        start = STORY.index(words)
        screen.canvas.move_cursor((start + len(words), 0), (start, 0))
        await pilot.press("m")
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
        screen.on_timeline_seek_requested(Timeline.SeekRequested(LATER))
        await pilot.press(*["right"] * 3)
        await until(pilot, lambda: screen.tokens.alternatives)
    await pilot.press("b")


async def recorded(name: str) -> None:
    """A session as an asciicast: a story is written, a word of it changed, and the rest written anew."""
    frames: list[tuple[float, str]] = []

    async def play(app: SeddApp, pilot: "Pilot[None]") -> None:
        recording = asyncio.create_task(record_frames(app, frames))
        await a_changed_story(pilot)
        recording.cancel()

    await session("", CAST_SIZE, play, steps=CAST_STEPS, seed=CAST_SEED)
    lines = [header(*CAST_SIZE, "sedd tui"), *(record([round(at, 3), "o", sent]) for at, sent in frames)]
    Path(__file__).with_name(name).write_text("".join(lines), encoding="utf-8")


async def record_frames(app: SeddApp, frames: list[tuple[float, str]]) -> None:
    """Note when the screen has changed, in seconds, and what a terminal is sent for it.

    The seconds are those between the frames: what recording takes is left out.
    """
    sent = "\x1b[?25l\x1b[2J"
    shown: list[list[Cell]] = []
    for number in count():
        # As for a screenshot: with the screens below a dialog.
        screen = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens, simplify=True)
        rows = [list(cells(chain.from_iterable(strips))) for strips in screen.strips]  # type: ignore[union-attr]
        sent += "".join(changes(shown, rows))
        if sent:
            frames.append((number / FRAMES_PER_SECOND, sent))
        shown, sent = rows, ""
        await asyncio.sleep(1 / FRAMES_PER_SECOND)


def cells(segments: Iterable[Segment]) -> Iterator[Cell]:
    """A row of the screen; behind a wide character stands an empty one."""
    for text, style, _ in segments:
        for character in text:
            yield character, style
            if get_character_cell_size(character) == 2:
                yield "", style


def changes(before: list[list[Cell]], after: list[list[Cell]]) -> Iterator[str]:
    """What a terminal is sent to show other cells."""
    for y, row in enumerate(after):
        old = before[y] if y < len(before) else []
        changed = ((x, cell) for x, cell in enumerate(row) if old[x : x + 1] != [cell])
        # Cells in a row have the same difference of place and number.
        for _, run in groupby(enumerate(changed), key=lambda item: item[1][0] - item[0]):
            piece = [item for _, item in run]
            yield f"\x1b[{y + 1};{piece[0][0] + 1}H"
            for style, styled in groupby((cell for _, cell in piece), key=itemgetter(1)):
                text = "".join(character for character, _ in styled)
                styled_text = style.render(text, color_system=ColorSystem.TRUECOLOR) if style else text
                # Instead of an end of the style behind it.
                yield styled_text.removesuffix("\x1b[0m").replace("\x1b[", "\x1b[0;", 1)


async def a_changed_story(pilot: "Pilot[None]") -> None:
    """Each key at the pace of somebody who looks at what it does."""
    screen = pilot.app.main_screen  # type: ignore[attr-defined]

    async def press(*keys: str, pause: float = 0.3) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.pause(pause)

    await pilot.pause(1.5)
    await press("enter")
    await until(pilot, lambda: screen.runs.idle and screen.scene.branch is not None)
    await pilot.pause(2)
    await press("ctrl+home")
    tokenizer = screen.session.checkpoint.tokenizer
    while tokenizer.decode_each([screen.tokens.inspected().id]) != [CHANGED]:
        await press("ctrl+right", pause=0.2)
    await until(pilot, lambda: screen.tokens.alternatives)
    await press("enter", pause=1.5)
    await press(*CHOSEN)
    await press("enter", pause=1.5)
    await press("right", *["shift+down"] * 6, "r", "escape", pause=0.2)
    await press("g")
    await until(pilot, lambda: screen.runs.idle)
    await pilot.pause(3)


async def interactive() -> None:
    await still("tui-start.svg", "sedd tui", "", the_start)
    await still("tui-run.svg", "sedd tui", "", a_run, steps=STEPS)
    await still("tui-document.svg", "sedd tui story.txt", STORY, a_document, seed=1)
    await still("tui-branches.svg", "sedd tui", "", branches, (150, 32), steps=STEPS)
    await recorded("tui.cast")


def main() -> None:
    live()
    asyncio.run(interactive())


if __name__ == "__main__":
    main()
