"""The table of commands: each key has one meaning, and each command an action."""

from collections import Counter
from inspect import signature

from textual.actions import parse
from textual.binding import Binding

from sedd_cli.text.document import Document
from sedd_cli.tui.app import SeddApp
from sedd_cli.tui.commands import BY_ID, bindings
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.widgets.canvas_view import CanvasView


def test_no_key_is_bound_twice() -> None:
    bound = [binding for binding in [*bindings(), *CanvasView.BINDINGS] if isinstance(binding, Binding)]
    keys = Counter(key.strip() for binding in bound for key in binding.key.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_command_calls_a_method() -> None:
    screen = SeddApp(Document(None, b"", ""), Settings()).main_screen
    for command in BY_ID.values():
        owner, method, arguments = parse(command.target)
        part = SeddApp if owner == "app" else getattr(screen, owner) if owner else screen
        signature(getattr(part, method)).bind(*([None] if owner == "app" else []), *arguments)
    screen.engine.close(1)
