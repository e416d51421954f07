"""A dialog with a list to choose from."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static

from sedd_cli.tui.screens.dialog import Dialog, DialogText, inert_content


class ChoiceDialog(Dialog[int | None]):
    """Returns the index of the chosen option, None for Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down", show=False, id="choose.down"),
        Binding("k", "move(-1)", "Up", show=False, id="choose.up"),
        *(Binding(str(n), f"pick({n - 1})", f"Pick {n}", show=False, id=f"choose.{n}") for n in range(1, 10)),
    ]
    AUTO_FOCUS = "OptionList"

    DEFAULT_CSS = """
    ChoiceDialog OptionList, ChoiceDialog OptionList:focus {
        height: auto;
        max-height: 100%;
        border: none;
        padding: 0;
        background: $surface;
        background-tint: $surface 0%;
    }
    """

    def __init__(
        self, title: DialogText, options: Sequence[Text | Content], highlighted: int = 0, hint: DialogText = ""
    ) -> None:
        super().__init__(title, hint, fixed=True)
        self._options = options
        self._first = max(0, min(highlighted, len(options) - 1))

    def body(self) -> ComposeResult:
        if self._options:
            yield OptionList(*map(self._numbered, range(len(self._options))), markup=False)
        else:
            yield Static("There is nothing to choose from.", markup=False)

    def on_mount(self) -> None:
        if self._options:
            self._list.highlighted = self._first

    def on_resize(self) -> None:
        # The height of the list is known only after layout.
        if self._options:
            self.call_after_refresh(self._list.scroll_to_highlight)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.close_with(event.option_index)

    def action_move(self, by: int) -> None:
        if self._options:
            (self._list.action_cursor_down if by > 0 else self._list.action_cursor_up)()

    def action_pick(self, index: int) -> None:
        if index < len(self._options):
            self.close_with(index)

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    def _numbered(self, index: int) -> Content:
        sign = str(index + 1) if index < 9 else " "
        return Content.assemble((f"{sign} ", "dim"), inert_content(self._options[index]))
