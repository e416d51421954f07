"""The table of commands: each key has one meaning, and each command an action."""

from collections import Counter

from textual.binding import Binding

from sedd_cli.tui.commands import BY_ID, bindings
from sedd_cli.tui.main_screen import MainScreen
from sedd_cli.tui.widgets.canvas_view import CanvasView


def test_no_key_is_bound_twice() -> None:
    bound = [binding for binding in [*bindings(), *CanvasView.BINDINGS] if isinstance(binding, Binding)]
    keys = Counter(key.strip() for binding in bound for key in binding.key.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_command_has_an_action() -> None:
    names = {command.action.partition("(")[0] for command in BY_ID.values()} - {"app.command_palette"}
    assert sorted(name for name in names if not hasattr(MainScreen, f"action_{name}")) == []
