"""What the parts of the main screen need of it, as a protocol: a test of a part brings an interface of its own."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from textual.geometry import Region
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen

from sedd_cli.errors import SeddError
from sedd_cli.tui.page_layout import Address, Page
from sedd_cli.tui.settings import Settings

T = TypeVar("T")


class Canvas(Protocol):
    """The page on screen, with a cursor and a selection."""

    page: Page
    cursor: Address
    selection_anchor: Address | None

    @property
    def selection(self) -> tuple[Address, Address] | None:
        """First and last address of the selection, both included."""

    def move_cursor(self, cursor: Address, anchor: Address | None = None) -> None:
        """Move the cursor, set the selection's anchor (None: no selection), and scroll to the cursor."""

    def cursor_region(self) -> Region:
        """The cells of the terminal that the token or character under the cursor takes."""

    def remember_place(self) -> Callable[[], None]:
        """Returns what brings back the cursor, the selection and the rows as they are now."""


class Interface(Protocol):
    """The screen as its parts see it."""

    @property
    def canvas(self) -> Canvas: ...

    def state_changed(self) -> None:
        """Show the state as it is now, and ask the engine for what it needs."""

    def schedule_refresh(self) -> None:
        """The same at the next frame: for what changes many times a second."""

    def refresh_header(self) -> None: ...

    def refresh_timeline(self) -> None: ...

    def refresh_inspector(self) -> None: ...

    def notify(self, message: str, *, severity: SeverityLevel = "information") -> None: ...

    def notify_error(self, error: SeddError) -> None: ...

    def ask(self, dialog: ModalScreen[T], on_result: Callable[[T | None], None] | None = None) -> None:
        """Open a dialog; `on_result` is called with its result, None for Escape."""

    def key_of(self, id: str) -> str:
        """The first key that a command is bound to."""

    def change_settings(self, settings: Settings) -> None:
        """Apply settings, and save them for the next session."""

    def copy(self, text: str) -> None:
        """Copy to the clipboard."""

    def screenshot(self) -> str:
        """The screen as an SVG."""

    def document_opened(self) -> None:
        """Show a document that was opened in the place of another."""

    def leave(self) -> None:
        """End the session."""


def reporting_errors(ui: Interface, work: Callable[[], object]) -> bool:
    """Run `work` and notify of a `SeddError` that it raises. Returns whether it succeeded."""
    try:
        work()
    except SeddError as error:
        ui.notify_error(error)
        return False
    return True
