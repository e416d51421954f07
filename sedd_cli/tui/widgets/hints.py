"""The line at the foot: the keys that matter now; each can be clicked."""

from collections.abc import Sequence

from textual.content import Content
from textual.style import Style
from textual.widgets import Static

Hint = tuple[str, str, str]
"""Key as it is read, label, action."""


class Hints(Static):
    """Shows as many hints as fit, the first before the last."""

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
        parts, room = [], self.size.width
        for key, label, action in self._hints:
            width = len(key) + len(label) + 3
            if width > room:
                continue
            room -= width
            click = Style.from_meta({"@click": f"screen.{action}"})
            named = Content.assemble((key, "$footer-key-foreground bold"), f" {label}")
            parts += [named.stylize(click), Content("  ")]
        self.update(Content("").join(parts))
