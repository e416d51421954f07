"""Commands on the words that the network finds unlikely: go through them one after another, or mask all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.text import Text

from sedd_cli.ranges import counted
from sedd_cli.text.words import word_spans
from sedd_cli.tui import messages, token_edits, word_edits
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.scene_text import scene_text
from sedd_cli.tui.screens.proof_popup import ProofPopup, ProofView
from sedd_cli.tui.session import EditingSession

if TYPE_CHECKING:
    from sedd_cli.evaluation.proofreading import Finding, Proofreading
    from sedd_cli.models.checkpoint import Checkpoint
    from sedd_cli.text.tokenizer import Tokenizer
    from sedd_cli.tui.token_edits import TokenPosition

MOST_READ_AROUND = 128
"""Tokens read around a word at most, as docs/infilling.md measures it: 256 take twice the time."""


@dataclass(frozen=True)
class _Place:
    """How far one is in the findings. `at`: where the last word that was shown starts in the text as it was read.

    `waiting`: it is dealt with, or passed, and there is none behind it yet. `taken`, `masked`: where words start that
    were dealt with. `shifts`: offsets from which on the text has moved, and by how many characters.
    """

    at: int = -1
    waiting: bool = True
    taken: frozenset[int] = frozenset()
    masked: frozenset[int] = frozenset()
    shifts: tuple[tuple[int, int], ...] = ()

    def moved(self, start: int, by: int) -> "_Place":
        """The same where the text has moved from an offset on."""
        return replace(self, shifts=(*self.shifts, (start, by)))

    def now(self, offset: int) -> int:
        """Where a character of the text as it was read is now."""
        return offset + sum(by for start, by in self.shifts if start <= offset)


@dataclass
class _Reading:
    """A text that is read, or was. `at_end`: what to do once it is, where no word is shown on the way."""

    below: float
    run_id: int
    scene: Scene
    """The scene that is expected: another one is somebody else's change."""
    total: int
    done: int = 0
    findings: "Sequence[Finding]" = ()
    finished: bool = False
    place: _Place = _Place()
    history: list[_Place] = field(default_factory=list)
    at_end: "Callable[[Sequence[Finding]], None] | None" = None

    @property
    def current(self) -> "Finding | None":
        if self.place.waiting:
            return None
        return next(finding for finding in self.findings if finding.start == self.place.at)

    @property
    def open(self) -> "list[Finding]":
        """The findings that are not dealt with."""
        dealt = self.place.taken | self.place.masked
        return [finding for finding in self.findings if finding.start not in dealt]


