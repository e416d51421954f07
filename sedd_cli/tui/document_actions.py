"""Commands on the document: mask, accept, reject, edit, undo."""

import re
from dataclasses import replace

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.draft import Draft, Mark, merge_adjacent
from sedd_cli.text.formats import split_gaps
from sedd_cli.text.gaps import Gap, Length, check_gaps, parse_length
from sedd_cli.text.markers import marker_gaps
from sedd_cli.tui import token_edits
from sedd_cli.tui.gap_numbers import length_label, sign_of
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.page_layout import Address
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.token_actions import TokenActions


class DocumentActions:
    """Gaps are accepted or rejected; typing or masking elsewhere first turns what is written into text."""

    def __init__(self, session: EditingSession, runs: RunControl, tokens: TokenActions, ui: Interface) -> None:
        self._session, self._runs, self._tokens, self._ui = session, runs, tokens, ui
        self.editing = False
        """Edit mode: keys are text."""
        self._edit_started = False
        """Whether typed text belongs to the change on top of the undo stack."""

    @property
    def _scene(self) -> Scene:
        return self._session.scene

    def _apply(self, scene: Scene) -> None:
        """Apply a change that can be undone, and show it."""
        if self._session.apply(scene):
            self._ui.state_changed()

    def mask(self) -> None:
        canvas = self._ui.canvas
        first, last = canvas.selection or self._word_of_text()
        if token_edits.positions_between(self._scene, first, last):
            self._tokens.remask()
            return
        if first == canvas.page.end:
            self._ui.notify(
                f"There is nothing to mask here; {self._ui.key_of('text.tokens')} inserts a gap at the cursor."
            )
            return
        if first[1] < 0 and self._mark_at(first) == self._mark_at(last):
            removes = f"{self._ui.key_of('text.reject')} removes the mask"
            self._ui.notify(f"That is masked already: {self._ui.key_of('run.go')} writes it, {removes}.")
            return
        self._runs.stop()
        scene, start = self._scene.flatten_at(first)
        _, end = self._scene.flatten_at((self._offset_after(last), 0))
        selected = scene.draft.text[start:end]
        if first[1] == last[1] == 0 and not selected.strip():
            self._ui.notify(
                f"There is only blank space here: {self._ui.key_of('text.tokens')} writes where the cursor is."
            )
            return
        # Blanks at the edges stay as they are: what is written would have to repeat them. At a token a gap begins.
        start += (len(selected) - len(selected.lstrip())) * (first[1] == 0)
        end -= (len(selected) - len(selected.rstrip())) * (last[1] == 0)
        draft = scene.draft
        gaps = split_gaps([Gap(start, end)], draft.text, self._session.path)
        for gap in gaps:
            draft = draft.mask(gap.start, gap.end)
        self._apply(replace(scene, draft=draft))
        canvas.move_cursor((gaps[0].start, -(10**6)))

    def _word_of_text(self) -> tuple[Address, Address]:
        """The word under the cursor, or the next one."""
        page, at = self._ui.canvas.page, self._ui.canvas.cursor
        return page.word_at(page.next_word(at, 1) if page.is_blank(at) else at)

    def set_length(self) -> None:
        """Set the number of tokens of the gap under the cursor; write a full one anew; elsewhere, insert a gap."""
        before, mark = self._scene, self._mark_at(self._ui.canvas.cursor)
        if self._scene.run is not None:
            remasks = f"{self._ui.key_of('token.remask')} remasks a token"
            self._ui.notify(f"A canvas has no gaps: {remasks}, {self._ui.key_of('run.go')} writes it again.")
            return

        def validate(value: str) -> str | None:
            try:
                check_gaps([Gap(0, 0, parse_length(value))], 0)
            except SeddError:
                return "12, 5-20 or auto"
            return None

        def on_result(value: str | None) -> None:
            if value is None:
                return
            if self._scene.draft is not before.draft:
                self._ui.notify("The text has changed meanwhile: press the key again.")
                return
            self._runs.stop()
            tokens = parse_length(value)
            if mark is None:
                self._insert_gap(tokens)
            elif mark.masked and self._scene.branch is None:
                self._apply(replace(self._scene, draft=self._scene.draft.set_length(mark, tokens=tokens)))
            else:
                self._write_anew(mark, tokens)

        value = length_label(12 if mark is None else self._length_of(mark))
        title = "How many tokens?"
        hint = "12: exactly 12. 5-20: the best length in this range. auto: the best length."
        self._ui.ask(InputDialog(title, value, hint, validate), on_result)

    def _length_of(self, mark: Mark) -> Length:
        """The length that a mark is set to, or the number of tokens that stand in its place."""
        scene = self._scene
        if scene.infilling is not None and mark.masked:
            return len(scene.ids_of(scene.draft.masked.index(mark)))
        if mark.tokens is not None or self._session.checkpoint is None or self._session.checkpoint.tokenizer is None:
            return mark.tokens
        from sedd_cli.text.windows import original_tokens

        return original_tokens(self._session.checkpoint.tokenizer, scene.draft.text, Gap(mark.start, mark.end), 0)

    def _insert_gap(self, tokens: Length) -> None:
        scene, at = self._scene.flatten_at(self._ui.canvas.cursor)
        self._apply(replace(scene, draft=scene.draft.mask(at, at, tokens)))
        self._ui.canvas.move_cursor((at, -(10**6)))

    def _write_anew(self, mark: Mark, tokens: Length) -> None:
        """Ask for other candidates of a gap that was written, or is being written."""
        draft, mark = self._scene.reopened(mark)
        self._apply(Scene(draft.reopen(mark, tokens), ending=self._scene.ending))
        self._ui.canvas.move_cursor((mark.start, -(10**6)))
        if self._session.checkpoint is not None:
            self._runs.start(new_rows=True)

    def use_markers(self) -> None:
        if self._scene.run is not None:
            self._ui.notify("A canvas has no markers: its MASKs are gaps already.")
            return
        draft = self._scene.flattened.draft
        try:
            gaps = check_gaps(marker_gaps(draft.text), len(draft.text))
        except UsageError as error:
            self._ui.notify(f"{error.message}: no marker was made a gap.", severity="warning")
            return
        new = [gap for gap in gaps if not any(mark.start < gap.end and gap.start < mark.end for mark in draft.marks)]
        if not new:
            self._ui.notify("There is no marker such as [[12]] in the text.")
            return
        self._runs.stop()
        marks = [Mark(gap.start, gap.end, draft.text[gap.start : gap.end], gap.tokens) for gap in new]
        draft = replace(draft, marks=merge_adjacent([*draft.marks, *marks]))
        self._apply(Scene(draft, ending=self._scene.ending))
        self._ui.canvas.move_cursor((new[0].start, -(10**6)))

    def accept(self) -> None:
        self._accept_or_reject(accept=True)

    def reject(self) -> None:
        self._accept_or_reject(accept=False)

    def accept_all(self) -> None:
        scene = self._scene.flattened
        full = [mark for mark in scene.draft.marks if not mark.masked]
        if self._scene.run is None and not full:
            not_full = f"No gap is full yet: {self._ui.key_of('run.go')} writes."
            self._ui.notify(not_full if scene.draft.marks else "There is no gap to accept.")
            return
        self._runs.stop()
        draft = scene.draft
        for mark in full:
            draft = draft.accept(mark)
        self._apply(replace(scene, draft=draft))

    def reject_all(self) -> None:
        self._runs.stop()
        if self._scene.run is not None:
            self._reject_run()
            return
        draft = self._scene.flattened.draft
        if not draft.marks:
            self._ui.notify("There is no gap to reject.")
            return
        while draft.marks:
            draft = draft.accept(draft.marks[0]) if draft.marks[0].masked else draft.reject(draft.marks[0])
        self._apply(replace(self._scene.flattened, draft=draft))

    def _reject_run(self) -> None:
        self._apply(self._scene.without_run)
        self._ui.notify(f"All that was written is rejected: {self._ui.key_of('text.undo')} brings it back.")

    def next_gap(self, by: int) -> None:
        starts = [
            (mark.start, -(10**6)) if mark.masked else (mark.start, 0)
            for mark in self._scene.draft.marks
            if mark not in self._decided_marks()
        ]
        current = self._ui.canvas.page.address(*self._ui.canvas.page.locate(self._ui.canvas.cursor))
        page = self._ui.canvas.page
        stops = sorted({page.address(*page.locate(start)) for start in starts})
        ahead = [p for p in stops if (p > current if by > 0 else p < current)]
        if not stops:
            self._ui.notify(f"There is no gap: select something and press {self._ui.key_of('text.mask')}.")
            return
        target = (ahead or stops)[0] if by > 0 else (ahead or stops)[-1]
        self._ui.canvas.move_cursor(target)

    def undo(self) -> None:
        self._show_history(self._session.undo(), "There is nothing to undo.")

    def redo(self) -> None:
        self._show_history(self._session.redo(), "There is nothing to redo.")

    def ask_ending(self) -> None:
        """Ask what a new text is to end with, and write towards it."""
        if self._session.document.path is not None and self._scene.run is None and self._scene.draft.text:
            inserts = f"{self._ui.key_of('text.tokens')} inserts a gap"
            self._ui.notify(f"An ending is for a new text; in a document {inserts}, also before its end.")
            return
        before = self._scene

        def on_result(ending: str | None) -> None:
            if ending is None:
                return
            if self._scene.without_run != before.without_run:
                self._ui.notify("The text has changed meanwhile: press the key again.")
                return
            self.editing = False
            self._runs.stop()
            # A canvas is written anew; what is written in gaps is text to go on from.
            scene = self._scene.without_run if self._scene.infilling is None else self._scene.flattened
            self._apply(replace(scene, ending=ending))
            if ending:
                self._runs.go()

        begun = "your text" if before.draft.text else "a text"
        hint = f"The model writes {begun} that ends with this. Empty: no ending."
        self._ui.ask(InputDialog("How does it end?", before.ending, hint), on_result)

    def edit(self) -> None:
        self._runs.stop()
        page, cursor = self._ui.canvas.page, self._ui.canvas.cursor
        y_x = page.locate(cursor)
        scene, at = self._scene.flatten_at(cursor)
        # One undo reverts everything typed until Esc.
        self._edit_started = self._session.apply(scene)
        self.editing = True
        self._ui.state_changed()
        self._ui.canvas.move_cursor(self._ui.canvas.page.address(*y_x) if cursor[1] < 0 else (at, 0))

    def leave_edit_mode(self) -> None:
        """Leave edit mode; in command mode, drop the selection."""
        if self.editing:
            self.editing = False
            self._ui.state_changed()
        else:
            self._ui.canvas.move_cursor(self._ui.canvas.cursor)

    def type_text(self, text: str, erase: str) -> None:
        """In edit mode: replace the selection, or what the key `erase` erases ("": nothing), by a text."""
        draft = self._scene.draft
        if (mark := self._erased_gap(erase)) is not None:
            # The text that the gap hides is not visible, so no key erases it: it is shown again.
            self._apply_text_edit(draft.accept(mark), self._ui.canvas.cursor[0])
            return
        first, last = self._edited_range(erase)
        text = re.sub(r"\r\n|\r|\n", "\r\n" if "\r\n" in draft.text else "\n", text)
        if first != last or text:
            self._apply_text_edit(draft.edit(first, last, text), first + len(text))

    def _apply_text_edit(self, draft: Draft, cursor: int) -> None:
        """Show the edited draft with the cursor before a character of it."""
        scene = replace(self._scene, draft=draft)
        if self._edit_started:
            self._session.amend(scene)
        else:
            self._edit_started = self._session.apply(scene)
        self._ui.canvas.cursor, self._ui.canvas.selection_anchor = (cursor, 0), None
        self._ui.state_changed()
        self._ui.canvas.move_cursor(self._ui.canvas.cursor)

    def _erased_gap(self, erase: str) -> Mark | None:
        """The gap that a key removes: one whose MASK it would erase, or that contains the whole selection."""
        canvas = self._ui.canvas
        if not erase:
            return None
        if canvas.selection is not None:
            first, last = map(self._mark_at, canvas.selection)
            return first if first == last and first is not None and first.masked else None
        at = canvas.cursor
        if erase == "backspace" and (at := canvas.page.move(at, -1)) == canvas.cursor:
            # The cursor is at the start.
            return None
        return self._mark_at(at) if at[1] < 0 else None

    def _edited_range(self, erase: str) -> tuple[int, int]:
        canvas = self._ui.canvas
        if selection := canvas.selection:
            return selection[0][0], self._offset_after(selection[1])
        at = canvas.cursor
        if erase == "backspace":
            return canvas.page.move(at, -1)[0], at[0]
        if erase == "delete":
            return at[0], canvas.page.grapheme_end(at) if at[1] == 0 else at[0]
        return at[0], at[0]

    def _offset_after(self, address: Address) -> int:
        mark = self._mark_at(address) if address[1] < 0 else None
        return mark.end if mark is not None else self._ui.canvas.page.grapheme_end(address)

    def _mark_at(self, address: Address) -> Mark | None:
        for mark in self._scene.draft.marks:
            tokens = mark.start == address[0] and address[1] < 0 and mark.masked
            if tokens or (address[1] == 0 and not mark.masked and mark.start <= address[0] < mark.end):
                return mark
        return None

    @property
    def _mark_in_hand(self) -> Mark | None:
        """The gap that a verdict is on: at the cursor, else the next, else the first that awaits one."""
        decided, cursor = self._decided_marks(), self._ui.canvas.cursor
        marks = [mark for mark in self._scene.draft.marks if mark not in decided]
        current = self._mark_at(cursor)
        if current in marks:
            return current
        return next((m for m in marks if m.start >= cursor[0]), marks[0] if marks else None)

    @property
    def sign_in_hand(self) -> str:
        """The number of the gap that a verdict is on, as the page shows it; "" where it shows none."""
        mark = self._mark_in_hand
        return sign_of(self._scene.draft, mark) if mark is not None and self._scene.run is None else ""

    @property
    def length_in_hand(self) -> str:
        """The number of tokens that is asked for in the gap at the cursor: "12", "5-20", "auto", or ""."""
        mark = self._mark_at(self._ui.canvas.cursor)
        return length_label(mark.tokens) if mark is not None and mark.masked and self._scene.branch is None else ""

    def _decided_marks(self) -> list[Mark]:
        masked = self._scene.draft.masked
        return [masked[gap] for gap in self._scene.verdicts]

    def _accept_or_reject(self, accept: bool) -> None:
        scene = self._scene
        if scene.run is not None:
            self._runs.stop()
            if accept:
                self._apply(scene.flattened)
            else:
                self._reject_run()
            return
        mark = self._mark_in_hand
        if mark is None:
            self._ui.notify("There is no gap to accept or reject.")
        elif scene.branch is not None and mark.masked:
            self._set_verdict(scene.draft.masked.index(mark), accept)
        elif not mark.masked:
            self._apply(replace(scene, draft=scene.draft.accept(mark) if accept else scene.draft.reject(mark)))
        elif accept:
            self._ui.notify(f"That gap is not written yet: {self._ui.key_of('run.go')} writes it.")
        else:
            self._apply(replace(scene, draft=scene.draft.accept(mark)))

    def _set_verdict(self, gap: int, accept: bool) -> None:
        """Accept or reject a gap that a branch writes; after the last one, the document is text again."""
        scene = self._scene
        if accept and not scene.filled(gap):
            self._ui.notify(f"That gap is not full yet: {self._ui.key_of('run.go')} continues.")
            return
        text = scene.written(gap) if accept else scene.draft.masked[gap].original
        scene = replace(scene, verdicts={**scene.verdicts, gap: text})
        if len(scene.verdicts) == len(scene.draft.masked):
            self._runs.stop()
            scene = scene.flattened
        self._apply(scene)
        self.next_gap(1) if scene.draft.marks else None

    def _show_history(self, moved: bool, if_unchanged: str) -> None:
        self._runs.stop()
        if moved:
            self._ui.state_changed()
        else:
            self._ui.notify(if_unchanged)
