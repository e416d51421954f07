"""A popup beside a word: how likely it is, what would stand there, and what can be done about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.widgets import Static

from sedd_cli.tui.placement import beside
from sedd_cli.tui.screens.dialog import Dialog, inert_content, stylesheet

WIDTH = 58
"""Of the popup, its border included."""


@dataclass(frozen=True)
class ProofView:
    """What the popup shows: a sentence, the keys, and in its border where in the text this is and what is read."""

    sentence: Text
    keys: str
    title: str
    subtitle: str


class ProofPopup(Dialog[None]):
    """Calls `act` with "take", "next", "previous", "mask" or "undo" for their keys; Escape closes it.

    `anchor` returns the cells of the word, which stay in sight.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "act('take')", show=False, id="proof.take"),
        Binding("n,right", "act('next')", show=False, id="proof.next"),
        Binding("N,left", "act('previous')", show=False, id="proof.previous"),
        Binding("m", "act('mask')", show=False, id="proof.mask"),
        Binding("u", "act('undo')", show=False, id="proof.undo"),
    ]
    DEFAULT_CSS = stylesheet("proof_popup")

    def __init__(self, view: ProofView, anchor: Callable[[], Region], act: Callable[[str], None]) -> None:
        super().__init__("")
        self._view, self._anchor, self._act = view, anchor, act

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(id="sentence", markup=False)
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        self.show(self._view)

    def on_resize(self, event: events.Resize) -> None:
        # The screen below is laid out anew as well.
        self.call_after_refresh(self._place)

    def show(self, view: ProofView) -> None:
        self._view = view
        if self.query("#box"):
            box = self.query_one("#box")
            box.border_title, box.border_subtitle = view.title, view.subtitle
            self.query_one("#sentence", Static).update(inert_content(view.sentence))
            self.query_one("#keys", Static).update(inert_content(view.keys))
            self._place()

    def action_act(self, what: str) -> None:
        if self.is_current:
            self._act(what)

    def _place(self) -> None:
        box = self.query_one("#box")
        width = min(WIDTH, self.size.width)
        rows = -(-self._view.sentence.cell_len // max(1, width - 4)) - (-cell_len(self._view.keys) // max(1, width - 4))
        region = beside(self._anchor(), self.size, Size(width, rows + 2))
        box.styles.offset, box.styles.width, box.styles.height = region.offset, region.width, region.height
