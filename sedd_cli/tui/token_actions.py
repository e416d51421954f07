"""Commands on tokens: inspect, choose, lock, remask. An edit at a moment forks the branch there."""

import time
from typing import TYPE_CHECKING

from sedd_cli.text.vocabulary import vocabulary_of
from sedd_cli.tui import messages, token_edits
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.page_layout import Address, Page
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.token_chooser import TokenChooser
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.widgets.inspector import InspectedToken, LatestToken

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch

LATEST_FOR = 0.3
"""Seconds for which the latest word of a run is shown at least: as fast as words come, nobody reads them."""


class TokenActions:
    """The token under the cursor, with its alternatives, and edits of tokens."""

    def __init__(self, session: EditingSession, engine: Engine, runs: RunControl, ui: Interface) -> None:
        self._session, self._engine, self._runs, self._ui = session, engine, runs, ui
        self._alternatives: Alternatives | None = None
        self._asked: tuple[Branch, int, token_edits.TokenPosition] | None = None
        """The branch, moment and position whose alternatives are known or asked for."""
        self._choosing = False
        """Whether the user waits for them to choose one."""
        self._latest: LatestToken | None = None
        self._latest_since = 0.0

    @property
    def _scene(self) -> Scene:
        return self._session.scene

    @property
    def _at_cursor(self) -> "tuple[Branch, int, token_edits.TokenPosition] | None":
        """The token under the cursor; None where there is text."""
        scene = self._scene
        position = token_edits.position_at(scene, self._ui.canvas.cursor)
        return None if position is None or scene.branch is None else (scene.branch, scene.at, position)

    @property
    def alternatives(self) -> "Alternatives | None":
        """Those of the token under the cursor; None while they are not known."""
        at = self._at_cursor
        return self._alternatives if at is not None and at == self._asked else None

    def follow(self) -> None:
        """Ask the engine for the alternatives of the token under the cursor; of a run being played, note the latest."""
        if self._runs.playing:
            now = time.monotonic()
            if now - self._latest_since >= LATEST_FOR and (latest := latest_token(self._scene)):
                self._latest, self._latest_since = latest, now
            return
        self._latest, self._latest_since = None, 0.0
        at = self._at_cursor
        if at != self._asked:
            self._choosing = False
            if at is not None:
                self._asked, self._alternatives = at, None
                self._engine.request_alternatives(*at)

    def on_alternatives_ready(self, message: messages.AlternativesReady) -> None:
        if self._asked == (message.branch, message.at, message.position):
            self._alternatives = message.alternatives
            self._ui.refresh_inspector()
            if self._choosing:
                self.choose()

    def inspected(self) -> InspectedToken | LatestToken | None:
        """The token under the cursor, or the latest of a run being played; None where there is text."""
        if self._latest is not None:
            return self._latest
        scene, at = self._scene, self._at_cursor
        if at is None or scene.moment is None:
            return None
        branch, _, (canvas, position) = at
        checkpoint, moment = branch.job.checkpoint, scene.moment
        token = int(moment.states[canvas].ids[position])
        revealed = int(moment.revealed[canvas][position])
        step = branch.moments[revealed].step if revealed >= 0 else None
        return InspectedToken(
            id=token,
            tokenizer=checkpoint.tokenizer,
            masked=token == checkpoint.mask_id,
            locked=token_edits.locked(scene, (canvas, position)),
            given=not bool(branch.moments[0].states[canvas].free[position]),
            step=None if revealed < 0 else step.step if step else 0,
            confidence=float(moment.confidence[canvas][position]),
            alternatives=self.alternatives,
        )

    def remask(self) -> None:
        if positions := self._selected():
            self._remask(positions, self._not_remasked)

    def remask_word(self) -> None:
        first, last = word_around(self._ui.canvas.page, self._ui.canvas.cursor)
        self._remask(token_edits.positions_between(self._scene, first, last), self._not_remasked)

    def remask_all(self) -> None:
        self._remask(token_edits.all_positions(self._scene), "Nothing here can be remasked.")

    def lock(self) -> None:
        """Lock or unlock the token or the selection."""
        if positions := self._selected():
            self._apply(token_edits.toggle_lock(self._scene, positions), "MASK cannot be locked.")

    def choose(self) -> None:
        """Choose what stands at the cursor: an alternative, any token, or a word of one's own."""
        if self._at_cursor is None:
            self._ui.notify("Move to a token first.")
            return
        if self._runs.playing:
            self._runs.stop()
            self._ui.state_changed()
        # Keys may be faster than the message that the cursor has moved.
        self.follow()
        scene, at, alternatives = self._scene, self._at_cursor, self.alternatives
        # A network call away: the list opens when they are there.
        self._choosing = alternatives is None
        if at is None or alternatives is None:
            return
        branch, _, position = at
        law = alternatives.law.tolist()
        vocabulary = vocabulary_of(branch.job.checkpoint.tokenizer, len(law))

        def on_choice(tokens: tuple[int, ...] | None) -> None:
            if tokens is not None:
                self._apply(token_edits.choose(scene, position, tokens), "")

        choices = token_edits.choices_at(scene, position, law, vocabulary)
        self._ui.ask(TokenChooser(self._ui.canvas.cursor_region(), choices), on_choice)

    @property
    def _not_remasked(self) -> str:
        return f"That is locked ({self._ui.key_of('token.lock')} unlocks it), or MASK already."

    def _remask(self, positions: list[token_edits.TokenPosition], if_unchanged: str) -> None:
        branch = self._scene.branch
        if branch is None:
            self._ui.notify(f"Nothing is written yet: {self._ui.key_of('run.go')} writes.")
        elif positions and branch.job.checkpoint.mask_id is None:
            lock, choose = self._ui.key_of("token.lock"), self._ui.key_of("token.alternatives")
            self._ui.notify(
                f"This checkpoint has no MASK, so no token can be remasked: {lock} locks, {choose} chooses."
            )
        else:
            self._apply(token_edits.remask(self._scene, positions), if_unchanged)

    def _apply(self, scene: Scene, if_unchanged: str) -> None:
        if scene is self._scene:
            self._ui.notify(if_unchanged)
            return
        self._runs.stop()
        self._session.apply(scene)
        self._ui.state_changed()

    def _selected(self) -> list[token_edits.TokenPosition]:
        """The tokens of the selection, or the one under the cursor."""
        canvas = self._ui.canvas
        first, last = canvas.selection or (canvas.cursor, canvas.cursor)
        positions = token_edits.positions_between(self._scene, first, last)
        if not positions:
            written = self._scene.branch is not None
            self._ui.notify(
                "There is no token: move to one that was written." if written else "Nothing is written yet."
            )
        return positions


def latest_token(scene: Scene) -> LatestToken | None:
    """The last token of the text that the step before this moment wrote; None if it wrote none that is there."""
    moment = scene.moment
    if scene.branch is None or moment is None or moment.step is None or not len(moment.step.changed):
        return None
    step = moment.step
    top = step.top
    return LatestToken(
        id=int(step.ids[step.changed[-1]]),
        tokenizer=scene.branch.job.checkpoint.tokenizer,
        step=step.step,
        confidence=float(step.probability[-1]),
        top=() if top is None else tuple(zip(top.token[-1].tolist(), top.probability[-1].tolist(), strict=True)),
        written=len(step.changed),
    )


def word_around(page: Page, address: Address) -> tuple[Address, Address]:
    """The tokens around one that make up a word: a word begins at a token that begins with a blank."""
    first = last = address

    def starts_word(at: Address) -> bool:
        y, _ = page.locate(at)
        low, high = page.cells(y, page.extent(at, at))
        return page.text_of(y)[low:high][:1].isspace()

    while not starts_word(first) and (before := page.move(first, -1)) != first and before[1] < 0:
        first = before
    while (after := page.move(last, 1)) != last and after[1] < 0 and not starts_word(after):
        last = after
    return first, last
