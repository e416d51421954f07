"""The column of branches and candidates: what each writes, with its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import set_cell_size
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sedd_cli.tui.branch_entries import BranchEntry
from sedd_cli.tui.wrapping import breaks, width_of

ROWS = 4
"""The most rows of a branch's text that are shown."""


class BranchesPane(OptionList):
    """Shows branches; while it has the focus, the arrows switch them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,b", "leave", show=False, id="branches.leave"),
        Binding("j", "cursor_down", show=False, id="branches.down"),
        Binding("k", "cursor_up", show=False, id="branches.up"),
    ]

    @dataclass
    class Chosen(Message):
        """A branch is to be shown."""

        index: int

    class Left(Message):
        """The user is done with the column."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, markup=False, compact=True)
        self._entries: Sequence[BranchEntry] = ()
        self._current = -1
        self._hint = ""
        self.border_title = "branches"

    def show(self, entries: Sequence[BranchEntry], current: int, hint: str = "") -> None:
        """Show these branches, of which one is on the canvas, and a hint below; only what has changed is laid out."""
        if (list(entries), current, hint) == (list(self._entries), self._current, self._hint):
            return
        before, was, self._entries, self._current = self._entries, self._current, entries, current
        if len(before) != len(entries) or hint != self._hint:
            self._hint = hint
            self._show_all()
            return
        for i, (old, new) in enumerate(zip(before, entries, strict=True)):
            if old != new or (was != current and i in (was, current)):
                self.replace_option_prompt_at_index(i, self._prompt(i))
        self._mark_current()

    def on_resize(self) -> None:
        self._show_all()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        # Only what the user has moved to, and still is at.
        if self.has_focus and event.option_index == self.highlighted != self._current:
            self.post_message(self.Chosen(event.option_index))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Left())

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def _show_all(self) -> None:
        hint = [Option(Content.styled(self._hint, "$text-muted"), disabled=True)] if self._hint else []
        self.set_options([*(Option(self._prompt(i)) for i in range(len(self._entries))), *hint])
        self._mark_current()

    def _mark_current(self) -> None:
        self.highlighted = self._current if self._current < len(self._entries) else None

    def _prompt(self, index: int) -> Content:
        width = max(8, self.scrollable_content_region.width)
        return entry_text(self._entries[index], index == self._current, width)


def entry_text(entry: BranchEntry, current: bool, width: int) -> Content:
    """An entry in rows of `width` cells, the one on the canvas marked: title, figures, the first rows of its text."""
    parts = [(f"{'▸' if current else ' '} {entry.title}", "bold")]
    parts += [(f"  {fact}", "$text-muted") for fact in entry.facts]
    parts += [(f"  {row}", "") for row in first_rows(entry.text, width - 2, ROWS)]
    lines = [
        Content.styled(text if width_of(text) <= width else f"{_cut(text, width - 1)}…", style) for text, style in parts
    ]
    return Content("\n").join([*lines, Content("")])


def first_rows(text: str, width: int, count: int) -> list[str]:
    """The first rows of a text, an ellipsis where it goes on."""
    starts = breaks(text, max(2, width))
    rows = [text[start:end].rstrip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    if len(rows) > count:
        rows = rows[:count]
        rows[-1] = f"{_cut(rows[-1], width - 1).rstrip()}…"
    return [row for row in rows if row]


def _cut(text: str, width: int) -> str:
    return text if width_of(text) <= width else set_cell_size(text, width)
