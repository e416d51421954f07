"""The session: the scene on screen, what came before it, and the file it belongs to."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft
from sedd_cli.tui.scene import Scene

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch, Moment

UNDO_LIMIT = 500
"""Undo reaches back so many changes."""


class EditingSession:
    """State of the interface that outlives a screen. What changes the document or its branches can be undone."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.scene = Scene(Draft(document.text))
        self.saved = document.text
        """What is in the file."""
        self.suggested_path: Path | None = None
        """The name under which a text that has no file yet was asked for."""
        self.backed_up = False
        """Whether what the file held before this session is kept beside it."""
        self._saved_moments: dict[int, Moment] = {}
        """Moments that were there when the text was saved, by identity."""
        self._undo: list[Scene] = []
        self._redo: list[Scene] = []

    def apply(self, scene: Scene) -> bool:
        """Put a scene in place of the one on screen. False if it is the same."""
        if scene is self.scene:
            return False
        self._undo = [*self._undo[-UNDO_LIMIT:], self.scene]
        self._redo.clear()
        self.scene = scene
        return True

    def amend(self, scene: Scene) -> None:
        """Go on with the change under way: one undo takes back all of it."""
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
        """Show another moment of the branch; nothing is changed by it."""
        if self.scene.branch is not None:
            self.scene = replace(self.scene, at=max(0, min(at, self.scene.branch.last)))

    def switch_branch(self, number: int) -> None:
        """Show another branch at its last moment; nothing is changed by it."""
        if self.scene.branches:
            number %= len(self.scene.branches)
            self.scene = replace(self.scene, current=number, at=self.scene.branches[number].last)

    def add_run(self, scene: Scene, branches: tuple["Branch", ...]) -> None:
        """Put branches that were begun for a scene on screen."""
        self.apply(replace(scene, branches=branches, current=0, at=0, verdicts={}))

    def mark_saved(self, document: Document) -> None:
        """What is on screen is in the file: of the branches that were there for it, nothing would be lost now."""
        self.document, self.saved, self.backed_up = document, document.text, True
        self._saved_moments = {id(moment): moment for branch in self.scene.branches for moment in branch.moments}

    @property
    def unsaved(self) -> bool:
        """Whether there is work that would be lost, on screen or on another branch or moment than that.

        A canvas that is not full and that no hand has touched can be had again by its seed.
        """
        scene = self.scene
        if any(self._unsaved_moments(branch) or self._has_unsaved_canvas(branch) for branch in scene.branches):
            return True
        if self.document.path is None and scene.run is not None:
            return bool(scene.draft.text)
        return scene.text != self.saved

    @property
    def unsaved_scene(self) -> Scene:
        """The scene that would be lost: the one on screen, unless all that would be is elsewhere on the branches."""
        scene = self.scene
        unsaved = [self._unsaved_moments(branch) for branch in scene.branches]
        if not any(unsaved):
            # What a hand made comes before what its seed would bring back.
            unsaved = [[branch.last] if self._has_unsaved_canvas(branch) else [] for branch in scene.branches]
        if scene.branch is None or not any(unsaved) or any(at <= scene.at for at in unsaved[scene.current]):
            return scene
        number = scene.current if unsaved[scene.current] else max(i for i, moments in enumerate(unsaved) if moments)
        return replace(scene, current=number, at=scene.branches[number].last)

    def _unsaved_moments(self, branch: "Branch") -> list[int]:
        """Moments that a hand made, and of a document the last if all is written; less those that were saved."""
        last = branch.last if self.scene.infilling is not None and not branch.moments[branch.last].masked else -1
        return [i for i, m in enumerate(branch.moments) if (m.edit or i == last) and id(m) not in self._saved_moments]

    def _has_unsaved_canvas(self, branch: "Branch") -> bool:
        """Whether a branch ends with a canvas of text that was not saved."""
        run = self.scene.run
        # Without a tokenizer there is no text that could be.
        readable = run is not None and run.checkpoint.tokenizer is not None
        return readable and branch.finished and id(branch.tip) not in self._saved_moments
