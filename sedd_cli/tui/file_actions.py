"""Commands on files: open, save, compare, export, copy, leave."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rich.text import Text

from sedd_cli.atomic import write_file
from sedd_cli.models.names import expand_path
from sedd_cli.text.document import Document, read_file
from sedd_cli.text.in_place import changed_on_disk, overwrite_with_backup, save, save_with_backup, write_new
from sedd_cli.tui.autosave import Autosave
from sedd_cli.tui.checkpoint_control import CheckpointControl
from sedd_cli.tui.interface import Canvas, Interface, reporting_errors
from sedd_cli.tui.recent import RecentFiles, typed_names
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.screens.open_dialog import OpenDialog
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.style import END_OF_TEXT_SIGN, unwritten_note

Callback = Callable[[], object]


class FileActions:
    """The current text is what is saved; gaps that are not full keep their original text."""

    def __init__(
        self,
        session: EditingSession,
        runs: RunControl,
        checkpoints: CheckpointControl,
        autosave: Autosave,
        recent: RecentFiles,
        ui: Interface,
    ) -> None:
        self._session, self._runs, self._checkpoints = session, runs, checkpoints
        self._autosave, self._recent, self._ui = autosave, recent, ui
        self._asking = False
        """Whether the question of what would be lost is on screen."""

    @property
    def _scene(self) -> Scene:
        return self._session.scene

    def save(self, on_saved: Callback = lambda: None) -> None:
        """Save, asking where and whether if need be; `on_saved` is done only once it is saved."""
        document = self._session.document
        if document.path is None and self._session.new_path is not None:
            self._save_at(self._session.new_path, on_saved)
        elif document.path is None:
            self.save_as(on_saved)
        elif self._scene.text == self._session.saved and not changed_on_disk(document):
            self._ui.notify("There is nothing to save: the file has the same text.")
            on_saved()
        elif changed_on_disk(document):
            self._confirm_overwrite(
                document.path, f"{document.path.name} was changed on disk since it was read", on_saved
            )
        else:
            self._save_then(self._save_to_own_file, on_saved)

    def save_as(self, on_saved: Callback = lambda: None) -> None:
        self._ask_for_path(
            "Save as",
            str(self._session.path or "text.txt"),
            "The name of a file; ~ is your home. ↵ saves · esc",
            lambda path: self._save_then(lambda: self._save_new(path), on_saved),
            lambda path: self._confirm_overwrite(path, f"There is a file {path.name} already", on_saved),
        )

    def _save_at(self, path: Path, on_saved: Callback) -> None:
        """Save in another file than the document's, or in its first."""
        if os.path.exists(path):  # noqa: PTH110 - never raises
            self._confirm_overwrite(path, f"There is a file {path.name} already", on_saved)
        else:
            self._save_then(lambda: self._save_new(path), on_saved)

    def show_changes(self) -> None:
        from sedd_cli.render.diff import changes_between, diff_parts
        from sedd_cli.tui.screens.diff import DiffScreen

        before, after = self._session.saved, self._scene.text
        name = self._session.path.name if self._session.path else "untitled"
        self._ui.ask(DiffScreen(diff_parts(before, after, changes_between(before, after), name)))

    def copy(self) -> None:
        selected = selected_text(self._ui.canvas)
        self._ui.copy(selected or self._scene.text)
        self._ui.notify("Copied the selection." if selected else f"Copied the text{self._up_to_end}.")

    def export(self) -> None:
        # Imported late: they would delay the first paint.
        from sedd_cli.generation.recording import parse
        from sedd_cli.render.export import export
        from sedd_cli.render.picture import without_fonts

        branch = self._scene.branch
        options = [Text("Picture of the screen (SVG)")]
        if branch is not None:
            options += [
                Text("Page to play it in a browser (HTML)"),
                Text("Recording for asciinema (cast)"),
                Text("Trace: every step and edit (JSON lines), for sedd replay and sedd export"),
            ]

        def on_choice(number: int | None) -> None:
            if number == 0:
                # The picture shows the screen below the dialog.
                picture = without_fonts(self._ui.screenshot())
                self._export("sedd.svg", lambda path: write_file(path, picture.encode()))
            elif branch is not None and number == 3:
                self._export("sedd.jsonl", branch.write_trace)
            elif branch is not None and number is not None:
                kind: Literal["html", "cast"] = "html" if number == 1 else "cast"
                self._export(
                    f"sedd.{kind}",
                    lambda path: write_file(path, export(parse(branch.trace()).sample(branch.number), kind)),
                )

        self._ui.ask(ChoiceDialog("Export", options), on_choice)

    def open(self) -> None:
        """Ask for a document, and open it in the place of this one."""

        def on_result(name: str | None) -> None:
            if name is not None:
                self.open_file(expand_path(name))

        self._ui.ask(OpenDialog(typed_names(self._recent.paths())), on_result)

    def open_file(self, path: Path) -> None:
        """Open a document, asking first if work would be lost."""

        def replace_document() -> None:
            # Read anew: what was unsaved may have been saved in this very file.
            document = read_file(path)
            self._runs.stop()
            self._autosave.discard()
            self._session.open(document)
            self._recent.add(path)
            self._ui.document_opened()

        if reporting_errors(self._ui, lambda: read_file(path)):
            self._ask_then(f"Open {path.name}?", "Open", lambda: reporting_errors(self._ui, replace_document))

    def leave(self) -> None:
        self._ask_then("Quit?", "Quit", self._exit, self._checkpoints.download_note)

    def _ask_then(self, question: str, verb: str, go_on: Callback, also_lost: str = "") -> None:
        """Go on, asking first if unsaved work, masks that are not written or `also_lost` (a sentence) would be lost."""
        if self._asking:
            return
        unsaved, unwritten = self._session.unsaved, unwritten_note(self._session.unwritten)
        lost = [note for note in (self._unsaved_note if unsaved else "", unwritten, also_lost) if note]
        if not lost:
            go_on()
            return
        self._asking = True
        go_back = self._remember_place()
        if (scene := self._session.unsaved_scene) is not self._scene:
            # The unsaved scene is shown, and is the one that would be saved. A run goes on behind it.
            self._runs.playing = False
            self._session.amend(scene)
            self._ui.state_changed()

        def on_result(choice: str | None) -> None:
            self._asking = False
            if choice == "save":
                self._runs.stop()
                self.save(go_on)
            elif choice == "discard":
                go_on()
            else:
                go_back()

        choices = [("s", "Save", "save"), ("d", "Discard", "discard"), ("c", "Cancel", "cancel")]
        if not unsaved:
            # Enter loses nothing.
            choices = [("c", "Cancel", "cancel"), (verb[0].lower(), verb, "discard")]
        self._ui.ask(ConfirmDialog(question, " ".join(lost), choices), on_result)

    @property
    def _unsaved_note(self) -> str:
        name = self._session.path.name if self._session.path else "This text"
        return f"{name} has changes that are not saved." if self._session.document.path else f"{name} is not saved."

    def _remember_place(self) -> Callback:
        """Returns what shows this branch and moment again, with the cursor, the selection and the rows as they are."""
        scene, playing, place = self._scene, self._runs.playing, self._ui.canvas.remember_place()

        def go_back() -> None:
            if scene.branch is not None and scene.branch in self._scene.branches:
                self._session.show(scene.branch, scene.at)
            self._runs.playing = playing
            self._ui.state_changed()
            place()

        return go_back

    def _exit(self) -> None:
        self._autosave.discard()
        self._ui.leave()

    def _export(self, name: str, write: Callable[[Path], None]) -> None:
        def write_and_notify(path: Path) -> None:
            if reporting_errors(self._ui, lambda: write(path)):
                self._ui.notify(f"{path} written.")

        def confirm(path: Path) -> None:
            choices = [("o", "Overwrite", "over"), ("c", "Cancel", "cancel")]
            self._ui.ask(
                ConfirmDialog("Overwrite?", f"There is a file {path.name} already.", choices),
                lambda choice: write_and_notify(path) if choice == "over" else None,
            )

        self._ask_for_path("Export to", name, "↵ writes it · esc", write_and_notify, confirm)

    def _ask_for_path(
        self, title: str, value: str, hint: str, if_new: Callable[[Path], None], if_exists: Callable[[Path], None]
    ) -> None:
        def on_result(name: str | None) -> None:
            if name is not None:
                path = expand_path(name)
                (if_exists if os.path.exists(path) else if_new)(path)  # noqa: PTH110 - never raises

        self._ui.ask(InputDialog(title, value, hint, lambda name: None if name.strip() else "a name"), on_result)

    def _confirm_overwrite(self, path: Path, why: str, on_saved: Callback) -> None:
        """Ask before a file with other content is replaced. A backup of it is made in any case."""

        def on_result(choice: str | None) -> None:
            if choice == "over":
                self._save_then(lambda: self._overwrite(path), on_saved)
            elif choice == "as":
                self.save_as(on_saved)

        if not path.exists():
            choices = [("w", "Write it again", "again"), ("a", "Save as", "as"), ("c", "Cancel", "cancel")]
            self._ui.ask(
                ConfirmDialog("Save?", f"{path.name} no longer exists.", choices),
                lambda choice: (
                    self._save_then(lambda: self._save_new(path), on_saved) if choice == "again" else on_result(choice)
                ),
            )
            return
        choices = [("o", "Overwrite, keeping a backup", "over"), ("a", "Save as", "as"), ("c", "Cancel", "cancel")]
        self._ui.ask(ConfirmDialog("Save?", f"{why}.", choices), on_result)

    def _save_then(self, work: Callback, on_saved: Callback) -> None:
        if reporting_errors(self._ui, work):
            on_saved()

    def _save_to_own_file(self) -> None:
        session = self._session
        if session.backed_up:
            self._mark_saved(save(session.document, self._scene.text))
            self._ui.notify("Saved.")
        else:
            document, backup = save_with_backup(session.document, self._scene.text)
            self._mark_saved(document)
            self._ui.notify(f"Saved; the earlier version is in {backup.name}.")

    def _save_new(self, path: Path) -> None:
        self._mark_saved(write_new(path, self._scene.text))
        self._ui.notify(f"Saved as {path}{self._up_to_end}.")

    @property
    def _up_to_end(self) -> str:
        """What to say of a text that ends before its canvas does."""
        return f" up to {END_OF_TEXT_SIGN}" if self._scene.ends_early else ""

    def _overwrite(self, path: Path) -> None:
        document, backup = overwrite_with_backup(path, self._scene.text)
        self._mark_saved(document)
        self._ui.notify(f"Saved; the earlier version is in {backup.name}.")

    def _mark_saved(self, document: Document) -> None:
        self._session.mark_saved(document)
        self._autosave.discard()
        if document.path is not None:
            self._recent.add(document.path)
        self._ui.state_changed()
        moment = self._scene.moment
        if self._scene.run is not None and moment is not None and moment.masked:
            self._ui.notify("Not all is written: where N tokens are missing, the file has [[N]].", severity="warning")


def selected_text(canvas: Canvas) -> str:
    """The selected text as it is shown; "" if nothing is selected."""
    if canvas.selection is None:
        return ""
    return canvas.page.text_between(*canvas.selection)
