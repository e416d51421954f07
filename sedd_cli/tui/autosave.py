"""Unsaved work: saved for the next session while one works, and offered at the start."""

import time
from contextlib import suppress
from dataclasses import replace

from sedd_cli.errors import SeddError
from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft, Mark, merge_adjacent
from sedd_cli.text.in_place import changed_on_disk
from sedd_cli.tui.interface import Interface, reporting_errors
from sedd_cli.tui.recovery import Recovery, RecoveryStore
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.confirm_dialog import ConfirmDialog
from sedd_cli.tui.session import EditingSession


class Autosave:
    """Keeps a session's recovery files, and watches its file on disk."""

    def __init__(self, session: EditingSession, store: RecoveryStore, ui: Interface) -> None:
        self._session, self._store, self._ui = session, store, ui
        self._saved: tuple[Scene, int] | None = None
        """The scene of the last autosave, and its number of moments."""
        self._failed = False
        self._warned_about: Document | None = None

    def check(self) -> None:
        """Save unsaved work, and warn if the file on disk is no longer the one that was read."""
        self._save()
        document = self._session.document
        if document.path is not None and document is not self._warned_about and changed_on_disk(document):
            self._warned_about = document
            what = "was changed on disk" if document.path.exists() else "was deleted"
            self._ui.notify(f"{document.path.name} {what}. Saving will ask.", severity="warning")

    def discard(self) -> None:
        """Delete this session's recovery files."""
        self._saved = None
        reporting_errors(self._ui, self._store.discard)

    def save_for_next(self) -> bool:
        """Save unsaved work for the next session. Returns False if there is none."""
        session = self._session
        try:
            if not (session.unsaved or session.scene.draft.marks):
                return False
            record = self._recovery_of(session.unsaved_scene.as_document)
        except Exception:
            # An internal error may have damaged the branches: the draft is the user's own.
            record = self._recovery_of(session.scene.draft)
        with suppress(SeddError):
            self._store.autosave(record)
            return True
        return False

    def offer(self) -> None:
        """Ask what to do with the latest unsaved work of another session."""
        recoveries = self._store.find(self._session.path)
        if not recoveries:
            return
        newest = recoveries[0]

        def on_result(choice: str | None) -> None:
            if choice == "recover":
                self._session.apply(Scene(recovered(newest)))
                self._ui.state_changed()
                # Saved by this session before the other session's copy is removed.
                self._save()
            if choice in ("recover", "discard"):
                reporting_errors(self._ui, lambda: self._store.remove(newest))

        when = time.strftime("%Y-%m-%d %H:%M", newest.time.astimezone().timetuple())
        changed = "" if newest.is_based_on(self._session.document) else " The file was changed since."
        choices = [("r", "Recover", "recover"), ("d", "Discard", "discard"), ("l", "Later", "later")]
        name = self._session.path.name if self._session.path else "a text without a file"
        question = ConfirmDialog("Unsaved work was found", f"Of {name}, from {when}.{changed}", choices)
        self._ui.ask(question, on_result)

    def _save(self) -> None:
        session, scene = self._session, self._session.scene
        # Branches grow within a scene, also while an earlier moment is shown.
        size = sum(len(branch.moments) for branch in scene.branches)
        if self._saved is not None and self._saved[0] is scene and self._saved[1] == size:
            return
        self._saved = scene, size
        try:
            if session.unsaved or scene.draft.marks:
                self._store.autosave(self._recovery_of(session.unsaved_scene.as_document))
            else:
                self._store.discard()
            self._failed = False
        except SeddError as error:
            if not self._failed:
                self._ui.notify_error(error)
            self._failed = True

    def _recovery_of(self, draft: Draft) -> Recovery:
        gaps = [
            {"start": m.start, "end": m.end, "original": m.original, "tokens": m.tokens, "masked": m.masked}
            for m in draft.marks
        ]
        return Recovery.of(replace(self._session.document, path=self._session.path), draft.text, gaps)


def recovered(recovery: Recovery) -> Draft:
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
