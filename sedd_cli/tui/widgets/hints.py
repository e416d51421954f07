"""The footer: the keys that apply now; each can be clicked."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

Hint = tuple[str, str, str]
"""Name of a key, label, action."""
NUM_PINNED = 2
"""Number of hints at the end that are always shown."""


class Hints(Static):
    """Shows as many hints as fit, and always the last two."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._hints: Sequence[Hint] = ()

    def show(self, hints: Sequence[Hint]) -> None:
        if hints != self._hints:
            self._hints = hints
            self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        # The last hint has no blanks behind it.
        room = self.size.width + 2 - sum(_width(hint) for hint in self._hints[-NUM_PINNED:])
        shown = []
        for hint in self._hints[:-NUM_PINNED]:
            if _width(hint) <= room:
                room -= _width(hint)
                shown.append(hint)
        self.update(Content("  ").join(map(_link, [*shown, *self._hints[-NUM_PINNED:]])))


def _width(hint: Hint) -> int:
    return cell_len(hint[0]) + cell_len(hint[1]) + 3


def _link(hint: Hint) -> Content:
    key, label, action = hint
    # An action without a namespace is the screen's, not the clicked widget's.
    click = Style.from_meta({"@click": action if action.startswith("app.") else f"screen.{action}"})
    return Content.assemble((key, "$footer-key-foreground bold"), f" {label}").stylize(click)
