"""Commands on tokens: inspect, choose, lock, remask."""

from rich.text import Text

from sedd_cli.tui import messages, token_edits
from sedd_cli.tui.page_layout import Address
from sedd_cli.tui.run_actions import RunActions
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.widgets.canvas_view import CanvasView
from sedd_cli.tui.widgets.inspector import token_label


class TokenActions(RunActions):
    """An edit at a moment forks the branch there; `g` resumes from it."""

    def refresh_view(self) -> None:
        super().refresh_view()
        self._request_alternatives()

    def on_canvas_view_cursor_moved(self, message: CanvasView.CursorMoved) -> None:
        self._request_alternatives()
        self.refresh_inspector()

    def on_alternatives_ready(self, message: messages.AlternativesReady) -> None:
        if self.alternatives_key == (message.branch, message.at, message.position):
            self.alternatives = message.alternatives
            self.refresh_inspector()

    def action_remask(self) -> None:
        if positions := self._selected_tokens():
            self._remask(positions, "That is locked (l unlocks it), or MASK already.")

    def action_remask_word(self) -> None:
        first, last = self._word(self.canvas.cursor)
        self._remask(
            token_edits.positions_between(self.scene, first, last), "That is locked (l unlocks it), or MASK already."
        )

    def action_remask_all(self) -> None:
        self._remask(token_edits.all_positions(self.scene), "Nothing here can be remasked.")

    def action_remask_doubtful(self) -> None:
        if self.scene.branch is None:
            self.notify("Nothing is written yet: g writes.")
            return

        def validate(value: str) -> str | None:
            try:
                return None if 0 < float(value) <= 1 else "a number above 0, at most 1"
            except ValueError:
                return "a number such as 0.5"

        def on_result(value: str | None) -> None:
            if value is not None:
                below = token_edits.below_confidence(self.scene, token_edits.all_positions(self.scene), float(value))
                self._remask(below, f"No unlocked token has a confidence below {value}.")

        hint = "Tokens that were written with a lower probability are remasked."
        self.app.push_screen(InputDialog("Remask below which confidence?", "0.1", hint, validate), on_result)

    def action_lock(self) -> None:
        if positions := self._selected_tokens():
            self._apply_token_edit(token_edits.toggle_lock(self.scene, positions), "MASK cannot be locked.")

    def action_alternatives(self) -> None:
        scene = self.scene
        position = token_edits.position_at(scene, self.canvas.cursor)
        if position is None or self.alternatives is None or self.alternatives_key != (scene.branch, scene.at, position):
            self.notify("Move to a token first." if position is None else "Its alternatives are not known yet.")
            return
        assert scene.branch is not None
        job, alternatives = scene.branch.job, self.alternatives
        excluded = scene.excluded_at(*position)
        allowed = [
            (token, p)
            for token, p in zip(alternatives.tokens, alternatives.probability, strict=True)
            if token not in excluded
        ]
        options = [Text(f"{p:.3f}  {token_label(job.checkpoint.tokenizer, token)}") for token, p in allowed]

        def on_choice(i: int | None) -> None:
            if i is not None:
                self._apply_token_edit(token_edits.choose(scene, position, allowed[i][0]), "")

        hint = "enter writes and locks it · esc closes"
        self.app.push_screen(ChoiceDialog("Alternatives", options, 0, hint), on_choice)

    def _remask(self, positions: list[token_edits.TokenPosition], if_unchanged: str) -> None:
        if self.scene.branch is None:
            self.notify("Nothing is written yet: g writes.")
            return
        if positions and self.scene.branch.job.checkpoint.mask_id is None:
            self.notify("The uniform process has no MASK, so no token can be remasked: l locks, enter chooses.")
            return
        self._apply_token_edit(token_edits.remask(self.scene, positions), if_unchanged)

    def _apply_token_edit(self, scene: Scene, if_unchanged: str) -> None:
        if scene is self.scene:
            self.notify(if_unchanged)
            return
        self.stop_run()
        self.apply(scene)

    def _selected_tokens(self) -> list[token_edits.TokenPosition]:
        """The tokens of the selection, or the one under the cursor."""
        canvas = self.canvas
        first, last = canvas.selection or (canvas.cursor, canvas.cursor)
        positions = token_edits.positions_between(self.scene, first, last)
        if not positions:
            self.notify(
                "There is no token: move to one that was written." if self.scene.branch else "Nothing is written yet."
            )
        return positions

    def _word(self, address: Address) -> tuple[Address, Address]:
        """The tokens around one that make up a word: a word begins at a token that begins with a blank."""
        page = self.canvas.page
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

    def _request_alternatives(self) -> None:
        """Request the alternatives of the token under the cursor, unless a run is being played."""
        scene = self.scene
        position = token_edits.position_at(scene, self.canvas.cursor) if scene.branch is not None else None
        if position is None or self.playing:
            return
        request = (scene.branch, scene.at, position)
        if request != self.alternatives_key and scene.branch is not None:
            self.alternatives_key, self.alternatives = request, None
            self.engine.request_alternatives(scene.branch, scene.at, position)