class ProofActions:
    """Reads on the engine's thread. While it does, and while findings are shown, a popup has the keys."""

    def __init__(self, session: EditingSession, engine: Engine, runs: RunControl, ui: Interface) -> None:
        self._session, self._engine, self._runs, self._ui = session, engine, runs, ui
        self._reading: _Reading | None = None
        self._popup: ProofPopup | None = None

    def proofread(self) -> None:
        """Go through the words that are less likely than the setting, of the selection or of all of the text."""
        self._read(self._session.settings.proof_below)

    def mask_unsure(self) -> None:
        """Mask the words of the selection or of all that the network is unsure of.

        Of what a branch has written, it is how sure the network was then; other text is read.
        """
        scene, canvas = self._session.scene, self._ui.canvas
        positions = token_edits.all_positions(scene)
        if canvas.selection is not None:
            positions = token_edits.positions_between(scene, *canvas.selection)
        if positions:
            self._remask_unsure(positions)
        else:
            self._read(self._session.settings.unsure_below, self._mask_all)

    def on_words_read(self, message: messages.WordsRead) -> None:
        if (reading := self._of(message)) is not None:
            reading.done, reading.total, reading.findings = message.done, message.total, message.findings
            if reading.at_end is None and reading.place.waiting:
                self._go(reading, 1)
            self._show(reading)

    def on_stopped(self, message: messages.Stopped) -> None:
        if (reading := self._of(message)) is None:
            return
        reading.finished = True
        if reading.at_end is not None or reading.place.waiting:
            self._close()
        else:
            self._show(reading)

    def on_failed(self, message: messages.Failed) -> None:
        if self._of(message) is not None:
            self._reading = None
            self._close()

    def _of(self, message: messages.RunMessage) -> _Reading | None:
        reading = self._reading
        return reading if reading is not None and reading.run_id == message.run_id else None

    def _read(self, below: float, at_end: "Callable[[Sequence[Finding]], None] | None" = None) -> None:
        checkpoint, scene, canvas = self._session.checkpoint, self._session.scene, self._ui.canvas
        if checkpoint is None or (refusal := self._refusal(checkpoint, scene)):
            self._ui.notify(refusal if checkpoint else "The checkpoint is not loaded yet: it is what reads the words.")
            return
        shown = scene_text(scene)
        if shown is None:
            scene = scene.flattened
            shown = scene_text(scene)
            assert shown is not None
        within = (0, len(shown.text)) if canvas.selection is None else shown.span_between(*canvas.selection)
        spans = word_edits.open_spans(scene, shown, within)
        words = sum(any(low <= start and end <= high for low, high in spans) for start, end in word_spans(shown.text))
        if not words:
            self._ui.notify("There is no word to read here.")
            return
        self._runs.stop()
        if self._session.apply(scene):
            self._ui.state_changed()
        text, length = shown.text, min(MOST_READ_AROUND, checkpoint.length)

        def make() -> "Proofreading":
            from sedd_cli.evaluation.proofreading import Proofreading, ProofRequest

            return Proofreading(checkpoint, text, ProofRequest(below=below, length=length), spans)

        self._reading = _Reading(below, self._engine.proofread(make), scene, words, at_end=at_end)
        self._popup = ProofPopup(view_of(self._reading), canvas.cursor_region, self._act)
        self._ui.ask(self._popup, lambda _: self._closed())

    def _refusal(self, checkpoint: "Checkpoint", scene: Scene) -> str:
        """Why a scene cannot be read; "" if it can."""
        if checkpoint.tokenizer is None:
            return "This checkpoint has no tokenizer: it reads no words."
        if scene.moment is not None and scene.moment.masked:
            return f"Not all is written yet: {self._ui.key_of('run.go')} writes it; then it can be read."
        return ""

    def _act(self, what: str) -> None:
        """What a key of the popup does."""
        reading = self._reading
        if reading is None or reading.at_end is not None:
            return
        if reading.scene is not self._session.scene:
            self._ui.notify("The text has changed meanwhile: press the key again.")
            self._close()
        elif what == "undo":
            self._undo(reading)
        elif what in ("next", "previous"):
            self._go(reading, 1 if what == "next" else -1)
            self._show(reading)
        elif (finding := reading.current) is not None:
            self._change(reading, finding, mask=what == "mask")

    def _change(self, reading: _Reading, finding: "Finding", mask: bool) -> None:
        """Mask a word, or take the suggestion, and go to the next."""
        place, scene = reading.place, reading.scene
        shown = scene_text(scene)
        assert shown is not None
        reading.history.append(place)
        if mask:
            span = place.now(finding.start), place.now(finding.end)
            new, lost = word_edits.mask_word(scene, shown, span, self._sizing)
            place = replace(place.moved(finding.end, -lost), masked=place.masked | {finding.start})
        else:
            span = place.now(finding.edit_start), place.now(finding.end)
            new = word_edits.replace_word(scene, shown, span, finding.suggestion)
            place = place.moved(finding.end, len(finding.suggestion) - span[1] + span[0])
            place = replace(place, taken=place.taken | {finding.start})
        self._session.apply(new)
        reading.scene, reading.place = new, place
        self._ui.state_changed()
        self._go(reading, 1)
        self._show(reading)

    def _undo(self, reading: _Reading) -> None:
        """Take back the last change that was made here, and show its word again."""
        if reading.history and self._session.undo():
            reading.place, reading.scene = reading.history.pop(), self._session.scene
            self._ui.state_changed()
            self._show(reading)

    def _go(self, reading: _Reading, by: int) -> None:
        """To the next finding that is not dealt with, or to the one before if there is one."""
        place, open_ = reading.place, [finding.start for finding in reading.open]
        if by > 0:
            ahead = [start for start in open_ if start > place.at]
            reading.place = replace(place, at=ahead[0] if ahead else place.at, waiting=not ahead)
        elif before := [start for start in open_ if start < place.at + place.waiting]:
            reading.place = replace(place, at=before[-1], waiting=False)

    def _show(self, reading: _Reading) -> None:
        """Show the word in hand; without one, what is read. Behind the last word of all there is nothing to show."""
        assert self._popup is not None
        if reading.finished and reading.place.waiting:
            self._close()
            return
        if (finding := reading.current) is not None:
            shown = scene_text(reading.scene)
            assert shown is not None
            start, end = reading.place.now(finding.start), reading.place.now(finding.end)
            canvas = self._ui.canvas
            canvas.move_cursor(shown.address_of(start), canvas.page.move(shown.address_of(end - 1), 1))
        self._popup.show(view_of(reading))

    def _close(self) -> None:
        if self._popup is not None:
            self._popup.close_with(None)

    def _closed(self) -> None:
        """The popup is closed: say what came of it. What is not read yet is not read any more."""
        reading, self._reading, self._popup = self._reading, None, None
        if reading is None:
            return
        if not reading.finished:
            self._engine.stop()
        if reading.at_end is None:
            # The selection was that of the word in hand.
            self._ui.canvas.move_cursor(self._ui.canvas.cursor)
            if note := outcome(reading, self._ui.key_of("run.go")):
                self._ui.notify(note)
        elif reading.finished:
            reading.at_end(reading.findings)

    def _mask_all(self, findings: "Sequence[Finding]") -> None:
        """Mask all words that were found in the text that is on screen."""
        below = f"{100 * self._session.settings.unsure_below:g}%"
        if not findings:
            self._ui.notify(f"No word here is less likely than {below}.")
            return
        spans = [(finding.start, finding.end) for finding in findings]
        self._session.apply(word_edits.mask_spans(self._session.scene, spans, self._sizing))
        self._ui.state_changed()
        self._ui.notify(self._masked(len(findings), f"less likely than {below}"))

    def _remask_unsure(self, positions: "Sequence[TokenPosition]") -> None:
        """Remask the words among tokens that a branch has written, if it was unsure of a part of them then."""
        scene, least = self._session.scene, self._session.settings.unsure_below
        assert scene.branch is not None
        if scene.branch.job.checkpoint.mask_id is None:
            self._ui.notify("This checkpoint has no MASK, so no word can be masked.")
            return
        unsure = [p for p in token_edits.below_confidence(scene, positions, least) if not token_edits.locked(scene, p)]
        shown = scene_text(scene)
        words, count = (unsure, len(unsure)) if shown is None else word_edits.whole_words(shown, unsure)
        if not unsure or (new := token_edits.remask(scene, words)) is scene:
            self._ui.notify(f"No unlocked word here was less than {100 * least:g}% sure.")
            return
        self._runs.stop()
        self._session.apply(new)
        self._ui.state_changed()
        self._ui.notify(self._masked(count, f"less than {100 * least:g}% sure"))

    @property
    def _sizing(self) -> "Tokenizer | None":
        """By what the lengths of masked words are told; None where a draft keeps them."""
        checkpoint = self._session.checkpoint
        return None if checkpoint is None or self._session.settings.strength != 1 else checkpoint.tokenizer

    def _masked(self, count: int, what: str) -> str:
        is_, it = ("is", "it") if count == 1 else ("are", "them")
        return f"{counted(count, 'word')} {what} {is_} masked: {self._ui.key_of('run.go')} writes {it} anew."


