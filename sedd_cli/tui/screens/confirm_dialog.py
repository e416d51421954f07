"""A dialog with a few buttons."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Static

from sedd_cli.tui.screens.dialog import Dialog, DialogText, inert_content, stylesheet


class ConfirmDialog(Dialog[str | None]):
    """Returns the result of the chosen button, by its key or a click; None for Escape.

    `choices` are (key, label, result); Enter chooses the first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "app.focus_previous", "Previous", show=False, id="confirm.previous"),
        Binding("right,down", "app.focus_next", "Next", show=False, id="confirm.next"),
    ]
    AUTO_FOCUS = "Button"
    DEFAULT_CSS = stylesheet("confirm_dialog")

    def __init__(self, title: DialogText, body: DialogText, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(title)
        self._text = inert_content(body)
        self._choices = choices

    def body(self) -> ComposeResult:
        if self._text.plain:
            yield Static(self._text, markup=False)
        with Horizontal(id="choices"):
            for i, (key, label, _) in enumerate(self._choices):
                name = Content.assemble((f"[{key}] ", "not bold"), inert_content(label))
                yield Button(name, id=f"choice-{i}", compact=True)

    def on_mount(self) -> None:
        # The first button has the focus, but the title is to be visible.
        self.call_after_refresh(self.query_one("#box").scroll_home, animate=False)

    def on_resize(self, event: events.Resize) -> None:
        # Border and padding of the box, then label, key in brackets, padding and margin of each.
        needed = 4 + sum(inert_content(label).cell_length + len(key) + 8 for key, label, _ in self._choices)
        self.set_class(needed > min(event.size.width, 64), "-stacked")

    def on_key(self, event: events.Key) -> None:
        for key, _, result in self._choices:
            if key in (event.character, event.key):
                event.stop()
                self.close_with(result)
                return

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.close_with(self._choices[int(str(event.button.id).removeprefix("choice-"))][2])
