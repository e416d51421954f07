"""The main screen: general commands, the engine's messages and recovery."""

import asyncio
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual.app import SystemCommand
from textual.binding import Binding, BindingType

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft, Mark, merge_adjacent
from sedd_cli.text.gaps import marker_gaps
from sedd_cli.text.in_place import changed_on_disk
from sedd_cli.tui import messages
from sedd_cli.tui.commands import BY_ID, COMMANDS, EDIT_MODE_ACTIONS, bindings, key_name
from sedd_cli.tui.engine import LoadCheckpoint
from sedd_cli.tui.file_actions import FileActions
from sedd_cli.tui.recovery import Recovery, RecoveryStore
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.style import END_OF_TEXT_SIGN, MASK, PARTIAL_CHARACTER_SIGN
from sedd_cli.tui.widgets.canvas_view import CanvasView

AUTOSAVE_INTERVAL = 2.0
"""Seconds between checks of the file on disk and autosaves of unsaved work."""
GLOSSARY = (
    "Terms",
    [
        ("t", "Time: 1 is all MASK, 0 is text"),
        ("calls a/b", "Network calls made, and needed in all; steps that reveal nothing need none"),
        ("curve", "MASKs left, moment by moment"),
        ("p", "The probability that the network gave a token when it wrote it"),
        ("now", "The same, if it were written again given the current text"),
        ("entropy", "How open the choice is, in nats: 0 is certain, 5 is wide open"),
        ("moment", "The text after a network call or a change of yours"),
        ("branch", "A list of moments; an edit at an earlier moment forks another"),
        ("candidate", "A branch from the start; a document's are shown best first: fewer nats fit better"),
    ],
)
EXIT_TIMEOUT = 1.5
"""Seconds that closing the screen waits for the engine to finish its step."""


