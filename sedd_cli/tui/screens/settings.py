"""The settings as a form."""

from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static, Switch

from sedd_cli.tui.screens.dialog import Dialog, InertHighlighter, inert_content, stylesheet
from sedd_cli.tui.screens.fields import CHOICES, FIELDS, Field, error_text, format_value, parse_value
from sedd_cli.tui.settings import Settings

WIDE = 44
"""From this many columns on, a field is beside its label."""


class SettingsScreen(Dialog[Settings | None]):
    """Returns the changed settings, None for Escape. Key bindings stay as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", id="settings.save"),
        Binding("up", "app.focus_previous", "Previous", show=False, id="settings.previous"),
        Binding("down", "app.focus_next", "Next", show=False, id="settings.next"),
    ]
    AUTO_FOCUS = "Input"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual types it so
    DEFAULT_CSS = stylesheet("settings")

    def __init__(self, settings: Settings) -> None:
        super().__init__("Settings", fixed=True)
        self._settings = settings

    def body(self) -> ComposeResult:
        with Vertical(id="form"):
            for field in FIELDS:
                yield from self._entry(field)
        with Vertical(id="foot"):
            yield Static(id="about", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Save", id="save", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def _entry(self, field: Field) -> ComposeResult:
        with Horizontal(classes="entry", id=f"entry-{field.name}"):
            yield Static(field.label, classes="label", markup=False)
            yield from self._control(field)
        if field.typed:
            yield Static(classes="error", id=f"error-{field.name}", markup=False)

    def _control(self, field: Field) -> ComposeResult:
        value = getattr(self._settings, field.name)
        if isinstance(value, bool):
            yield Switch(value, animate=False, id=field.name)
            yield Static(_state(value), classes="state", markup=False)
        elif field.name in (*CHOICES, "theme"):
            names = CHOICES.get(field.name) or sorted(self.app.available_themes)
            value = value if value in names else self.app.theme
            options = [(Text(field.blank if name is None else name), name) for name in names]
            yield Select(options, value=value, allow_blank=False, compact=True, id=field.name)
        else:
            yield Input(format_value(value), field.placeholder, InertHighlighter(), compact=True, id=field.name)

    def on_resize(self, event: events.Resize) -> None:
        for name, key in (("save", "ctrl+s"), ("cancel", "esc")):
            label = name.capitalize()
            self.query_one(f"#{name}", Button).label = Content(f"{label} {key}" if event.size.width >= WIDE else label)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Mark the field that has the focus, and show its help.

        By a class: in Textual 8.2 what `:focus-within` styles lags behind the focus.
        """
        held = {node.id for node in event.widget.ancestors_with_self}
        for field in FIELDS:
            self.query_one(f"#entry-{field.name}").set_class(field.name in held, "-here")
        about = next((field.help for field in FIELDS if field.name in held), "")
        self.query_one("#about", Static).update(inert_content(about))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._validate(event.input)

    def on_input_submitted(self) -> None:
        self.action_save()

    def on_switch_changed(self, event: Switch.Changed) -> None:
        row = event.switch.parent
        assert isinstance(row, Widget)
        row.query_one(".state", Static).update(_state(event.value))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_close()

    def action_save(self) -> None:
        """Close with the settings, or focus the first invalid field."""
        faulty = [field for field in self.query(Input) if not self._validate(field)]
        if faulty:
            faulty[0].focus()
            return
        values: dict[str, Any] = {str(i.id): parse_value(str(i.id), i.value) for i in self.query(Input)}
        values |= {str(s.id): s.value for s in self.query(Switch)}
        values |= {str(s.id): s.value for s in self.query(Select)}
        self.close_with(replace(self._settings, **values))

    def _validate(self, field: Input) -> bool:
        """Show the error in a field. Returns whether it is valid."""
        name = str(field.id)
        told = error_text(name, field.value)
        below = self.query_one(f"#error-{name}", Static)
        below.update(told)
        below.set_class(bool(told), "-shown")
        field.set_class(bool(told), "-invalid")
        return not told


def _state(on: bool) -> str:
    return "on" if on else "off"
