"""The list of branches below the canvas, which shows the one that the cursor is on."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.widgets import OptionList

from sedd_cli.tui.branch_entries import BranchEntry
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.dialog import stylesheet


class BranchesDialog(ChoiceDialog):
    """Returns the index of the chosen branch, None for Escape. `preview` is called with each one moved to."""

    DEFAULT_CSS = stylesheet("branches_dialog")

    def __init__(self, entries: Sequence[BranchEntry], current: int, preview: Callable[[int], None]) -> None:
        options = [
            Text.assemble((entry.title, "bold"), *(f" · {fact}" for fact in entry.facts), (f" · {entry.text}", "dim"))
            for entry in entries
        ]
        super().__init__("Branches", options, current, "↑ ↓ show one · enter keeps it · esc goes back")
        self._preview = preview

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.is_current:
            self._preview(event.option_index)
