"""The dialog that asks for a document to open."""

import os
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input, OptionList

from sedd_cli.models.names import expand_path
from sedd_cli.tui.screens.dialog import Dialog, InertHighlighter, inert_content


class OpenDialog(Dialog[str | None]):
    """Returns a path as it is typed, completed or chosen from `recent` names; None for Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Recent files", show=False, id="open.next"),
        Binding("up", "app.focus_previous", "Back", show=False, id="open.previous"),
    ]
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    OpenDialog OptionList, OpenDialog OptionList:focus {
        height: auto;
        max-height: 6;
        border: none;
        padding: 0;
        margin-top: 1;
        background: $surface;
        background-tint: $surface 0%;
    }
    """

    def __init__(self, recent: Sequence[str]) -> None:
        below = "↓ recent files · " if recent else ""
        super().__init__("Open a document", f"{below}→ takes what is suggested · ↵ opens")
        self._recent = recent

    def body(self) -> ComposeResult:
        yield Input(
            placeholder="The name of a file; ~ is your home.",
            highlighter=InertHighlighter(),
            suggester=PathSuggester(self._recent),
        )
        if self._recent:
            yield OptionList(*map(inert_content, self._recent), markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.close_with(event.value)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.close_with(self._recent[event.option_index])


class PathSuggester(Suggester):
    """Suggests the first recent name that begins as typed, else the first file or folder on the disk."""

    def __init__(self, recent: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._recent = recent

    async def get_suggestion(self, value: str) -> str | None:
        return next((name for name in self._recent if name.startswith(value)), None) or completion(value)


def completion(value: str) -> str | None:
    """A typed path, completed to the first visible name on the disk; None if there is none, or if it is complete."""
    typed, _, begun = value.rpartition(os.sep)
    folder = expand_path(typed + os.sep if os.sep in value else ".")
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                (entry.name, entry.is_dir())
                for entry in entries
                if entry.name.startswith(begun) and entry.name.startswith(".") <= begun.startswith(".")
            )
    except OSError:
        return None
    if not begun or not names:
        return None
    name, is_folder = names[0]
    completed = f"{value[: len(value) - len(begun)]}{name}{os.sep if is_folder else ''}"
    return completed if completed != value and completed.isprintable() else None
