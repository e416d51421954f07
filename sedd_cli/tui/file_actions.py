"""Commands on files: save, compare, export, copy, leave."""

import os
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from sedd_cli.atomic import write_file
from sedd_cli.generation.recording import parse
from sedd_cli.models.names import expand_path
from sedd_cli.render.diff import changes_between, diff_parts
from sedd_cli.render.export import ExportFormat, export
from sedd_cli.render.picture import without_fonts
from sedd_cli.text.document import Document
from sedd_cli.text.in_place import changed_on_disk, overwrite_with_backup, save, save_with_backup, write_new
from sedd_cli.tui.document_actions import DocumentActions
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.screens.input_dialog import InputDialog

Callback = Callable[[], None]


class FileActions(DocumentActions):
    """The current text is what is saved; gaps that are not full keep their original text."""

    def action_save(self) -> None:
        self.save(lambda: None)

    def action_save_as(self) -> None:
        self.save_as(lambda: None)

    def save(self, on_saved: Callback) -> None:
        """Save, asking where and whether if need be; `on_saved` is done only once it is saved."""
        document = self.session.document
        if document.path is None and self.session.new_path is not None:
            self._save_at(self.session.new_path, on_saved)
        elif document.path is None:
            self.save_as(on_saved)
        elif self.scene.text == self.session.saved and not changed_on_disk(document):
            self.notify("There is nothing to save: the file has the same text.")
            on_saved()
        elif changed_on_disk(document):
            self._confirm_overwrite(
                document.path, f"{document.path.name} was changed on disk since it was read", on_saved
            )
        else:
            self._save_then(self._save_to_own_file, on_saved)

    def save_as(self, on_saved: Callback) -> None:
        self._ask_for_path(
            "Save as",
            str(self.session.path or "text.txt"),
            "The name of a file; ~ is your home.",
            lambda path: self._save_then(lambda: self._save_new(path), on_saved),
            lambda path: self._confirm_overwrite(path, f"There is a file {path.name} already", on_saved),
        )

    def _save_at(self, path: Path, on_saved: Callback) -> None:
        """Save in another file than the document's, or in its first."""
        if os.path.exists(path):  # noqa: PTH110 - never raises
            self._confirm_overwrite(path, f"There is a file {path.name} already", on_saved)
        else:
            self._save_then(lambda: self._save_new(path), on_saved)

    def action_diff(self) -> None:
        from sedd_cli.tui.screens.diff import DiffScreen

        before, after = self.session.saved, self.scene.text
        name = self.session.path.name if self.session.path else "untitled"
        self.app.push_screen(DiffScreen(diff_parts(before, after, changes_between(before, after), name)))

    def action_copy(self) -> None:
        selected = self._selected()
        self.app.copy_to_clipboard(selected or self.scene.text)
        self.notify("Copied the selection." if selected else "Copied the text.")

    def action_export(self) -> None:
        branch = self.scene.branch
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
                picture = without_fonts(self.app.export_screenshot(title="sedd tui"))
                self._export("sedd.svg", lambda path: write_file(path, picture.encode()))
            elif branch is not None and number == 3:
                self._export("sedd.jsonl", branch.write_trace)
            elif branch is not None and number is not None:
                kind: ExportFormat = "html" if number == 1 else "cast"
                self._export(
                    f"sedd.{kind}",
                    lambda path: write_file(path, export(parse(branch.trace()).sample(branch.number), kind)),
                )

        self.app.push_screen(ChoiceDialog("Export", options), on_choice)

    def action_leave(self) -> None:
        if not self.session.unsaved:
            self._exit()
            return
        go_back = self._remember_place()
        if (scene := self.session.unsaved_scene) is not self.scene:
            # The unsaved scene is shown, and is the one that would be saved. A run goes on behind it.
            self.playing = False
            self.session.amend(scene)
            self.refresh_view()

        def on_result(choice: str | None) -> None:
            if choice == "save":
                self.stop_run()
                self.save(self._exit)
            elif choice == "discard":
                self._exit()
            else:
                go_back()

        path = self.session.document.path
        name = self.session.path.name if self.session.path else "This text"
        why = f"{name} has changes that are not saved." if path else f"{name} is not saved."
        choices = [("s", "Save", "save"), ("d", "Discard", "discard"), ("c", "Cancel", "cancel")]
        self.app.push_screen(ConfirmDialog("Quit?", why, choices), on_result)

    def _remember_place(self) -> Callback:
        """Returns what shows this branch and moment again, with the cursor, the selection and the rows as they are."""
        scene, playing, canvas = self.scene, self.playing, self.canvas
        cursor, anchor, top = canvas.cursor, canvas.selection_anchor, canvas.scroll_offset.y

        def go_back() -> None:
            if scene.branch is not None and scene.branch in self.scene.branches:
                self.session.show(scene.branch, scene.at)
            self.playing = playing
            self.refresh_view()
            canvas.move_cursor(cursor, anchor)
            canvas.scroll_to(y=top, animate=False, immediate=True)

        return go_back

    def _exit(self) -> None:
        self.discard_recovery()
        self.app.exit()

    def _export(self, name: str, write: Callable[[Path], None]) -> None:
        def write_and_notify(path: Path) -> None:
            if self.reporting_errors(lambda: write(path)):
                self.notify(f"{path} written.")

        def confirm(path: Path) -> None:
            choices = [("o", "Overwrite", "over"), ("c", "Cancel", "cancel")]
            self.app.push_screen(
                ConfirmDialog("Overwrite?", f"There is a file {path.name} already.", choices),
                lambda choice: write_and_notify(path) if choice == "over" else None,
            )

        self._ask_for_path("Export to", name, "", write_and_notify, confirm)

    def _ask_for_path(
        self, title: str, value: str, hint: str, if_new: Callable[[Path], None], if_exists: Callable[[Path], None]
    ) -> None:
        def on_result(name: str | None) -> None:
            if name is not None:
                path = expand_path(name)
                (if_exists if os.path.exists(path) else if_new)(path)  # noqa: PTH110 - never raises

        self.app.push_screen(
            InputDialog(title, value, hint, lambda name: None if name.strip() else "a name"), on_result
        )

    def _confirm_overwrite(self, path: Path, why: str, on_saved: Callback) -> None:
        """Ask before a file with other content is replaced. A backup of it is made in any case."""

        def on_result(choice: str | None) -> None:
            if choice == "over":
                self._save_then(lambda: self._overwrite(path), on_saved)
            elif choice == "as":
                self.save_as(on_saved)

        if not path.exists():
            choices = [("w", "Write it again", "again"), ("a", "Save as", "as"), ("c", "Cancel", "cancel")]
            self.app.push_screen(
                ConfirmDialog("Save?", f"{path.name} no longer exists.", choices),
                lambda choice: (
                    self._save_then(lambda: self._save_new(path), on_saved) if choice == "again" else on_result(choice)
                ),
            )
            return
        choices = [("o", "Overwrite, keeping a backup", "over"), ("a", "Save as", "as"), ("c", "Cancel", "cancel")]
        self.app.push_screen(ConfirmDialog("Save?", f"{why}.", choices), on_result)

    def _save_then(self, work: Callback, on_saved: Callback) -> None:
        if self.reporting_errors(work):
            on_saved()

    def _save_to_own_file(self) -> None:
        session = self.session
        if session.backed_up:
            self._mark_saved(save(session.document, self.scene.text))
            self.notify("Saved.")
        else:
            document, backup = save_with_backup(session.document, self.scene.text)
            self._mark_saved(document)
            self.notify(f"Saved; the earlier version is in {backup.name}.")

    def _save_new(self, path: Path) -> None:
        self._mark_saved(write_new(path, self.scene.text))
        self.notify(f"Saved as {path}.")

    def _overwrite(self, path: Path) -> None:
        document, backup = overwrite_with_backup(path, self.scene.text)
        self._mark_saved(document)
        self.notify(f"Saved; the earlier version is in {backup.name}.")

    def _mark_saved(self, document: Document) -> None:
        self.session.mark_saved(document)
        self.discard_recovery()
        self.refresh_header()
        moment = self.scene.moment
        if self.scene.run is not None and moment is not None and moment.masked:
            self.notify("The canvas is not full: runs of MASK are saved as [[N]].", severity="warning")

    def discard_recovery(self) -> None:
        """Delete this session's recovery files."""

    def _selected(self) -> str:
        """The selected text as it is shown."""
        canvas = self.canvas
        if canvas.selection is None:
            return ""
        first, last = (canvas.page.locate(address)[0] for address in canvas.selection)
        parts = []
        for y in range(first, last + 1):
            low, high = canvas.page.cells(y, *canvas.selection)
            parts.append(canvas.page.text_of(y)[low:high])
        return "".join(parts)
