"""The session: the scene on screen, what came before it, and the file it belongs to."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft
from sedd_cli.tui.scene import Scene

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch

MOST = 500
"""Undo reaches back so many changes."""


class Session:
    """State of the interface that outlives a screen. What changes the document or its branches can be undone."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.scene = Scene(Draft(document.text))
        self.saved = document.text
        """What is in the file."""
        self.suggested: Path | None = None
        """The name under which a text that has no file yet was asked for."""
        self.backed_up = False
        """Whether what the file held before this session is kept beside it."""
        self._undo: list[Scene] = []
        self._redo: list[Scene] = []

    def do(self, scene: Scene) -> bool:
        """Put a scene in place of the one on screen. False if it is the same."""
        if scene is self.scene:
            return False
        self._undo = [*self._undo[-MOST:], self.scene]
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

    def switch(self, number: int) -> None:
        """Show another branch at its last moment; nothing is changed by it."""
        if self.scene.branches:
            number %= len(self.scene.branches)
            self.scene = replace(self.scene, current=number, at=self.scene.branches[number].last)

    def begin(self, scene: Scene, branches: tuple["Branch", ...]) -> None:
        """Put branches that were begun for a scene on screen."""
        self.do(replace(scene, branches=branches, current=0, at=0, verdicts={}))

    @property
    def unsaved(self) -> bool:
        """Whether there is work that would be lost. A canvas that no hand has touched can be had again by its seed."""
        scene = self.scene
        if self.document.path is None and scene.branch is not None and scene.run is not None:
            return bool(scene.draft.text) or any(moment.edit for moment in scene.branch.moments)
        return scene.text != self.saved
