"""A dialog with a diff."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from sedd_cli.tui.diff_rows import SEPARATOR, Line, Row, column_width, lines_of, rows_beside, rows_under
from sedd_cli.tui.screens.dialog import Dialog, DialogText, inert_content, stylesheet

BESIDE = 140
"""From this many columns on, the old text is beside the new one."""


class DiffScreen(Dialog[None]):
    """Shows the parts that `sedd_cli.render.diff.diff_parts` makes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,d", "close", "Close", show=False, id="diff.close")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (BESIDE, "-wide")]  # noqa: RUF012 - Textual types it so
    AUTO_FOCUS = "DiffLines"

    DEFAULT_CSS = """
    DiffScreen > #box {
        max-width: 100;
    }
    DiffScreen.-wide > #box {
        max-width: 190;
    }
    """

    def __init__(self, parts: Sequence[tuple[str, str]], title: DialogText = "Changes") -> None:
        self._lines = list(lines_of(parts))
        added, removed = (sum(line.kind == kind for line in self._lines) for kind in ("added", "removed"))
        counts = [(f"  +{added}", "$text-success"), (f" -{removed}", "$text-error")] if parts else []
        super().__init__(Content.assemble(inert_content(title), *counts), "↑ ↓ scroll · esc closes", fixed=True)

    def body(self) -> ComposeResult:
        if self._lines:
            yield DiffLines(self._lines)
        else:
            yield Static("There is no difference.", markup=False)


class DiffLines(ScrollView):
    """Lines of a diff, side by side where there is room; only visible rows are rendered."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"diff--{kind}" for kind in ("removed", "added", "place", "remark")}
    DEFAULT_CSS = stylesheet("diff_lines")

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self._lines = lines
        self._rows: list[Row] = []
        self._laid_out = 0, False

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._lay_out(width)
        return len(self._rows)

    def on_resize(self) -> None:
        self._lay_out(self.scrollable_content_region.width)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows))

    def _lay_out(self, width: int) -> None:
        wanted = width, self.app.size.width >= BESIDE
        if wanted != self._laid_out:
            self._laid_out = wanted
            self._rows = (rows_beside if wanted[1] else rows_under)(self._lines, width)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        top, width = self.scroll_offset.y, self.size.width
        row = self._rows[top + y] if top + y < len(self._rows) else ()
        if len(row) < 2:
            return Strip(self._cells(row[0], width) if row else []).crop_extend(0, width, self.rich_style)
        half = column_width(self._laid_out[0])
        old, new = (Strip(self._cells(line, half)).crop_extend(0, half, self._style(line)) for line in row)
        between = Strip([Segment(SEPARATOR, self.get_component_rich_style("diff--remark"))])
        return Strip.join([old, between, new]).crop_extend(0, width, self.rich_style)

    def _style(self, line: Line | None) -> Style:
        return self.get_component_rich_style(f"diff--{line.kind}") if line and line.kind else self.rich_style

    def _cells(self, line: Line | None, width: int) -> Iterator[Segment]:
        """The segments of a line, its changed words marked, its style up to `width`."""
        if line is None:
            return
        style = self._style(line)
        marked = style + Style(bold=True, underline=True)
        yield Segment(line.sign, style)
        edges = [0, *(edge for span in line.changed for edge in span), len(line.text)]
        for i, (a, b) in enumerate(pairwise(edges)):
            if a < b:
                yield Segment(line.text[a:b], (style, marked)[i % 2])
        if line.kind in ("removed", "added"):
            yield Segment(" " * width, style)