def view_of(reading: _Reading) -> ProofView:
    """What the popup shows of a reading."""
    finding, read = reading.current, f"{reading.done:,} of {counted(reading.total, 'word')} read"
    if finding is None:
        return ProofView(Text("Looking for unlikely words."), "esc stops", "reading", read)
    from sedd_cli.render.findings import percent as precise

    sentence = Text.assemble(
        (f'"{finding.word}"', "bold"), f" {precise(finding.probability)}, ", (f'"{finding.suggestion}"', "bold")
    )
    if finding.suggestion_probability is None:
        sentence = Text.assemble((f'"{finding.word}"', "bold"), " stands twice")
        takes = "leaves one out"
    else:
        sentence.append(f" {precise(finding.suggestion_probability)}")
        takes = "takes it"
    number = 1 + reading.findings.index(finding)
    title = f"word {number} of {len(reading.findings)}{'' if reading.finished else ' so far'}"
    back = "  u undo" if reading.history else ""
    return ProofView(sentence, f"↵ {takes}  m mask  n next  N back{back}  esc leave", title, read)


def outcome(reading: _Reading, go: str) -> str:
    """What came of going through the findings; "" where it was left without any. `go`: the key that writes."""
    taken, masked, place = len(reading.place.taken), len(reading.place.masked), reading.place
    done = [f"{counted(taken, 'word')} changed"] * bool(taken)
    done += [f"{masked if taken else counted(masked, 'word')} masked: {go} writes there"] * bool(masked)
    if done:
        return f"{', '.join(done)}."
    if not reading.finished:
        return ""
    if not reading.findings:
        return f"None of {counted(reading.done, 'word')} is less likely than {100 * reading.below:g}%."
    return "That was the last unlikely word." if place.waiting else ""
