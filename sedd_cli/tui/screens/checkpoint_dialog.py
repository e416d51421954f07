"""A dialog in which another checkpoint is chosen, and downloaded first if it is not there."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from sedd_cli.errors import SeddError
from sedd_cli.models.catalogue import Listed
from sedd_cli.tui.downloads import Downloads, Progress, bytes_label
from sedd_cli.tui.screens.dialog import Dialog, inert_content, stylesheet

POLL = 0.1
"""Seconds between two looks at a download."""
NAME_WIDTH, SIZE_WIDTH = 38, 5
"""Cells of the columns of names, at most, and of numbers of parameters."""
BAR = 20
"""Cells of the bar of a download."""
Find = Callable[[], tuple[Sequence[Listed], SeddError | None]]


class CheckpointDialog(Dialog[str | None]):
    """Returns the name of the checkpoint to load, None to keep the present one.

    `find`: lists the checkpoints, called on a thread; `loaded`: the folder of the present one. A download goes on in
    `downloads` when the dialog is closed by `b`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down", show=False, id="choose.down"),
        Binding("k", "move(-1)", "Up", show=False, id="choose.up"),
        Binding("b", "leave", "Go on in the background", show=False, id="checkpoint.background"),
    ]
    AUTO_FOCUS = "OptionList"
    DEFAULT_CSS = stylesheet("checkpoint_dialog")

    def __init__(self, find: Find, loaded: Path | None, downloads: Downloads) -> None:
        super().__init__("Checkpoints", fixed=True)
        self._find, self._loaded, self._downloads = find, loaded, downloads
        self._listed: dict[str, Listed] = {}
        """By name, as the list has them."""
        self._refused = ""
        """Why the last choice was not followed."""

    def body(self) -> ComposeResult:
        yield OptionList(Option("Looking for checkpoints", disabled=True), markup=False)
        with Vertical(id="foot"):
            yield Static(id="state", markup=False)
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        self._downloads.watched = True
        self.set_interval(POLL, self._look)
        self.run_worker(self._fill())

    def close_with(self, result: str | None) -> None:
        """Close with a result; of downloads, only one that runs outlives the dialog."""
        self._downloads.watched = False
        if not self._downloads.running:
            self._downloads.current = None
        super().close_with(result)

    async def _fill(self) -> None:
        # Reading the cache takes long where it is large.
        listed, error = await asyncio.to_thread(self._find)
        self._listed = {one.name: one for one in listed}
        here, elsewhere = [one for one in listed if one.there], [one for one in listed if not one.there]
        options = self._list
        options.clear_options()
        options.add_option(Option("On this computer", disabled=True))
        options.add_options(self._option(one) for one in here)
        options.add_option(Option("On the hub, to download", disabled=True))
        options.add_options(self._option(one) for one in elsewhere)
        current = self._downloads.current
        wanted = current.name if current is not None and current.progress.running else None
        wanted = wanted or next((one.name for one in here if one.folder == self._loaded), None)
        options.highlighted = options.get_option_index(wanted) if wanted in self._listed else 1
        self._refused = str(error) if error is not None else ""
        self._look()
        self.call_after_refresh(self._show_headings)

    def _show_headings(self) -> None:
        """Scroll back to the top if the highlighted one is in sight there: the list was lower when it was scrolled."""
        if (self._list.highlighted or 0) < self._list.size.height:
            self._list.scroll_home(animate=False)

    def on_option_list_option_highlighted(self) -> None:
        self._refused = ""
        self._look()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        listed, downloads = self._listed[str(event.option_id)], self._downloads
        progress = downloads.of(listed.name)
        if listed.there:
            self.close_with(listed.name)
        elif downloads.running and progress is None:
            self._refused = f"One download at a time: esc stops that of {self._downloading}."
        elif progress is None or progress.phase in ("stopped", "failed"):
            downloads.ask(listed.name)
        elif progress.phase == "planned" and downloads.current is not None:
            downloads.current.fetch()
        self._look()

    def action_move(self, by: int) -> None:
        (self._list.action_cursor_down if by > 0 else self._list.action_cursor_up)()

    def action_leave(self) -> None:
        """Close; a download goes on."""
        self.close_with(None)

    def action_close(self) -> None:
        """Stop the download, or close if there is none."""
        running = self._downloads.running
        self._downloads.stop()
        if running:
            self._look()
        else:
            self.close_with(None)

    def _look(self) -> None:
        """Show the state of the download, or what is known of the highlighted checkpoint."""
        listed = self._highlighted
        current = self._downloads.current
        if current is not None and current.progress.phase == "done" and current.name in self._listed:
            self.close_with(current.name)
            return
        progress = self._downloads.of(listed.name) if listed is not None else None
        running = self._downloads.running
        if self._refused or listed is None:
            text = self._refused
        elif progress is not None:
            text = said_of(progress)
        else:
            text = about(listed)
            if running and current is not None:
                text = f"{text}\n{current.name}: {current.progress.label}"
        state, keys = self.query_one("#state", Static), self.query_one("#keys", Static)
        state.set_class(progress is not None and progress.phase == "failed", "-failed")
        _update(state, text)
        verb = "loads" if listed is None or listed.there else "downloads"
        _update(keys, "esc stops it · b goes on in the background" if running else f"enter {verb} it · esc closes")

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    @property
    def _highlighted(self) -> Listed | None:
        option = self._list.highlighted_option
        return None if option is None or option.id is None else self._listed.get(option.id)

    @property
    def _downloading(self) -> str:
        return self._downloads.current.name if self._downloads.current is not None else ""

    def _option(self, listed: Listed) -> Option:
        sign = "●" if listed.folder is not None and listed.folder == self._loaded else " "
        width = max(12, min(NAME_WIDTH, self.size.width - SIZE_WIDTH - 10))
        row = f"{sign} {shortened(listed.label, width).ljust(width)}  {listed.parameters.rjust(SIZE_WIDTH)}  "
        return Option(Content.assemble(inert_content(row), (inert_content(listed.about).plain, "dim")), id=listed.name)


def about(listed: Listed) -> str:
    """A checkpoint in a sentence and where it is."""
    where = {
        "built in": "built in",
        "folder": f"in the folder {listed.label}",
        "downloaded": f"downloaded, {bytes_label(listed.bytes)}",
        "in part": f"downloaded in part, {bytes_label(listed.bytes)}",
        "hub": "not downloaded",
    }[listed.where]
    size = f"{listed.parameters} parameters" if listed.parameters else ""
    return f"{listed.label}: {', '.join(filter(None, (listed.about, size, where)))}"


def said_of(progress: Progress) -> str:
    """A download in one or two lines."""
    match progress.phase:
        case "asking":
            return "Asking the hub how large it is."
        case "planned":
            size = f"{bytes_label(progress.total)} to download" if progress.total else "It is here but for its name"
            return f"{size}; {bytes_label(progress.memory)} of memory once it is loaded."
        case "fetching" | "checking":
            full = BAR * progress.percent // 100
            return f"{'█' * full}{'░' * (BAR - full)} {progress.label}"
        case "stopped":
            at = f" at {progress.percent}%" if progress.done else ""
            return f"Stopped{at}. Enter begins again; files that are whole are kept."
        case "failed":
            return str(progress.error)
        case _:
            return "It is here."


def shortened(name: str, width: int) -> str:
    """A name in at most `width` characters; of a longer one the middle is left out."""
    if len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{name[:head]}…{name[head + 1 - width :]}"


def _update(label: Static, text: str) -> None:
    """Set a text; an unchanged one causes no new layout."""
    content = inert_content(text)
    if label.content != content:
        label.update(content)
