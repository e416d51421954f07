"""Commands on tokens: inspect, choose, lock, remask. An edit at a moment forks the branch there."""

from typing import TYPE_CHECKING

from rich.text import Text

from sedd_cli.tui import messages, token_edits
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.page_layout import Address, Page
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.widgets.inspector import InspectedToken, token_label

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch

NOT_REMASKED = "That is locked (l unlocks it), or MASK already."


class TokenActions:
    """The token under the cursor, with its alternatives, and edits of tokens."""

    def __init__(self, session: EditingSession, engine: Engine, runs: RunControl, ui: Interface) -> None:
        self._session, self._engine, self._runs, self._ui = session, engine, runs, ui
        self._alternatives: Alternatives | None = None
        self._asked: tuple[Branch, int, token_edits.TokenPosition] | None = None
        """The branch, moment and position whose alternatives are known or asked for."""

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

    def ask_alternatives(self) -> None:
        """Ask the engine for the alternatives of the token under the cursor, unless a run is being played."""
        at = self._at_cursor
        if at is not None and at != self._asked and not self._runs.playing:
            self._asked, self._alternatives = at, None
            self._engine.request_alternatives(*at)

    def on_alternatives_ready(self, message: messages.AlternativesReady) -> None:
        if self._asked == (message.branch, message.at, message.position):
            self._alternatives = message.alternatives
            self._ui.refresh_inspector()

    def inspected(self) -> InspectedToken | None:
        """The token under the cursor; None where there is text."""
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
            self._remask(positions, NOT_REMASKED)

    def remask_word(self) -> None:
        first, last = word_around(self._ui.canvas.page, self._ui.canvas.cursor)
        self._remask(token_edits.positions_between(self._scene, first, last), NOT_REMASKED)

    def remask_all(self) -> None:
        self._remask(token_edits.all_positions(self._scene), "Nothing here can be remasked.")

    def remask_doubtful(self) -> None:
        if self._scene.branch is None:
            self._ui.notify("Nothing is written yet: g writes.")
            return

        def percent(value: str) -> float:
            return float(value.strip().removesuffix("%"))

        def validate(value: str) -> str | None:
            try:
                return None if 0 < percent(value) <= 100 else "above 0%, at most 100%"
            except ValueError:
                return "a percentage such as 10%"

        def on_result(value: str | None) -> None:
            if value is not None:
                everywhere, least = token_edits.all_positions(self._scene), percent(value)
                below = token_edits.below_confidence(self._scene, everywhere, least / 100)
                self._remask(below, f"No unlocked token was less than {least:g}% sure.")

        hint = "Tokens that the network was less sure of when it wrote them become MASK again."
        self._ui.ask(InputDialog("Remask what was less sure than", "10%", hint, validate), on_result)

    def lock(self) -> None:
        """Lock or unlock the token or the selection."""
        if positions := self._selected():
            self._apply(token_edits.toggle_lock(self._scene, positions), "MASK cannot be locked.")

    def choose(self) -> None:
        """Choose among the alternatives of the token under the cursor."""
        scene, at, alternatives = self._scene, self._at_cursor, self.alternatives
        if at is None or alternatives is None:
            self._ui.notify("Move to a token first." if at is None else "Its alternatives are not known yet.")
            return
        branch, _, position = at
        excluded = scene.excluded_at(*position)
        allowed = [
            (token, p)
            for token, p in zip(alternatives.tokens, alternatives.probability, strict=True)
            if token not in excluded
        ]
        options = [Text(f"{p:.3f}  {token_label(branch.job.checkpoint.tokenizer, token)}") for token, p in allowed]

        def on_choice(i: int | None) -> None:
            if i is not None:
                self._apply(token_edits.choose(scene, position, allowed[i][0]), "")

        self._ui.ask(ChoiceDialog("Alternatives", options, 0, "enter writes and locks it · esc closes"), on_choice)

    def _remask(self, positions: list[token_edits.TokenPosition], if_unchanged: str) -> None:
        branch = self._scene.branch
        if branch is None:
            self._ui.notify("Nothing is written yet: g writes.")
        elif positions and branch.job.checkpoint.mask_id is None:
            self._ui.notify("The uniform process has no MASK, so no token can be remasked: l locks, enter chooses.")
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


def word_around(page: Page, address: Address) -> tuple[Address, Address]:
    """The tokens around one that make up a word: a word begins at a token that begins with a blank."""
    first = last = address

    def starts_word(at: Address) -> bool:
        y, _ = page.locate(at)
        low, high = page.cells(y, at, at)
        return page.text_of(y)[low:high][:1].isspace()

    while not starts_word(first) and (before := page.move(first, -1)) != first and before[1] < 0:
        first = before
    while (after := page.move(last, 1)) != last and after[1] < 0 and not starts_word(after):
        last = after
    return first, last
