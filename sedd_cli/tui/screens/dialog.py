"""The base of all dialogs: a centred box, a title, a line of keys, and inert text."""

from importlib.resources import files
from typing import ClassVar, TypeVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from sedd_cli.render.inert import inert

Result = TypeVar("Result")
DialogText = str | Text | Content

LOW = 10
"""Below this many lines a terminal shows no decoration."""


def stylesheet(name: str) -> str:
    """A style sheet of this package, for a widget's `DEFAULT_CSS`."""
    return files("sedd_cli.tui.screens").joinpath(f"{name}.tcss").read_text(encoding="utf-8")


def inert_content(text: DialogText) -> Content:
    """A text with its styles, without markup; control characters become visible signs."""
    if isinstance(text, Text):
        text = Content.from_rich_text(text)
    elif isinstance(text, str):
        text = Content(text)
    # Character for character, so that the spans still fit.
    return Content(inert(text.plain), spans=list(text.spans))


class InertHighlighter(Highlighter):
    """For Input, which would send a pasted ESC to the terminal."""

    def highlight(self, text: Text) -> None:
        text.plain = inert(text.plain)


class Dialog(ModalScreen[Result]):
    """A modal screen with one box, which scrolls if the terminal is too small.

    A subclass defines `body` and names its keys in `hint`; with `fixed`, title and hint stay in place and
    something in the body scrolls. Escape returns None.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", id="dialog.close")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-mid"), (22, "-high")]  # noqa: RUF012 - Textual types it so
    DEFAULT_CSS = stylesheet("dialog")

    def __init__(self, title: DialogText, hint: DialogText = "", fixed: bool = False) -> None:
        super().__init__(classes="-fixed" if fixed else None)
        self._heading = inert_content(title)
        self._hint = inert_content(hint)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box", can_focus=False):
            yield Static(self._heading, classes="title", markup=False)
            yield from self.body()
            if self._hint.plain:
                yield Static(self._hint, classes="hint", markup=False)

    def body(self) -> ComposeResult:
        """What stands between the title and the hint."""
        yield from ()

    def close_with(self, result: Result | None) -> None:
        """Close with a result. Only once: a key pressed twice in a row would close the screen below too."""
        if self.is_current:
            self.dismiss(result)

    def action_close(self) -> None:
        self.close_with(None)
