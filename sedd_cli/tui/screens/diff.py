"""A dialog with a diff."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from sedd_cli.render.changed_words import Span
from sedd_cli.render.diff import CHANGED
from sedd_cli.render.inert import inert
from sedd_cli.tui.screens.dialog import Dialog, DialogText, inert_content, stylesheet

KINDS = {"red": "diff--removed", "green": "diff--added", "cyan": "diff--place", "bold": "diff--name"}
"""The styles of `diff_parts` as component classes that follow the theme."""


Line = tuple[str, str, tuple[Span, ...]]
"""Text (inert, no tabs), its kind, and the spans of its changed words."""


class DiffScreen(Dialog[None]):
    """Shows the parts that `sedd_cli.render.diff.diff_parts` makes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,d", "close", "Close", show=False, id="diff.close")]
    AUTO_FOCUS = "DiffLines"

    DEFAULT_CSS = """
    DiffScreen > #box {
        max-width: 160;
    }
    """

    def __init__(self, parts: Sequence[tuple[str, str]], title: DialogText = "Changes") -> None:
        self._lines = list(_lines(parts))
        added, removed = (sum(kind == f"diff--{k}" for _, kind, _ in self._lines) for k in ("added", "removed"))
        counts = [(f"  +{added}", "$text-success"), (f" -{removed}", "$text-error")] if parts else []
        super().__init__(Content.assemble(inert_content(title), *counts), "↑ ↓ ← → scroll · esc closes", fixed=True)

    def body(self) -> ComposeResult:
        if self._lines:
            yield DiffLines(self._lines)
        else:
            yield Static("There is no difference.", markup=False)


class DiffLines(ScrollView):
    """Lines of a diff; only visible ones are rendered."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = set(KINDS.values())
    DEFAULT_CSS = stylesheet("diff_lines")

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self._lines = lines

    def on_mount(self) -> None:
        width = max(len(text) if text.isascii() else cell_len(text) for text, _, _ in self._lines)
        self.virtual_size = Size(width, len(self._lines))

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        text, kind, changed = self._lines[top + y] if top + y < len(self._lines) else ("", "", ())
        style = self.get_component_rich_style(kind) if kind else self.rich_style
        # When scrolled sideways, signs and hunk headers stay in place.
        fixed = len(text) if kind in ("diff--place", "diff--name") else 1
        marked = style + Style(bold=True, underline=True)
        edges = [fixed, *(edge for span in changed for edge in span), len(text)]
        parts = [Segment(text[a:b], (style, marked)[i % 2]) for i, (a, b) in enumerate(pairwise(edges))]
        rest = Strip(parts).crop(left)
        return Strip([Segment(text[:fixed], style), *rest]).crop_extend(0, self.size.width, style)


def _lines(parts: Sequence[tuple[str, str]]) -> Iterator[Line]:
    text, changed = "", []
    for part, style in parts:
        first, *others = inert(part).split("\n")
        begin, text = len(_without_tabs(text)), text + first
        if style.startswith(CHANGED):
            changed.append((begin, len(_without_tabs(text))))
        for following in others:
            yield _without_tabs(text), KINDS.get(style.removeprefix(CHANGED), ""), tuple(changed)
            text, changed = following, []


def _without_tabs(line: str) -> str:
    # The sign in front does not count for tab stops.
    return line[:1] + line[1:].expandtabs(4) if "\t" in line else line
