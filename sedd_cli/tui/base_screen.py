"""The core of the main screen: its state and how the view follows it. Its commands are in the `*_actions` modules."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widgets import Label

from sedd_cli.errors import SeddError
from sedd_cli.render.inert import inert
from sedd_cli.text.document import Document
from sedd_cli.tui import commands
from sedd_cli.tui.commands import BY_ID, key_name
from sedd_cli.tui.engine import Engine, LoadCheckpoint
from sedd_cli.tui.page_layout import Page
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import Settings
from sedd_cli.tui.style import PageBuilder, timeline_state, title_of
from sedd_cli.tui.token_edits import locked, position_at
from sedd_cli.tui.widgets.canvas_view import CanvasView
from sedd_cli.tui.widgets.hints import Hint, Hints
from sedd_cli.tui.widgets.inspector import InspectedToken, Inspector
from sedd_cli.tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch
    from sedd_cli.models.checkpoint import Checkpoint

FRAMES_PER_SECOND = 30
"""Maximum number of times a second that the view is updated during a run."""
SPEEDS: tuple[float | None, ...] = (1, 2, 5, 10, 20, 50, None)
"""Moments a second when playing; None: as fast as they come, or `FRAMES_PER_SECOND`."""


class BaseScreen(Screen[None]):
    """State and view. Every change of state ends in `refresh_view`."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]  # noqa: RUF012 - Textual types it so
    VERTICAL_BREAKPOINTS = [(0, "-low"), (12, "-high")]  # noqa: RUF012 - Textual types it so
    AUTO_FOCUS = "#canvas"
    # The canvas view implements its own selection.
    ALLOW_SELECT = False

    def __init__(self, document: Document, settings: Settings, load: LoadCheckpoint | None = None) -> None:
        super().__init__()
        self.session = EditingSession(document)
        self.settings = settings
        self.seed = settings.seed
        """The seed of the next run; None draws one."""
        self.checkpoint: Checkpoint | None = None
        self.load_status = "loading"
        self.load_id = 0
        """Of the load that `checkpoint` and `load_status` belong to."""
        self.playing = False
        self.active_run_id: int | None = None
        """The id of the run in progress."""
        self.writing: Branch | None = None
        """The branch that the run in progress advances."""
        self.compared: Sequence[Branch] = ()
        """The candidates that the run in progress compares at its end."""
        self.speed: float | None = None
        self.editing = False
        self.alternatives_key: tuple[object, ...] | None = None
        self.alternatives: Alternatives | None = None
        self._dirty = False
        self._played_at = 0.0
        self._stepped_at = 0.0
        self.seconds_per_call = 0.0
        """Duration of a network call, smoothed."""
        self.engine: Engine = Engine(self.post_message, load)

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Label("", id="title", markup=False)
            yield Label("", id="file", markup=False)
        with Container(id="body"):
            yield CanvasView(Page(self.scene.draft.text, [], [], 80), id="canvas")
            yield Inspector(id="inspector")
        yield Timeline(id="timeline")
        with Horizontal(id="foot"):
            yield Label("COMMAND", id="mode", markup=False)
            yield Hints(id="hints")

    @property
    def scene(self) -> Scene:
        return self.session.scene

    @property
    def canvas(self) -> CanvasView:
        return self.query_one("#canvas", CanvasView)

    @property
    def page_builder(self) -> PageBuilder:
        return PageBuilder(self.checkpoint.tokenizer if self.checkpoint else None, self.settings.heat)

    def on_mount(self) -> None:
        self.canvas.border_title = "canvas"
        self.query_one(Inspector).border_title = "token"
        self.refresh_view()
        self.set_interval(1 / FRAMES_PER_SECOND, self._on_frame)
        self.call_after_refresh(self.load)

    def load(self) -> None:
        """Load the checkpoint of the settings in the background."""
        self.checkpoint, self.load_status = None, "loading"
        self.load_id = self.engine.load(self.settings.model, self.settings.device)
        self.refresh_header()

    def apply(self, scene: Scene) -> bool:
        """Apply a change that can be undone, and show it. Returns False if nothing changed."""
        changed = self.session.apply(scene)
        if changed:
            self.refresh_view()
        return changed

    def refresh_view(self) -> None:
        self._dirty = False
        canvas = self.canvas
        ended = canvas.cursor == canvas.page.end
        canvas.show(self.page_builder.build(self.scene, canvas.page_width))
        if ended and self.scene.at == 0 and self.scene.run is not None:
            # A run that has just started is shown from the top.
            canvas.move_cursor(canvas.page.address(0, 0))
        self.query_one(Hints).show(self.hints())
        self.refresh_timeline()
        self.refresh_header()
        self.refresh_inspector()

    def hints(self) -> list[Hint]:
        if self.editing:
            save, quit_ = self._hints_of("session.save", "session.quit")
            return [("esc", "leaves edit mode", "command"), save, ("F1", "help", "help"), quit_]
        scene = self.scene
        ids: tuple[str, ...]
        if scene.run is not None:
            ids = commands.RUN_HINTS
        elif scene.branch is not None or any(not mark.masked for mark in scene.draft.marks):
            ids = commands.GAP_HINTS
        elif scene.draft.marks:
            ids = commands.MASKED_HINTS
        else:
            ids = commands.TEXT_HINTS if scene.draft.text else commands.EMPTY_HINTS
        return self._hints_of(*ids, *commands.ALWAYS_HINTED)

    def _hints_of(self, *ids: str) -> list[Hint]:
        """Hints with the keys as they are bound."""
        paused = not self.playing and self.active_run_id is None
        labels = {"run.pause": "play"} if paused else {}
        return [(self.key_of(id), labels.get(id, BY_ID[id].label), BY_ID[id].action) for id in ids]

    def key_of(self, id: str) -> str:
        """The first key that a command is bound to."""
        return key_name(self.settings.keys.get(id, BY_ID[id].keys).split(",")[0])

    def schedule_refresh(self) -> None:
        """Update the screen at the next frame."""
        self._dirty = True

    def refresh_timeline(self) -> None:
        speed = "" if self.speed is None else f"{self.speed:g}/s"
        scene = self.scene
        comparing = len(self.compared) > 1 and all(branch.finished for branch in self.compared)
        self.query_one(Timeline).show(
            timeline_state(scene, self.playing, self.seconds_per_call, speed, self.writing, comparing)
        )

    def refresh_header(self) -> None:
        scene = self.scene
        title = title_of(self.checkpoint, self.load_status, scene, self.settings.sampler, self.settings.steps)
        name = self.session.path.name if self.session.path else "untitled"
        branch = f"   branch {scene.current + 1}/{len(scene.branches)}" if scene.branches else ""
        if scene.branch is not None and scene.branch.nats is not None:
            branch += f", {scene.branch.nats:.1f} nats"
        _update_label(self.query_one("#title", Label), title)
        _update_label(self.query_one("#file", Label), f"{name}{' *' if self.session.unsaved else ''}{branch}")

    def refresh_inspector(self) -> None:
        self.query_one(Inspector).show(self._inspected_token() or self._inspector_hint())

    def _inspected_token(self) -> InspectedToken | None:
        """The token under the cursor; None where there is text."""
        scene = self.scene
        at = position_at(scene, self.canvas.cursor)
        if at is None or scene.moment is None or scene.branch is None:
            return None
        canvas, position = at
        checkpoint, moment = scene.branch.job.checkpoint, scene.moment
        token = int(moment.states[canvas].ids[position])
        revealed = int(moment.revealed[canvas][position])
        step = scene.branch.moments[revealed].step if revealed >= 0 else None
        return InspectedToken(
            id=token,
            tokenizer=checkpoint.tokenizer,
            masked=token == checkpoint.mask_id,
            locked=locked(scene, at),
            given=not bool(scene.branch.moments[0].states[canvas].free[position]),
            step=None if revealed < 0 else step.step if step else 0,
            confidence=float(moment.confidence[canvas][position]),
            alternatives=self.alternatives if self.alternatives_key == (scene.branch, scene.at, at) else None,
        )

    def _inspector_hint(self) -> str:
        scene, key = self.scene, self.key_of
        if scene.branch is not None:
            return "Move to a token to see\nits alternatives."
        if scene.draft.masked:
            return f"{key('run.go')} writes what is masked.\n{key('text.tokens')}: how many tokens."
        if scene.draft.marks:
            return f"{key('text.accept')} accepts, {key('text.reject')} rejects\nwhat was written."
        if scene.draft.text:
            return f"Select, then {key('text.mask')} masks.\n{key('run.go')} fills what is masked."
        return f"{key('run.go')} writes a text.\n{key('text.edit')} types a beginning first."

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification. Unlike Textual's, text is inert and read without markup by default."""
        super().notify(inert(message), title=inert(title), severity=severity, timeout=timeout, markup=markup)

    def notify_error(self, error: SeddError) -> None:
        self.notify(str(error), severity="error")

    def reporting_errors(self, work: Callable[[], None]) -> bool:
        """Run `work` and notify of a `SeddError` that it raises. Returns whether it succeeded."""
        try:
            work()
        except SeddError as error:
            self.notify_error(error)
            return False
        return True

    def on_canvas_view_resized(self) -> None:
        if self.canvas.page.width != self.canvas.page_width:
            self.refresh_view()

    def _on_frame(self) -> None:
        """Advance the playback and show new moments."""
        now = time.monotonic()
        branch = self.scene.branch
        if self.playing and branch is None and self.active_run_id is None:
            self.playing, self._dirty = False, True
        if self.playing and branch is not None:
            if self.speed is None and self.active_run_id is not None:
                due = branch.last - self.scene.at
            else:
                due = 1 if now - self._played_at >= 1 / (self.speed or FRAMES_PER_SECOND) - 1e-3 else 0
            if due and self.scene.at < branch.last:
                self._played_at = now
                self.session.seek(self.scene.at + due)
                self._dirty = True
            if self.scene.at == branch.last and self.active_run_id is None:
                self.playing = False
                self._dirty = True
        if self._dirty:
            self.refresh_view()


def _update_label(label: Label, text: str) -> None:
    """Set a label's text; an unchanged text causes no new layout."""
    if label.content != (text := inert(text)):
        label.update(text)
