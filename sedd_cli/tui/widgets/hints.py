"""The line at the foot: the keys that matter now; each can be clicked."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

Hint = tuple[str, str, str]
"""Key as it is read, label, action."""
NUM_PINNED = 2
"""So many hints at the end are shown before any other."""


class Hints(Static):
    """Shows as many hints as fit; the last two always."""

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
        room = self.size.width - sum(_width(hint) for hint in self._hints[-NUM_PINNED:])
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
    # The screen's, where it does not say otherwise: not those of what was clicked.
    click = Style.from_meta({"@click": action if action.startswith("app.") else f"screen.{action}"})
    return Content.assemble((key, "$footer-key-foreground bold"), f" {label}").stylize(click)
