"""The parts of the main screen without an app: they need what the interface names, and no more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from textual.message import Message
from textual.notifications import SeverityLevel

from sedd_cli import Checkpoint
from sedd_cli.errors import SeddError
from sedd_cli.text.document import Document
from sedd_cli.tui.checkpoint_control import CheckpointControl
from sedd_cli.tui.document_actions import DocumentActions
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.messages import Loaded, Started, Stopped
from sedd_cli.tui.page_layout import Address, Page
from sedd_cli.tui.run_control import RunControl
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.style import PageBuilder
from sedd_cli.tui.token_actions import TokenActions


@dataclass
class Plain:
    """A canvas and an interface at once: no widget, and the first answer to every question is `answer`."""

    session: EditingSession
    answer: Any = None
    told: list[str] = field(default_factory=list)
    cursor: Address = (0, 0)
    selection_anchor: Address | None = None

    @property
    def canvas(self) -> "Plain":
        return self

    @property
    def page(self) -> Page:
        checkpoint = self.session.checkpoint
        return PageBuilder(checkpoint.tokenizer if checkpoint else None, "certainty").build(self.session.scene, 60)

    @property
    def selection(self) -> tuple[Address, Address] | None:
        return None if self.selection_anchor is None else (self.selection_anchor, self.page.move(self.cursor, -1))

    def move_cursor(self, cursor: Address, anchor: Address | None = None) -> None:
        self.cursor, self.selection_anchor = self.page.nearest(cursor), anchor

    def notify(self, message: str, *, severity: SeverityLevel = "information") -> None:
        self.told.append(message)

    def notify_error(self, error: SeddError) -> None:
        self.told.append(str(error))

    def ask(self, dialog: Any, on_result: Callable[[Any], None] | None = None) -> None:
        assert on_result is not None
        on_result(self.answer)

    def key_of(self, id: str) -> str:
        return id

    def shown(self) -> None:
        """What is drawn, copied or left concerns no part of this test."""

    state_changed = schedule_refresh = refresh_header = refresh_timeline = refresh_inspector = shown


def test_a_word_is_masked_and_written_without_an_app(shallow: Checkpoint) -> None:
    session = EditingSession(Document(None, b"", "The cat sat down."), Settings(steps=4, seed=1, candidates=1))
    session.checkpoint = shallow
    ui: Any = Plain(session, answer="2")
    sent: SimpleQueue[Message] = SimpleQueue()
    engine = Engine(sent.put)
    runs = RunControl(session, engine, CheckpointControl(session, engine, ui), ui)
    document = DocumentActions(session, runs, TokenActions(session, engine, runs, ui), ui)

    ui.move_cursor((7, 0), anchor=(4, 0))
    document.mask()
    document.set_length()
    assert [(mark.original, mark.tokens) for mark in session.scene.draft.marks] == [("cat", 2)]
    runs.go()
    while not isinstance(message := sent.get(timeout=60), Stopped):
        if isinstance(message, Started):
            runs.on_started(message)
    document.accept_all()
    assert session.scene.branch is not None and ui.told.pop() == "No gap is full yet: run.go writes."
    runs.watch()
    assert session.scene.at == 0 and runs.playing
    last = session.scene.branches[0].last
    # Of a run that is still in progress, too, one moment after another.
    assert [runs.tick(now) for now in range(1, last + 2)] == [True] * last + [False]
    assert session.scene.at == last and runs.active_run_id == message.run_id
    runs.on_stopped(message)
    assert runs.tick(last + 2) and runs.idle
    written = session.scene.written(0)
    ui.answer = "The end."
    document.ask_ending()
    assert session.scene.draft.text == f"The {written} sat down." and session.scene.ending == "The end."
    document.undo()
    document.accept()
    assert session.scene.branch is None and ui.told == []
    assert written != "cat" and session.scene.text == f"The {written} sat down."
    engine.close(60)


def test_what_is_asked_for_waits_for_the_checkpoint_that_is_named_last(shallow: Checkpoint) -> None:
    session = EditingSession(Document(None, b"", ""), Settings(steps=4, length=8))
    ui: Any = Plain(session)
    sent: SimpleQueue[Message] = SimpleQueue()
    engine = Engine(sent.put, lambda model, device: shallow)
    checkpoints = CheckpointControl(session, engine, ui)
    runs = RunControl(session, engine, checkpoints, ui)
    checkpoints.load()
    checkpoints.load()
    runs.go()
    for loaded in (1, 2):
        assert runs.idle
        message = Loaded(loaded, shallow)
        checkpoints.on_loaded(message)
        runs.on_loaded()
    assert not runs.idle
    shown: list[bool] = []
    ui.schedule_refresh = lambda: shown.append(runs.idle)
    runs.stop()
    runs.stop()
    assert len(shown) == 1, "what was stopped is shown, and nothing where nothing was"
    engine.close(60)
