"""A dialog with the legend and the keys, searched by typing."""

from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar, NamedTuple

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import Input, Static

from sedd_cli.render.inert import inert
from sedd_cli.tui.screens.dialog import Dialog, InertHighlighter, inert_content, stylesheet

WIDE = 100
"""From this many columns on, sections are in two columns."""


class Row(NamedTuple):
    """`sign`: keys, or a sign of the canvas in its style."""

    sign: Text
    meaning: str


class Section(NamedTuple):
    title: str
    rows: Sequence[Row]


class Search(Input):
    """The line of what is searched; as the first character, `?` is not typed: it closes what it opened."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return not self._closes(key) and super().check_consume_key(key, character)

    def on_key(self, event: events.Key) -> None:
        if self._closes(event.key):
            event.prevent_default()

    def _closes(self, key: str) -> bool:
        return key == "question_mark" and not self.value


class HelpScreen(Dialog[None]):
    """Shows signs and keys with their meaning, by section; what is typed selects rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "leave", "Close", show=False, id="help.close"),
        *(
            Binding(key, f"page_scroll('{way}')", "Scroll", show=False, id=f"help.{way.replace('_', '-')}")
            for key, way in (
                ("up", "up"),
                ("down", "down"),
                ("pageup", "page_up"),
                ("pagedown", "page_down"),
                ("ctrl+home", "home"),
                ("ctrl+end", "end"),
            )
        ),
    ]
    AUTO_FOCUS = "Input"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual types it so
    DEFAULT_CSS = stylesheet("help")

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__("Help", "↑ ↓ scroll · esc closes", fixed=True)
        self._sections = sections

    def body(self) -> ComposeResult:
        yield Search("", "type a word or a key to search", InertHighlighter(), compact=True)
        with VerticalScroll(id="page", can_focus=False):
            yield Static("Nothing matches. esc clears the search.", id="nothing", markup=False)
            with Container(id="columns"):
                split = first_half([len(section.rows) + 2 for section in self._sections])
                for numbers in (range(split), range(split, len(self._sections))):
                    with Vertical(classes="column"):
                        for number in numbers:
                            with Vertical(id=f"section-{number}", classes="section"):
                                yield Static(inert_content(self._sections[number].title), markup=False)
                                yield Static(classes="rows")

    def on_mount(self) -> None:
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)
        self._page.scroll_home(animate=False)

    def action_close(self) -> None:
        """Clear the search, or close where there is none."""
        search = self.query_one(Input)
        if search.value:
            search.value = ""
        else:
            super().action_close()

    def action_leave(self) -> None:
        self.close_with(None)

    def action_page_scroll(self, way: str) -> None:
        getattr(self._page, f"scroll_{way}")(animate=False)

    @property
    def _page(self) -> VerticalScroll:
        return self.query_one("#page", VerticalScroll)

    def _show(self, query: str) -> None:
        width = max((row.sign.cell_len for section in self._sections for row in section.rows), default=0)
        found = matching(self._sections, query)
        for number, rows in enumerate(found):
            section = self.query_one(f"#section-{number}")
            section.display = bool(rows)
            section.query_one(".rows", Static).update(_table(rows, width, query.split()))
        for column in self.query(".column"):
            column.display = any(section.display for section in column.children)
        self.query_one("#nothing").display = not any(found)


def matching(sections: Sequence[Section], query: str) -> list[Sequence[Row]]:
    """The rows of each section that a search finds: those of a key, else those that contain all words."""
    words = query.lower().split()
    if not words:
        return [section.rows for section in sections]
    of_key = [[row for row in section.rows if query.strip() in row.sign.plain.split()] for section in sections]
    if any(of_key):
        return list(of_key)
    return [
        [row for row in rows if all(word in f"{title} {row.sign.plain} {row.meaning}".lower() for word in words)]
        for title, rows in sections
    ]


def first_half(sizes: Sequence[int]) -> int:
    """How many of these, from the first on, come nearest to half of their sum."""
    sums = [0, *accumulate(sizes)]
    return min(range(len(sums)), key=lambda n: abs(2 * sums[n] - sums[-1]))


def _table(rows: Sequence[Row], width: int, words: Sequence[str]) -> Table:
    """Signs in a column of the same width in all sections, meanings in a second one, with `words` marked in them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=width, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for sign, meaning in rows:
        text = Text(inert(meaning))
        text.highlight_words(words, "underline", case_sensitive=False)
        table.add_row(_inert_sign(sign), text)
    return table


def _inert_sign(sign: Text) -> Text:
    sign = sign.copy()
    # Character for character, so that the styles still fit.
    sign.plain = inert(sign.plain)
    return sign