class MainScreen(FileActions):
    """All commands of a session."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()

    def __init__(
        self, document: Document, settings: Settings, store: RecoveryStore, load: LoadCheckpoint | None = None
    ) -> None:
        super().__init__(document, settings, load)
        self.store = store
        self._autosaved: tuple[Scene, int] | None = None
        """The scene of the last autosave, and its number of moments."""
        self._autosave_failed = False
        self._warned_about: Document | None = None

    def on_mount(self) -> None:
        # Textual calls `BaseScreen.on_mount` as well.
        self.set_interval(AUTOSAVE_INTERVAL, self._check_file)
        for name in ("SIGHUP", "SIGTERM"):
            # Windows has neither SIGHUP nor handlers on the loop.
            with suppress(AttributeError, NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self._on_hangup)
        self._check_keys()
        self._notify_markers()
        self._offer_recovery()

    def _check_keys(self) -> None:
        """Warn of bindings in the settings that name no command."""
        known = {*BY_ID, *(b.id for b in CanvasView.BINDINGS if isinstance(b, Binding)), "session.command"}
        dialogs = {"dialog", "confirm", "choose", "settings", "help", "diff"}
        unknown = [id for id in self.settings.keys if id not in known and id.split(".")[0] not in dialogs]
        if unknown:
            self.notify(
                f"The settings bind unknown commands: {', '.join(unknown)}. Help lists all commands.",
                severity="warning",
            )

    def _notify_markers(self) -> None:
        """Notify that the document has markers, which are text until a command turns them into gaps."""
        with suppress(UsageError):
            if count := len(marker_gaps(self.session.document.text)):
                found = f"{count} markers" if count > 1 else "a marker"
                self.notify(f"The text has {found} such as [[12]]: {self.key_of('text.markers')} makes gaps of them.")

    def on_unmount(self) -> None:
        self.engine.close(EXIT_TIMEOUT)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Single keys are text in edit mode."""
        if self.editing and any(c.action.split("(")[0] == action for cs in COMMANDS.values() for c in cs):
            return action in EDIT_MODE_ACTIONS
        return True

    def on_loading(self, message: messages.Loading) -> None:
        if message.load_id != self.load_id:
            return
        self.load_status = message.status
        self.refresh_header()

    def on_loaded(self, message: messages.Loaded) -> None:
        if message.load_id != self.load_id:
            return
        self.checkpoint = message.checkpoint
        if message.checkpoint.tokenizer is None:
            self.notify(
                "This checkpoint has no tokenizer: it generates token ids, and reads no documents.", severity="warning"
            )
        for note in message.checkpoint.notes:
            self.notify(note)
        self.refresh_view()

    def on_load_failed(self, message: messages.LoadFailed) -> None:
        if message.load_id != self.load_id:
            return
        self.load_status = "no checkpoint"
        self.notify_error(message.error)
        self.refresh_header()

    def action_heat(self) -> None:
        self.app.apply_settings(self.settings.model_copy(update={"heat": not self.settings.heat}))  # type: ignore[attr-defined]

    def action_settings(self) -> None:
        from sedd_cli.tui.screens.settings import SettingsScreen

        def on_result(settings: Settings | None) -> None:
            if settings is not None:
                self.app.apply_settings(settings)  # type: ignore[attr-defined]

        self.app.push_screen(SettingsScreen(self.settings), on_result)

    def use_settings(self, settings: Settings) -> None:
        """Apply settings; the run in progress keeps its own."""
        before, self.settings = self.settings, settings
        if (settings.seed, settings.lock_seed) != (before.seed, before.lock_seed):
            self.seed = settings.seed
        if (settings.model, settings.device) != (before.model, before.device):
            self.stop_run()
            self.load()
        self.refresh_view()

    def action_help(self) -> None:
        from sedd_cli.tui.screens.help import HelpScreen

        sections = [
            (title, [(self._keys(c.id, c.keys), c.description) for c in commands])
            for title, commands in COMMANDS.items()
        ]
        moving = [
            ("← → ↑ ↓", "Move; with ctrl by words, with shift select"),
            ("mouse", "Click, drag to select, double click a word; drag the timeline"),
            ("esc", "Leave edit mode; drop the selection"),
        ]
        self.app.push_screen(HelpScreen([("Cursor", moving), *sections, GLOSSARY], _legend(self.settings.heat)))

    def system_commands(self) -> Iterable[SystemCommand]:
        for commands in COMMANDS.values():
            for c in commands:
                if c.action != "app.command_palette":
                    yield SystemCommand(c.description, f"{self._keys(c.id, c.keys)}", self._runner(c.action))
        for name, field in Settings.model_fields.items():
            yield SystemCommand(f"Setting: {name.replace('_', ' ')}", field.description or "", self.action_settings)

    def discard_recovery(self) -> None:
        self._autosaved = None
        self.reporting_errors(self.store.discard)

    def _runner(self, action: str) -> Any:
        async def run() -> None:
            await self.run_action(action)

        return run

    def _keys(self, id: str, keys: str) -> str:
        return key_name(self.settings.keys.get(id, keys))

    def _check_file(self) -> None:
        """Autosave, and warn if the file on disk is no longer the one that was read."""
        self._autosave()
        document = self.session.document
        if document.path is not None and document is not self._warned_about and changed_on_disk(document):
            self._warned_about = document
            what = "was changed on disk" if document.path.exists() else "was deleted"
            self.notify(f"{document.path.name} {what}. Saving will ask.", severity="warning")

    def _autosave(self) -> None:
        scene = self.scene
        # Branches grow within a scene, also while an earlier moment is shown.
        size = sum(len(branch.moments) for branch in scene.branches)
        if self._autosaved is not None and self._autosaved[0] is scene and self._autosaved[1] == size:
            return
        self._autosaved = scene, size
        try:
            if self.session.unsaved or scene.draft.marks:
                self.store.autosave(self._recovery_of(self.session.unsaved_scene.flattened.draft))
            else:
                self.store.discard()
            self._autosave_failed = False
        except SeddError as error:
            if not self._autosave_failed:
                self.notify_error(error)
            self._autosave_failed = True

    def save_recovery(self) -> bool:
        """Save unsaved work for the next session. Returns False if there is none."""
        try:
            if not (self.session.unsaved or self.scene.draft.marks):
                return False
            record = self._recovery_of(self.session.unsaved_scene.flattened.draft)
        except Exception:
            # An internal error may have damaged the branches: the draft is the user's own.
            record = self._recovery_of(self.scene.draft)
        with suppress(SeddError):
            self.store.autosave(record)
            return True
        return False

    def _recovery_of(self, draft: Draft) -> Recovery:
        gaps = [
            {"start": m.start, "end": m.end, "original": m.original, "tokens": m.tokens, "masked": m.masked}
            for m in draft.marks
        ]
        return Recovery.of(replace(self.session.document, path=self.session.path), draft.text, gaps)

    def _on_hangup(self) -> None:
        """Handle SIGHUP and SIGTERM: save unsaved work and exit."""
        saved = self.save_recovery()
        self.app.exit(return_code=1, message="sedd: unsaved work is offered at the next start" if saved else None)

    def _offer_recovery(self) -> None:
        recoveries = self.store.find(self.session.path)
        if not recoveries:
            return
        newest = recoveries[0]

        def on_result(choice: str | None) -> None:
            if choice == "recover":
                self.session.apply(Scene(_recovered(newest)))
                self.refresh_view()
                # Saved by this session before the other session's copy is removed.
                self._autosave()
                self.reporting_errors(lambda: self.store.remove(newest))
            elif choice == "discard":
                self.reporting_errors(lambda: self.store.remove(newest))

        when = time.strftime("%Y-%m-%d %H:%M", newest.time.astimezone().timetuple())
        changed = "" if newest.is_based_on(self.session.document) else " The file was changed since."
        choices = [("r", "Recover", "recover"), ("d", "Discard", "discard"), ("l", "Later", "later")]
        name = self.session.path.name if self.session.path else "a text without a file"
        self.app.push_screen(
            ConfirmDialog("Unsaved work was found", f"Of {name}, from {when}.{changed}", choices), on_result
        )


def _recovered(recovery: Recovery) -> Draft:
    """The draft of a recovery; marks that do not fit its text are dropped."""
    marks = []
    for gap in recovery.gaps:
        tokens = gap.get("tokens")
        mark = Mark(
            int(gap["start"]),
            int(gap["end"]),
            str(gap["original"]),
            tuple(tokens) if isinstance(tokens, list) else tokens,
            bool(gap["masked"]),
        )
        if 0 <= mark.start <= mark.end <= len(recovery.text):
            marks.append(mark)
    return Draft(recovery.text, merge_adjacent(marks))


def _legend(heat: bool) -> Text:
    text = Text()
    for sign, style, meaning in (
        (MASK.strip(), "", "MASK: not written yet"),
        ("reversed", "reverse", "written in this step"),
        ("bold", "bold", "yours: kept as it is"),
        ("underlined", "underline", "new in a document, until you accept or reject it; on a canvas, locked"),
        (END_OF_TEXT_SIGN, "", "the end of the text; what follows is another one"),
        (PARTIAL_CHARACTER_SIGN, "", "part of a character of which the rest is missing"),
    ):
        text.append(f"{sign:<11}", style=style)
        text.append(f" {meaning}\n")
    colours = (
        "The colour behind a token: how sure the network was of it, each of 8 steps half as sure as the one before."
    )
    text.append(colours if heat else "h shows how sure the network was of each token.")
    return text
