"""The canvas: a page of text and tokens, with a cursor and a selection."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sedd_cli.tui.page_layout import Address, Page
from sedd_cli.tui.row_drawing import STYLES, RowPainter, RowState
from sedd_cli.tui.tints import FewColors, ManyColors, NoColors, Tints
from sedd_cli.tui.wrapping import width_of

MAX_CACHED_STRIPS = 512
"""Rows kept as they were drawn: few come again while words glow, and garbage collection goes through all of them."""
MEASURE = 90
"""Cells of a row of text; one more is the cursor's at its end."""
UNWRAPPED = 1000
"""Cells of a row of code, where a line is a row: longer ones are broken after all."""

KEYS = {
    "left": "left",
    "right": "right",
    "up": "up",
    "down": "down",
    "word-left": "ctrl+left",
    "word-right": "ctrl+right",
    "row-start": "home",
    "row-end": "end",
    "page-up": "pageup",
    "page-down": "pagedown",
    "start": "ctrl+home",
    "end": "ctrl+end",
}
"""Cursor movements and their keys; with shift, they extend the selection."""


class CanvasView(ScrollView, can_focus=True):
    """Shows a `Page`. Rows are rendered on demand, cached by their state, and refreshed only if it changes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"canvas--{name}" for name in STYLES}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"go('{where}', False)", show=False, id=f"canvas.{where}") for where, key in KEYS.items()),
        *(
            Binding(
                f"ctrl+shift+{key[5:]}" if key.startswith("ctrl+") else f"shift+{key}",
                f"go('{where}', True)",
                show=False,
                id=f"canvas.select-{where}",
            )
            for where, key in KEYS.items()
        ),
        Binding("ctrl+a", "select_all", show=False, id="canvas.select-all"),
    ]

    class CursorMoved(Message):
        """The cursor or the selection is elsewhere."""

    @dataclass
    class Typed(Message):
        """In edit mode: text to insert at the cursor, or the key that erases some."""

        text: str = ""
        erase: str = ""

    class Resized(Message):
        """The page needs another width."""

    def __init__(self, page: Page, id: str | None = None) -> None:
        super().__init__(id=id)
        self.page = page
        self.cursor: Address = page.address(0, 0)
        self.selection_anchor: Address | None = None
        """The start of the selection, if there is one; the cursor is its other end."""
        self.editing = False
        """Edit mode: keys are text."""
        self.wraps = True
        """Whether lines are broken to fit; else one that is too long scrolls sideways with the cursor."""
        self._pressed: Address | None = None
        self._column: int | None = None
        self._strips: dict[tuple[RowState, int, int], Strip] = {}
        self._painter: RowPainter | None = None
        self._visible: dict[int, RowState] = {}
        self._window: tuple[int, int, int] | None = None
        """While it is painted, see `_find_window`."""
        self._legend: Text | None = None

    @property
    def page_width(self) -> int:
        """The width that the page should have."""
        if not self.size.width:
            # Not laid out yet: a narrow page would be so tall that it got a scroll bar.
            return self.page.width
        return max(4, min(MEASURE + 1, self.scrollable_content_region.width)) if self.wraps else UNWRAPPED

    @property
    def text_left(self) -> int:
        """The column of the view at which the page's first column is: in the middle where there is room."""
        used = self.page.width if self.wraps else max(MEASURE, self.page.widest) + 1
        return max(0, (self.scrollable_content_region.width - used) // 2) - self.scroll_offset.x

    @property
    def selection(self) -> tuple[Address, Address] | None:
        """First and last address of the selection, both included."""
        if self.selection_anchor is None or self.selection_anchor == self.cursor:
            return None
        # As in any editor, the character at the later end is not included.
        return min(self.selection_anchor, self.cursor), self.page.move(max(self.selection_anchor, self.cursor), -1)

    def show(self, page: Page) -> None:
        """Show a page. Rows whose state and place are unchanged are not refreshed."""
        left = self.text_left
        self.page = page
        self.cursor = page.nearest(self.cursor)
        self.selection_anchor = None if self.selection_anchor is None else page.nearest(self.selection_anchor)
        self._fit()
        self._draw_changed()
        if self.text_left != left:
            self.refresh()

    def _fit(self) -> None:
        """Set what there is to scroll over."""
        view = self.scrollable_content_region
        overflow = "hidden" if self.wraps or self.page.widest < view.width else "auto"
        if self.styles.overflow_x != overflow:
            self.styles.overflow_x = overflow
        if overflow == "hidden":
            # At least as high as the view: a text that fits may grow without a new layout.
            size = Size(view.width, max(self.page.height, view.height))
        else:
            size = Size(self.page.widest + 1, self.page.height)
        if size != self.virtual_size:
            self.virtual_size = size

    def show_legend(self, legend: Text | None) -> None:
        """Show what the colours mean in the frame, where there is room for all of it (None: show nothing)."""
        if legend is not None and legend.cell_len > self.size.width - 4:
            legend = None
        if legend != self._legend:
            self._legend = legend
            self.border_subtitle = legend

    def move_cursor(self, cursor: Address, anchor: Address | None = None) -> None:
        """Move the cursor, set the selection's anchor (None: no selection), and scroll to the cursor."""
        self.cursor = self.page.nearest(cursor)
        self.selection_anchor = None if anchor is None else self.page.nearest(anchor)
        y, x = self.page.locate(cursor)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not top <= y < top + height:
            target = y - height // 2 if abs(y - top) > 2 * height else y if y < top else y - height + 1
            self.scroll_to(y=target, animate=False, immediate=True)
        width = self.scrollable_content_region.width
        if not 0 <= x + self.text_left < width and width:
            # All of the line where that shows the cursor, else what is around it.
            self.scroll_to(x=0 if x < width else x - width // 2, animate=False, immediate=True)
        self._draw_changed()
        self.post_message(self.CursorMoved())

    def cursor_region(self) -> Region:
        """The cells of the terminal that the token or character under the cursor takes."""
        y, x = self.page.locate(self.cursor)
        low, high = self.page.cells(y, self.page.extent(self.cursor, self.cursor))
        within = self.scrollable_content_region
        width = max(1, width_of(self.page.text_of(y)[low:high]))
        return Region(within.x + self.text_left + x, within.y + y - self.scroll_offset.y, width, 1)

    def remember_place(self) -> Callable[[], None]:
        """Returns what brings back the cursor, the selection and the rows as they are now."""
        cursor, anchor, top = self.cursor, self.selection_anchor, self.scroll_offset.y

        def go_back() -> None:
            self.move_cursor(cursor, anchor)
            self.scroll_to(y=top, animate=False, immediate=True)

        return go_back

    def render_lines(self, crop: Region) -> list[Strip]:
        # It is the same for all rows, and to find it takes as long as to draw one.
        self._window = self._find_window()
        try:
            return super().render_lines(crop)
        finally:
            self._window = None

    def render_line(self, y: int) -> Strip:
        top, left, width = self._window or self._find_window()
        row = y + top
        if row >= self.page.height:
            return Strip.blank(width, self.style_of("text"))
        if row not in self._visible:
            self._visible |= self._row_states([row])
        key = (self._visible[row], width, left)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) >= MAX_CACHED_STRIPS:
                self._strips.clear()
            strip = self._strips[key] = self._placed(self.painter.draw(key[0]), left, width)
        return strip

    def _find_window(self) -> tuple[int, int, int]:
        """The row at the top of the view, the column at which the page begins, and the view's width."""
        return self.scroll_offset.y, self.text_left, self.scrollable_content_region.width

    def _placed(self, row: Strip, left: int, width: int) -> Strip:
        """The part of a row that is in view."""
        style = self.style_of("text")
        row = Strip([Segment(" " * left, style), *row]) if left > 0 else row.crop(-left)
        return row.adjust_cell_length(width, style)

    def style_of(self, classes: str) -> Style:
        """The combined style of classes such as `revealed sure3 glow2`."""
        return self.painter.style_of(classes)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._painter = None

    @property
    def painter(self) -> RowPainter:
        """What draws the rows, in the styles of now."""
        if self._painter is None:
            components = {name: self._component(name) for name in STYLES}
            self._painter = RowPainter(components, self.background_colors[1].rich_color, self._choose_tints())
        return self._painter

    def _choose_tints(self) -> Tints:
        """The colours of tokens on the canvas, in as many colours as the terminal has."""
        behind = self.background_colors[1]
        if self.app.no_color:
            return NoColors()
        if behind.ansi is not None:
            # The terminal's own colours cannot be mixed.
            return FewColors((0, 0, 0) if self.app.current_theme.dark else (255, 255, 255), native=True)
        # Without a terminal, pictures are drawn.
        system = "truecolor" if self.app.is_headless else self.app.console.color_system
        if system in ("standard", "windows"):
            return FewColors(behind.rgb, native=False)
        return ManyColors(behind.rgb, table=system == "256")

    def _component(self, name: str) -> Style:
        """The style of a component, its colours blended with the canvas's background."""
        styles, behind = self.get_component_styles(f"canvas--{name}"), self.background_colors[1]
        color = (behind + styles.color).rich_color if styles.has_rule("color") else None
        background = (behind + styles.background).rich_color if styles.has_rule("background") else None
        return Style(color=color, bgcolor=background) + styles.text_style

    def _row_states(self, rows: Iterable[int]) -> dict[int, RowState]:
        """The state of each of some rows, without those below the page."""
        page, selection = self.page, self.selection
        selected = page.extent(*selection) if selection else None
        cursor = page.extent(self.cursor, self.cursor) if self.has_focus else None
        at_end = page.locate(self.cursor)[0] if cursor and self.cursor == page.end else -1
        states: dict[int, RowState] = {}
        for row in rows:
            if row >= page.height:
                break
            marked = page.cells(row, selected) if selected else (0, 0)
            low, high = page.cells(row, cursor) if cursor else (0, 0)
            at = low if low < high else len(page.text_of(row)) if row == at_end else -1
            states[row] = RowState(page.row(row), marked if marked[0] < marked[1] else (0, 0), at)
        return states

    def _draw_changed(self) -> None:
        """Refresh the visible rows whose state has changed."""
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        before, self._visible = self._visible, self._row_states(range(top, top + height))
        changed = [y for y in range(height) if before.get(top + y) != self._visible.get(top + y)]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def action_go(self, where: str, select: bool) -> None:
        current = self.cursor
        y, x = self.page.locate(current)
        tall = max(1, self.scrollable_content_region.height - 1)
        if where in ("up", "down", "page-up", "page-down"):
            self._column = x if self._column is None else self._column
            row = y + {"up": -1, "down": 1, "page-up": -tall, "page-down": tall}[where]
            if row < 0:
                target = self.page.address(0, 0)
            elif row >= self.page.height:
                target = self.page.end
            else:
                target = self.page.address(row, self._column)
        else:
            self._column = None
            target = self._along(where, current, y)
        anchor = (self.selection_anchor if self.selection_anchor is not None else current) if select else None
        self.move_cursor(target, anchor)

    def _along(self, where: str, current: Address, y: int) -> Address:
        page = self.page
        match where:
            case "left" | "right":
                return page.move(current, 1 if where == "right" else -1)
            case "word-left" | "word-right":
                return page.next_word(current, 1 if where == "word-right" else -1)
            case "row-start" | "row-end":
                return page.address(y, 0 if where == "row-start" else 10**6)
            case _:
                return page.end if where == "end" else page.address(0, 0)

    def action_select_all(self) -> None:
        self.move_cursor(self.page.end, self.page.address(0, 0))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self.editing and character is not None and character.isprintable()

    async def _on_key(self, event: events.Key) -> None:
        if not self.editing:
            return
        if event.key in ("backspace", "delete"):
            message = self.Typed(erase=event.key)
        elif event.key in ("enter", "tab"):
            message = self.Typed("\n" if event.key == "enter" else "\t")
        elif event.is_printable and event.character:
            message = self.Typed(event.character)
        else:
            return
        # In edit mode a key is not a command.
        event.stop()
        event.prevent_default()
        self.post_message(message)

    def on_paste(self, event: events.Paste) -> None:
        if self.editing:
            event.stop()
            self.post_message(self.Typed(event.text))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1:
            return
        target = self._under(event)
        self._column = None
        self.capture_mouse()
        self._pressed = self.selection_anchor or self.cursor if event.shift else target
        self._drag_to(target) if event.shift else self.move_cursor(target)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self and self._pressed is not None:
            target = self._under(event)
            if target != self._pressed or self.selection_anchor is not None:
                self._drag_to(target)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        self._pressed = None

    def _drag_to(self, target: Address) -> None:
        """Select from where the button was pressed to a cell, both included: whole words, but characters to edit."""
        assert self._pressed is not None
        first, last = min(self._pressed, target), max(self._pressed, target)
        if not self.editing:
            first, last = self.page.word_at(first)[0], self.page.word_at(last)[1]
        end = self.page.move(last, 1)
        self.move_cursor(*((end, first) if target >= self._pressed else (first, end)))

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            first, last = self.page.word_at(self.cursor)
            if first[1] == 0 and not self.page.is_blank(first):
                self.move_cursor(self.page.move(last, 1), first)

    def _under(self, event: events.MouseEvent) -> Address:
        at = event.get_content_offset_capture(self)
        return self.page.address(at.y + self.scroll_offset.y, max(0, at.x - self.text_left))

    def on_resize(self) -> None:
        self._visible.clear()
        self._fit()
        self.post_message(self.Resized())

    def watch_scroll_x(self, old: float, new: float) -> None:
        super().watch_scroll_x(old, new)
        self.refresh()

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self._visible.clear()
        self.refresh()

    def on_focus(self) -> None:
        self._draw_changed()

    def on_blur(self) -> None:
        self._draw_changed()
