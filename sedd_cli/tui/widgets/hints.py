"""The footer: the keys that apply now; each can be clicked."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

Hint = tuple[str, str, str]
"""Name of a key, label, action."""
NUM_PINNED = 2
"""Number of hints at the end that are always shown: help, and how to quit."""


class Hints(Static):
    """Shows as many hints as fit."""

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
        self.update(Content("  ").join(map(_link, fitting(self._hints, self.size.width))))


def fitting(hints: Sequence[Hint], width: int) -> list[Hint]:
    """The hints for so many cells: the first, which comes before the last one (help says how to quit), then others."""
    # The last hint shown has no blanks behind it.
    room = width + 2
    others, pinned = hints[:-NUM_PINNED], hints[-NUM_PINNED:]
    if others and sum(map(_width, [others[0], *pinned])) > room:
        pinned = pinned[:1]
    room -= sum(map(_width, pinned))
    shown = []
    for hint in others:
        if _width(hint) <= room:
            room -= _width(hint)
            shown.append(hint)
    return [*shown, *pinned]


def _width(hint: Hint) -> int:
    return cell_len(hint[0]) + cell_len(hint[1]) + 3


def _link(hint: Hint) -> Content:
    key, label, action = hint
    # An action without a namespace is the screen's, not the clicked widget's.
    click = Style.from_meta({"@click": action if action.startswith("app.") else f"screen.{action}"})
    return Content.assemble((key, "$footer-key-foreground bold"), f" {label}").stylize(click)
