"""The main screen: composes the parts of a session, passes them keys and messages, and draws their state."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.actions import parse
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.widgets import Label

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.render.inert import inert
from sedd_cli.text.document import Document
from sedd_cli.text.formats import is_code
from sedd_cli.text.markers import marker_gaps
from sedd_cli.tui import messages
from sedd_cli.tui.autosave import Autosave
from sedd_cli.tui.branch_entries import INTERVAL as BRANCHES_INTERVAL
from sedd_cli.tui.checkpoint_control import CheckpointControl
from sedd_cli.tui.commands import BY_ID, COMMANDS, EDIT_MODE, Command, bindings, key_name
from sedd_cli.tui.document_actions import DocumentActions
from sedd_cli.tui.engine import Engine, LoadCheckpoint
from sedd_cli.tui.file_actions import FileActions
from sedd_cli.tui.legend import legend, legend_line
from sedd_cli.tui.next_steps import branches_hint, card_rows, hints, inspector_hint
from sedd_cli.tui.page_layout import Page
from sedd_cli.tui.proof_actions import ProofActions
from sedd_cli.tui.recent import RecentFiles, typed_names
from sedd_cli.tui.recovery import RecoveryStore
from sedd_cli.tui.run_control import FRAMES_PER_SECOND, RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import SETTINGS, SHADINGS, Settings
from sedd_cli.tui.style import PageBuilder, file_label, timeline_state, title_of
from sedd_cli.tui.token_actions import TokenActions
from sedd_cli.tui.widgets.branches_pane import BranchesPane
from sedd_cli.tui.widgets.canvas_view import CanvasView
from sedd_cli.tui.widgets.hints import Hints
from sedd_cli.tui.widgets.inspector import InspectedToken, Inspector
from sedd_cli.tui.widgets.start_card import CardState, StartCard
from sedd_cli.tui.widgets.timeline import Timeline

T = TypeVar("T")

AUTOSAVE_INTERVAL = 2.0
"""Seconds between checks of the file on disk and autosaves of unsaved work."""
EXIT_TIMEOUT = 1.5
"""Seconds that closing the screen waits for the engine to finish its step."""
DOWNLOAD_TIMEOUT = 0.5
"""Seconds that it waits for a download to delete what is half done."""


class MainScreen(Screen[None]):
    """Its parts change the state and call `state_changed`; the `refresh_*` methods draw it and change nothing."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide"), (140, "-columns")]  # noqa: RUF012 - Textual types it so
    # Below 16 rows, head and token pane would leave the text next to none.
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012 - Textual types it so
    # The start card while it is shown.
    AUTO_FOCUS = ".-start #start, #canvas"
    # The canvas view implements its own selection.
    ALLOW_SELECT = False

    def __init__(
        self,
        document: Document,
        settings: Settings,
        store: RecoveryStore,
        recent: RecentFiles,
        load: LoadCheckpoint | None = None,
    ) -> None:
        super().__init__()
        self.session = EditingSession(document, settings)
        self.engine = Engine(self.post_message, load)
        self.checkpoints = CheckpointControl(self.session, self.engine, self)
        self.runs = RunControl(self.session, self.engine, self.checkpoints, self)
        self.tokens = TokenActions(self.session, self.engine, self.runs, self)
        self.document = DocumentActions(self.session, self.runs, self.tokens, self)
        self.proof = ProofActions(self.session, self.engine, self.runs, self)
        self.autosave = Autosave(self.session, store, self)
        self.recent = recent
        self.files = FileActions(self.session, self.runs, self.checkpoints, self.autosave, recent, self)
        # From the first: what is styled anew would delay the first paint.
        self.set_class(self.session.empty, "-start")
        self._starting = False
        """Whether the start card is in the place of the canvas."""
        self._recent: tuple[tuple[str, Path], ...] = ()
        """The recent files when the start card came, as one would type them."""
        self._dirty = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Label("", id="title", markup=False)
            yield Label("", id="file", markup=False)
        with Container(id="body"):
            yield StartCard(id="start")
            yield CanvasView(Page(self.scene.draft.text, [], [], 80), id="canvas")
            yield Inspector(id="inspector")
            yield BranchesPane(id="branches")
        yield Timeline(id="timeline")
        with Horizontal(id="foot"):
            yield Label("", id="mode", markup=False)
            yield Hints(id="hints")

    @property
    def scene(self) -> Scene:
        return self.session.scene

    @property
    def settings(self) -> Settings:
        return self.session.settings

    @property
    def canvas(self) -> CanvasView:
        return self.query_one("#canvas", CanvasView)

    def on_mount(self) -> None:
        self.canvas.border_title = "canvas"
        self.query_one(Inspector).border_title = "token"
        self._follow_start()
        self.refresh_view()
        if self.session.document.path is None:
            # A beginning is continued at its end.
            self.canvas.move_cursor(self.canvas.page.end)
        self.set_interval(1 / FRAMES_PER_SECOND, self._on_frame)
        self.set_interval(BRANCHES_INTERVAL, self.refresh_branches)
        self.set_interval(AUTOSAVE_INTERVAL, self.autosave.check)
        self.call_after_refresh(self.checkpoints.load)
        for name in ("SIGHUP", "SIGTERM"):
            # Windows has neither SIGHUP nor handlers on the loop.
            with suppress(AttributeError, NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self._on_hangup)
        self._check_keys()
        self._notify_markers()
        self.autosave.offer()

    def on_unmount(self) -> None:
        self.checkpoints.close(DOWNLOAD_TIMEOUT)
        self.engine.close(EXIT_TIMEOUT)

    def state_changed(self) -> None:
        """Show the state as it is now, and ask the engine for what it needs."""
        self.tokens.follow()
        self._follow_start()
        self.refresh_view()

    def schedule_refresh(self) -> None:
        """The same at the next frame: for what changes many times a second."""
        self._dirty = True

    def refresh_view(self) -> None:
        self._dirty = False
        canvas, editing = self.canvas, self.document.editing
        checkpoint = self.session.checkpoint
        builder = PageBuilder(checkpoint.tokenizer if checkpoint else None, self.settings.shading)
        canvas.wraps = self.scene.run is not None or not is_code(self.session.path)
        canvas.show(builder.build(self.scene, canvas.page_width, canvas.page))
        canvas.show_legend(legend_line(self.settings.shading, canvas.style_of) if self.scene.branch else None)
        canvas.editing = editing
        self.set_class(editing, "-editing")
        self._refresh_start()
        mode = "EDIT" if editing else "START" if self.session.empty else "COMMAND"
        _update_label(self.query_one("#mode", Label), mode)
        self.refresh_hints()
        self.refresh_timeline()
        self.refresh_header()
        self.refresh_inspector()
        self.refresh_branches()

    def refresh_hints(self) -> None:
        document = self.document
        found = hints(
            *(self.scene, document.editing, self.runs.idle, self.key_of),
            unsaved=self._text_unsaved,
            new=self.session.document.path is None,
            sign=document.sign_in_hand,
            length=document.length_in_hand,
        )
        self.query_one(Hints).show(found)

    @property
    def _text_unsaved(self) -> bool:
        """Whether there is a text without a run to save: while one is written, that would take long to tell."""
        return self.scene.branch is None and self.session.unsaved

    def _follow_start(self) -> None:
        """Go to the start card once there is nothing, and to the canvas once there is something."""
        empty = self.session.empty and not self.document.editing
        if empty and not self._starting:
            paths = self.recent.paths()
            self._recent = tuple(zip(typed_names(paths), paths, strict=True))
        self._starting = empty
        if empty != self.has_class("-start"):
            self.set_class(empty, "-start")
            (self.query_one(StartCard) if empty else self.canvas).focus()

    def _refresh_start(self) -> None:
        if self.has_class("-start"):
            status = "" if self.session.checkpoint else self.checkpoints.status
            rows = card_rows(self.checkpoints.facts.writes, self.key_of)
            self.query_one(StartCard).show(CardState(rows, self.runs.sentence(), self._recent, status))

    def refresh_timeline(self) -> None:
        runs = self.runs
        speed = "" if runs.speed is None else f"{runs.speed:g}/s"
        comparing = len(runs.compared) > 1 and all(branch.finished for branch in runs.compared)
        state = timeline_state(self.scene, runs.playing, runs.seconds_per_call, speed, runs.writing, comparing)
        self.query_one(Timeline).show(state)

    def refresh_header(self) -> None:
        title = title_of(self.session.checkpoint, self.checkpoints.status, self.scene)
        _update_label(self.query_one("#title", Label), title)
        _update_label(self.query_one("#file", Label), file_label(self.session, self.checkpoints.download_label))

    def refresh_inspector(self) -> None:
        new = self.session.document.path is None
        hint = inspector_hint(self.scene, self.key_of, self.settings, unsaved=self._text_unsaved, new=new)
        inspected = self.tokens.inspected()
        # Latest tokens pass by: there is none to change.
        offered = isinstance(inspected, InspectedToken)
        offer = f"{self.key_of('token.alternatives')} another word" if offered else ""
        self.query_one(Inspector).show(inspected or hint, offer)

    def refresh_branches(self) -> None:
        """Show the column of branches, where there is room for one."""
        pane = self.query_one(BranchesPane)
        if pane.display:
            entries = self.runs.entries.of(self.scene, time.monotonic())
            pane.show(entries, self.scene.current, branches_hint(self.scene, self.key_of))

    def list_branches(self) -> None:
        """Go to the column of branches; where there is no room for one, list them."""
        pane = self.query_one(BranchesPane)
        if self.scene.branches and pane.display:
            pane.focus()
        else:
            self.runs.list_branches()

    def _on_frame(self) -> None:
        self.checkpoints.tick()
        if self.runs.tick(time.monotonic()) or self._dirty:
            self.state_changed()

    async def action_command(self, id: str) -> None:
        self.run_command(BY_ID[id])

    def action_leave_edit_mode(self) -> None:
        self.document.leave_edit_mode()

    def run_command(self, command: Command) -> None:
        owner, method, arguments = parse(command.target)
        getattr(getattr(self, owner) if owner else self, method)(*arguments)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Single keys are text in edit mode."""
        return not (self.document.editing and action == "command" and parameters[0] not in EDIT_MODE)

    def on_canvas_view_resized(self) -> None:
        if self.canvas.page.width != self.canvas.page_width:
            self.refresh_view()

    def on_canvas_view_cursor_moved(self) -> None:
        self.tokens.follow()
        self.refresh_inspector()
        self.refresh_hints()

    def on_canvas_view_typed(self, message: CanvasView.Typed) -> None:
        self.document.type_text(message.text, message.erase)

    def on_branches_pane_chosen(self, message: BranchesPane.Chosen) -> None:
        self.runs.show_branch(message.index)

    def on_branches_pane_left(self) -> None:
        self.canvas.focus()

    def on_resize(self) -> None:
        # The style sheet decides after it whether the column is shown.
        self.call_after_refresh(self.refresh_branches)

    def on_start_card_typed(self, message: StartCard.Typed) -> None:
        if not self.runs.idle:
            # Typed before the canvas of a run that was just started is there: it would end the run.
            return
        if not self.document.editing:
            self.document.edit()
        self.document.type_text(message.text, message.erase)

    def on_start_card_chosen(self, message: StartCard.Chosen) -> None:
        self.run_command(BY_ID[message.action])

    def on_start_card_file_chosen(self, message: StartCard.FileChosen) -> None:
        self.files.open_file(message.path)

    def document_opened(self) -> None:
        self.document.editing = False
        self.checkpoints.compare_document()
        self.state_changed()
        self.canvas.move_cursor((0, 0))
        self._notify_markers()
        self.autosave.offer()

    def on_timeline_seek_requested(self, message: Timeline.SeekRequested) -> None:
        self.runs.seek(message.at)

    def on_loading(self, message: messages.Loading) -> None:
        self.checkpoints.on_loading(message)

    def on_loaded(self, message: messages.Loaded) -> None:
        self.checkpoints.on_loaded(message)
        self.runs.on_loaded()

    def on_load_failed(self, message: messages.LoadFailed) -> None:
        self.checkpoints.on_load_failed(message)

    def on_started(self, message: messages.Started) -> None:
        self.runs.on_started(message)

    def on_advanced(self, message: messages.Advanced) -> None:
        self.runs.on_advanced(message)

    def on_ranked(self, message: messages.Ranked) -> None:
        self.runs.on_ranked(message)

    def on_words_read(self, message: messages.WordsRead) -> None:
        self.proof.on_words_read(message)

    def on_stopped(self, message: messages.Stopped) -> None:
        self.runs.on_stopped(message)
        self.proof.on_stopped(message)

    def on_failed(self, message: messages.Failed) -> None:
        self.runs.on_failed(message)
        self.proof.on_failed(message)

    def on_out_of_distribution(self, message: messages.OutOfDistribution) -> None:
        self.checkpoints.on_out_of_distribution(message)

    def on_alternatives_ready(self, message: messages.AlternativesReady) -> None:
        self.tokens.on_alternatives_ready(message)

    def next_shading(self) -> None:
        """Let colours show certainty, then the order of writing, then nothing."""
        shading = SHADINGS[(SHADINGS.index(self.settings.shading) + 1) % len(SHADINGS)]
        self.change_settings(replace(self.settings, shading=shading))

    def change_settings(self, settings: Settings) -> None:
        self.app.apply_settings(settings)  # type: ignore[attr-defined]

    def toggle_figures(self) -> None:
        timeline = self.query_one(Timeline)
        timeline.toggle_figures()
        self.query_one(Inspector).detailed = timeline.detailed
        self.refresh_inspector()

    def show_settings(self) -> None:
        from sedd_cli.tui.screens.settings import SettingsScreen

        def on_result(settings: Settings | None) -> None:
            if settings is not None:
                self.change_settings(settings)

        self.ask(SettingsScreen(self.settings), on_result)

    def use_settings(self, settings: Settings) -> None:
        """Apply settings; the run in progress keeps its own."""
        before, self.session.settings = self.settings, settings
        if (settings.seed, settings.lock_seed) != (before.seed, before.lock_seed):
            self.runs.seed = settings.seed
        if (settings.model, settings.device) != (before.model, before.device):
            self.runs.stop()
            self.checkpoints.load()
        self.state_changed()

    def show_help(self) -> None:
        from sedd_cli.tui.help_text import sections
        from sedd_cli.tui.screens.help import HelpScreen

        signs = legend(self.settings.shading, self.canvas.style_of, self.key_of("token.shading"))
        self.ask(HelpScreen(sections(self._keys, signs)))

    def system_commands(self) -> Iterable[SystemCommand]:
        for commands in COMMANDS.values():
            for command in commands:
                if command.id != "session.palette":
                    yield SystemCommand(
                        command.description, f"Key: {self._keys(command)}", partial(self.run_command, command)
                    )
        for name, setting in SETTINGS.items():
            yield SystemCommand(f"Setting: {name.replace('_', ' ')}", setting.accepts, self.show_settings)

    def key_of(self, id: str) -> str:
        """The first key that a command is bound to."""
        return key_name(self.settings.keys.get(id, BY_ID[id].keys).split(",")[0])

    def _keys(self, command: Command) -> str:
        return key_name(self.settings.keys.get(command.id, command.keys))

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification. Unlike Textual's, text is inert and read without markup by default."""
        super().notify(inert(message), title=inert(title), severity=severity, timeout=timeout, markup=markup)

    def notify_error(self, error: SeddError) -> None:
        self.notify(str(error), severity="error")

    def ask(self, dialog: ModalScreen[T], on_result: Callable[[T | None], None] | None = None) -> None:
        self.app.push_screen(dialog, on_result)

    def copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)

    def screenshot(self) -> str:
        return self.app.export_screenshot(title="sedd tui")

    def leave(self) -> None:
        self.app.exit()

    def _check_keys(self) -> None:
        """Warn of bindings in the settings that name no command."""
        known = {*BY_ID, *(b.id for b in CanvasView.BINDINGS if isinstance(b, Binding)), "session.command"}
        dialogs = {"dialog", "open", "confirm", "choose", "chooser", "branches"}
        dialogs |= {"settings", "help", "diff", "checkpoint", "proof"}
        unknown = [id for id in self.settings.keys if id not in known and id.split(".")[0] not in dialogs]
        if unknown:
            self.notify(
                f"The settings give keys to unknown commands: {', '.join(unknown)}. docs/tui.md names all commands.",
                severity="warning",
            )

    def _notify_markers(self) -> None:
        """Notify that the document has markers, which are text until a command turns them into gaps."""
        with suppress(UsageError):
            if count := len(marker_gaps(self.session.document.text)):
                found = f"{count} markers" if count > 1 else "a marker"
                self.notify(f"The text has {found} such as [[12]]: {self.key_of('text.markers')} makes gaps of them.")

    def _on_hangup(self) -> None:
        """Handle SIGHUP and SIGTERM: save unsaved work and exit."""
        saved = self.autosave.save_for_next()
        self.app.exit(return_code=1, message="sedd: unsaved work is offered at the next start" if saved else None)


def _update_label(label: Label, text: str) -> None:
    """Set a label's text; an unchanged text causes no new layout."""
    if label.content != (text := inert(text)):
        label.update(text)
