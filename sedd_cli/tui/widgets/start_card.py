"""The start card: what an empty session shows in the place of its canvas, before a field of MASKs."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.style import Style as ContentStyle
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from sedd_cli.render.inert import inert

MAX_WIDTH = 60
"""Width of the card's text, in cells."""
BREATHS_PER_SECOND = 8
BREATH = 4.0
"""Seconds of a breath."""
MASKS = "··· "


@dataclass(frozen=True)
class CardRow:
    """A key and what it does; `action`: the id of the command that a click asks for, or of the first row Enter."""

    key: str
    label: str
    action: str


@dataclass(frozen=True)
class CardState:
    """What the card shows. `recent`: names of files, opened by 1, 2, ...; `status`: what is being loaded, or ""."""

    rows: tuple[CardRow, ...] = ()
    sentence: str = ""
    recent: tuple[tuple[str, Path], ...] = ()
    status: str = ""


class StartCard(Container, can_focus=True):
    """Offers a beginning. Letters begin a text; digits and clicks open recent files; Enter chooses the first row."""

    @dataclass
    class Typed(Message):
        """The user begins a text with these characters, or erases some of them by the key `erase`."""

        text: str = ""
        erase: str = ""

    @dataclass
    class Chosen(Message):
        """The user chooses a row."""

        action: str

    @dataclass
    class FileChosen(Message):
        """The user chooses a recent file."""

        path: Path

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = CardState()
        self.shown = CardState()
        """The part of it that has room."""
        self._begun = False
        """Whether a text has been begun since the card was shown."""

    def compose(self) -> ComposeResult:
        yield MaskField()
        yield CardText(id="card-text", markup=False)

    def show(self, state: CardState) -> None:
        """Show a state; the MASKs breathe while it has a status."""
        if state != self.state:
            self.state = state
            self._fit()
            self.query_one(MaskField).breathing = bool(state.status)

    def on_resize(self) -> None:
        self._fit()

    def on_show(self) -> None:
        self._begun = False

    def _fit(self) -> None:
        text = self.query_one(CardText)
        width = min(MAX_WIDTH, self.size.width - text.gutter.width)
        self.shown = fitted(self.state, width, self.size.height - text.gutter.height)
        text.update(Content("\n").join(card_lines(self.shown, width)))

    def choose(self, row: int) -> None:
        self.post_message(self.Chosen(self.state.rows[row].action))

    def open(self, number: int) -> None:
        """Open a recent file by its number, from 0."""
        self.post_message(self.FileChosen(self.shown.recent[number][1]))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self._begins_text(character)

    def _begins_text(self, character: str | None) -> bool:
        """Whether a key is text or the number of a file. A question mark stays the key of the help."""
        return self._begun or (character is not None and character.isprintable() and character not in "? ")

    async def _on_key(self, event: events.Key) -> None:
        character = event.character or ""
        if self._begun and event.key in ("backspace", "delete"):
            self.post_message(self.Typed(erase=event.key))
        elif self._begun and event.key in ("enter", "tab"):
            self.post_message(self.Typed("\n" if event.key == "enter" else "\t"))
        elif event.key in ("enter", "space") and not self._begun:
            # Space starts a run, as it resumes one.
            self.choose(0)
        elif not (character.isprintable() and self._begins_text(character)):
            return
        elif character in "123456789"[: len(self.shown.recent)] and not self._begun:
            self.open(int(character) - 1)
        else:
            self._type(character)
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._type(event.text)

    def _type(self, text: str) -> None:
        # Keys may be faster than the screen, which shows the canvas when it has heard of the first.
        self._begun = True
        self.post_message(self.Typed(text))


class CardText(Static):
    """The text of the card; its rows can be clicked."""

    def action_choose(self, row: int) -> None:
        self._card.choose(row)

    def action_open(self, number: int) -> None:
        self._card.open(number)

    @property
    def _card(self) -> StartCard:
        assert isinstance(self.parent, StartCard)
        return self.parent


class MaskField(Widget):
    """Rows of MASKs. While `breathing`, their brightness changes slowly, unless animations are off."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"field--rest", "field--lit"}

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._started = 0.0

    @property
    def breathing(self) -> bool:
        return self._timer is not None

    @breathing.setter
    def breathing(self, breathing: bool) -> None:
        if self._timer is not None and not breathing:
            self._timer.stop()
            self._timer = None
            self.refresh()
        # Of 16 colours there is no calm change.
        elif breathing and self.app.animation_level != "none" and self.app.console.color_system != "standard":
            self._started = time.monotonic()
            self._timer = self._timer or self.set_interval(1 / BREATHS_PER_SECOND, self.refresh)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        return Strip([Segment((MASKS * (width // len(MASKS) + 1))[:width], self._style())], width)

    def _style(self) -> Style:
        rest, lit = self.get_component_styles("field--rest"), self.get_component_styles("field--lit")
        phase = 0.0 if self._timer is None else (time.monotonic() - self._started) / BREATH
        share = (1 - math.cos(2 * math.pi * phase)) / 2
        background = self.background_colors[1]
        colour = (background + rest.color).blend(background + lit.color, share)
        return Style(color=colour.rich_color, bgcolor=background.rich_color)


def fitted(state: CardState, width: int, height: int) -> CardState:
    """The part of a card that has room in so many lines of `width` cells: the keys in any case, the status first."""
    shown = CardState(state.rows)
    for name in ("status", "sentence", "recent"):
        more = replace(shown, **{name: getattr(state, name)})
        if len(card_lines(more, width)) <= height:
            shown = more
    return shown


def card_lines(state: CardState, width: int) -> list[Content]:
    """The card as lines of at most `width` cells, if that is enough for the keys."""
    blocks = [
        _row_lines(state.rows),
        [Content(line) for line in wrap(state.sentence, max(1, width))],
        _recent_lines(state.recent, width),
        [Content.styled(state.status, "$text-accent")] if state.status else [],
    ]
    lines: list[Content] = []
    for block in filter(None, blocks):
        lines += [Content(""), *block] if lines else block
    return lines


def _row_lines(rows: tuple[CardRow, ...]) -> list[Content]:
    widest = max((len(row.key) for row in rows), default=0)
    return [_link(row.key, widest, row.label, f"choose({i})") for i, row in enumerate(rows)]


def _recent_lines(recent: tuple[tuple[str, Path], ...], width: int) -> list[Content]:
    if not recent:
        return []
    links = (_link(str(i + 1), 1, _end_of(inert(name), width - 3), f"open({i})") for i, (name, _) in enumerate(recent))
    return [Content.styled("recent files", "dim"), *links]


def _end_of(name: str, width: int) -> str:
    """The end of a path, which says most, in so many cells."""
    if cell_len(name) <= width:
        return name
    while name and cell_len(name) >= width:
        name = name[1:]
    return f"…{name}"


def _link(key: str, width: int, label: str, action: str) -> Content:
    line = Content.assemble((f"{key:<{width}}", "$footer-key-foreground bold"), f"  {label}")
    return line.stylize(ContentStyle.from_meta({"@click": action}))
