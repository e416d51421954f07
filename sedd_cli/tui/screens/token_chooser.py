"""A popup beside a word: what else can be written there, found by typing."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region, Size
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from sedd_cli.ranges import counted
from sedd_cli.tui.placement import beside
from sedd_cli.tui.screens.dialog import Dialog, InertHighlighter, stylesheet
from sedd_cli.tui.token_choices import Choice, TokenChoices
from sedd_cli.tui.token_text import percent_to_tenth

WANTED = Size(44, 14)
"""Of the popup, its border included."""


class TokenChooser(Dialog[tuple[int, ...] | None]):
    """Returns the tokens to write, None for Escape. `anchor`: the cells of the word, which stay in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move('cursor_down')", show=False, id="chooser.down"),
        Binding("up", "move('cursor_up')", show=False, id="chooser.up"),
        Binding("pagedown", "move('page_down')", show=False, id="chooser.page-down"),
        Binding("pageup", "move('page_up')", show=False, id="chooser.page-up"),
    ]
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = stylesheet("token_chooser")

    def __init__(self, anchor: Region, choices: TokenChoices) -> None:
        super().__init__("")
        self._anchor, self._choices = anchor, choices
        self._offered: list[Choice] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title, box.border_subtitle = "write another", "↵ writes it · esc"
            yield Input(
                placeholder="type to search, or a word of your own", compact=True, highlighter=InertHighlighter()
            )
            list_ = OptionList(markup=False)
            list_.can_focus = False
            yield list_

    def on_mount(self) -> None:
        self._offer("")

    def on_resize(self, event: events.Resize) -> None:
        box = self.query_one("#box")
        region = beside(self._anchor, event.size, WANTED)
        box.styles.offset, box.styles.width, box.styles.height = region.offset, region.width, region.height

    def on_input_changed(self, event: Input.Changed) -> None:
        self._offer(event.value)

    def on_input_submitted(self) -> None:
        if (index := self._list.highlighted) is not None:
            self.close_with(self._offered[index].tokens)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.close_with(self._offered[event.option_index].tokens)

    def action_move(self, how: str) -> None:
        getattr(self._list, f"action_{how}")()

    def _offer(self, query: str) -> None:
        self._offered = self._choices.find(query)
        self._list.set_options(self._option(choice) for choice in self._offered)
        self._list.action_first()

    def _option(self, choice: Choice) -> Option:
        if choice.problem:
            return Option(Content(f"{choice.label}\n{choice.problem}"), disabled=True)
        if choice.probability is None:
            size = f" ({counted(len(choice.tokens), 'token')})" if len(choice.tokens) > 1 else ""
            return Option(Content.assemble("write ", (choice.label, "bold"), size))
        here = "  stands here" if choice.tokens == (self._choices.current,) else ""
        return Option(
            Content.assemble(f"{percent_to_tenth(choice.probability):>5}  ", (choice.label, "bold"), (here, "dim"))
        )

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)
