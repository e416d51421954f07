"""The editing session: the current scene, undo history, file, settings and checkpoint."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft, Mark
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.settings import Settings

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch, Moment
    from sedd_cli.models.checkpoint import Checkpoint

UNDO_LIMIT = 500
"""Maximum number of changes that can be undone."""


class EditingSession:
    """State that is independent of the screen. Changes of the document or its branches can be undone."""

    def __init__(self, document: Document, settings: Settings) -> None:
        self.settings = settings
        self.checkpoint: Checkpoint | None = None
        """The network that writes next; None while it is loaded."""
        self.open(document)

    def open(self, document: Document) -> None:
        """Begin with a document, in the place of an earlier one and its history."""
        self.document = document
        self.scene = Scene(Draft(document.text))
        self.saved = document.text
        """The text of the file."""
        self.new_path: Path | None = None
        """The path given for a text that has no file yet."""
        self.backed_up = False
        """Whether a backup of the file's earlier content exists."""
        self._saved_moments: dict[int, Moment] = {}
        """Moments that count as saved, by identity."""
        self._undo: list[Scene] = []
        self._redo: list[Scene] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing yet: no text, no gap, no run and no ending."""
        scene = self.scene
        return not (scene.draft.text or scene.draft.marks or scene.branches or scene.ending)

    @property
    def path(self) -> Path | None:
        """Where the text is saved: its file, or the one that it is to have."""
        return self.document.path or self.new_path

    def apply(self, scene: Scene) -> bool:
        """Replace the current scene. Returns False if it is the same."""
        if scene is self.scene:
            return False
        self._undo = [*self._undo[-UNDO_LIMIT:], self.scene]
        self._redo.clear()
        self.scene = scene
        return True

    def amend(self, scene: Scene) -> None:
        """Replace the current scene as part of the last change: one undo reverts all of it."""
        self.scene = scene

    def undo(self) -> bool:
        if not self._undo:
            return False
        self._redo.append(self.scene)
        self.scene = self._undo.pop()
        return True

    def redo(self) -> bool:
        if not self._redo:
            return False
        self._undo.append(self.scene)
        self.scene = self._redo.pop()
        return True

    def seek(self, at: int) -> None:
        """Show another moment of the branch. No change to be undone."""
        if self.scene.branch is not None:
            self.scene = replace(self.scene, at=max(0, min(at, self.scene.branch.last)))

    def show(self, branch: "Branch", at: int) -> None:
        """Show a moment of a branch. No change to be undone."""
        self.scene = replace(self.scene, current=self.scene.branches.index(branch), at=at)

    def switch_branch(self, number: int) -> None:
        """Show another branch at its last moment. No change to be undone."""
        if self.scene.branches:
            number %= len(self.scene.branches)
            self.scene = replace(self.scene, current=number, at=self.scene.branches[number].last)

    def rank(self, best_first: Sequence["Branch"], show_best: bool) -> None:
        """Order branches, the others behind them; show the best, or keep what is shown. No change to be undone."""
        scene, shown = self.scene, best_first[0] if show_best else self.scene.branch
        branches = (*best_first, *(branch for branch in scene.branches if branch not in best_first))
        if shown is not None:
            at = shown.last if show_best else scene.at
            self.scene = replace(scene, branches=branches, current=branches.index(shown), at=at)

    def add_run(self, scene: Scene, branches: tuple["Branch", ...]) -> None:
        """Show the branches of a run that was started from a scene."""
        self.apply(replace(scene, branches=branches, current=0, at=0, verdicts={}))

    def mark_saved(self, document: Document) -> None:
        """Record that the scene was saved.

        No moment that exists counts as unsaved, also on the scenes that undo and redo bring back; but edits do unless
        they led to the text that was saved.
        """
        self.document, self.saved, self.backed_up = document, document.text, True
        scenes = [*self._undo, self.scene, *self._redo]
        branches = {branch for scene in scenes for branch in scene.branches}
        saved = [moment for branch in branches for moment in branch.moments if not moment.edit]
        for scene in scenes:
            shown = scene.branch.moments[: scene.at + 1] if scene.branch is not None else []
            if any(moment.edit for moment in shown) and scene.text == self.saved:
                saved += shown
        self._saved_moments = {id(moment): moment for moment in saved}

    @property
    def unsaved(self) -> bool:
        """Whether work would be lost, on screen or on another branch or moment.

        A canvas that is neither full nor edited can be generated again from its seed.
        """
        scene = self.scene
        if any(self._unsaved_moments(branch) or self._has_unsaved_canvas(branch) for branch in scene.branches):
            return True
        if self.document.path is None and scene.run is not None:
            return bool(scene.draft.text or scene.ending)
        return scene.text != self.saved

    @property
    def unwritten(self) -> tuple[Mark, ...]:
        """Masked marks of the text that no branch has written."""
        scene = self.scene
        if scene.run is not None or any(branch.finished for branch in scene.branches):
            return ()
        last = scene if scene.branch is None else replace(scene, at=scene.branch.last)
        return last.flattened.draft.masked

    @property
    def unsaved_scene(self) -> Scene:
        """The scene with unsaved work: the current one, unless all unsaved work is elsewhere on the branches."""
        scene = self.scene
        unsaved = [self._unsaved_moments(branch) for branch in scene.branches]
        if not any(unsaved):
            # Edits come before text that a seed can generate again.
            unsaved = [[branch.last] if self._has_unsaved_canvas(branch) else [] for branch in scene.branches]
        if scene.branch is None or not any(unsaved) or any(at <= scene.at for at in unsaved[scene.current]):
            return scene
        number = scene.current if unsaved[scene.current] else max(i for i, moments in enumerate(unsaved) if moments)
        return replace(scene, current=number, at=scene.branches[number].last)

    def _unsaved_moments(self, branch: "Branch") -> list[int]:
        """Unsaved edits, and in a document the last moment if all gaps are written."""
        last = branch.last if self.scene.infilling is not None and not branch.moments[branch.last].masked else -1
        return [i for i, m in enumerate(branch.moments) if (m.edit or i == last) and id(m) not in self._saved_moments]

    def _has_unsaved_canvas(self, branch: "Branch") -> bool:
        """Whether a branch ends with a full canvas that is not saved."""
        run = self.scene.run
        # Without a tokenizer there is no text to save.
        readable = run is not None and run.checkpoint.tokenizer is not None
        return readable and branch.finished and id(branch.tip) not in self._saved_moments
