"""A dialog with the legend and the keys."""

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from sedd_cli.render.inert import inert
from sedd_cli.tui.screens.dialog import Dialog, inert_content, stylesheet

Sections = Sequence[tuple[str, Sequence[tuple[str, str]]]]


class HelpScreen(Dialog[None]):
    """Shows a legend of the canvas, then keys and their commands by section."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,f1", "close", "Close", show=False, id="help.close")
    ]
    AUTO_FOCUS = "#page"
    DEFAULT_CSS = stylesheet("help")

    def __init__(self, sections: Sections, legend: Text) -> None:
        super().__init__("Help", "↑ ↓ scroll · esc closes", fixed=True)
        self._sections = sections
        self._legend = legend

    def body(self) -> ComposeResult:
        width = max((len(keys) for _, rows in self._sections for keys, _ in rows), default=0)
        with VerticalScroll(id="page"):
            yield Static(inert_content(self._legend), markup=False)
            for title, rows in self._sections:
                yield Static(inert_content(title), classes="section", markup=False)
                yield Static(_table(rows, width))


def _table(rows: Sequence[tuple[str, str]], width: int) -> Table:
    """Keys in a column of the same width in all sections, descriptions in a second one."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=width, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for keys, description in rows:
        table.add_row(Text(inert(keys), "bold"), Text(inert(description)))
    return table
