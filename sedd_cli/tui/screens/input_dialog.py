"""A dialog with one line of input."""

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.widgets import Input, Static

from sedd_cli.tui.screens.dialog import LOW, Dialog, DialogText, InertHighlighter, inert_content


class InputDialog(Dialog[str | None]):
    """Returns the typed line, None for Escape.

    `check` returns the error in a line, or None; the error is shown below, and such a line is not accepted.
    """

    AUTO_FOCUS = "Input"

    def __init__(
        self,
        title: DialogText,
        value: str = "",
        hint: DialogText = "",
        check: Callable[[str], str | None] | None = None,
    ) -> None:
        super().__init__(title, hint)
        self._value = value
        self._check = check

    def body(self) -> ComposeResult:
        yield Input(self._value, highlighter=InertHighlighter())
        yield Static(classes="error", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Input).compact = event.size.height < LOW

    def on_input_changed(self, event: Input.Changed) -> None:
        # The initial value shows no error until it is edited.
        if event.value != self._value or self._error.content:
            self._validate(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._validate(event.value):
            self.close_with(event.value)

    @property
    def _error(self) -> Static:
        return self.query_one(".error", Static)

    def _validate(self, value: str) -> bool:
        """Show the error in a line. Returns whether it is valid."""
        error = self._check(value) if self._check is not None else None
        self._error.update(inert_content(error or ""))
        self.query_one(Input).set_class(error is not None, "-invalid")
        return error is None
