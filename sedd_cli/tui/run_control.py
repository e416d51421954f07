"""Runs: started from a draft or resumed from a branch's tip, played, and stepped through."""

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sedd_cli.errors import SeddError
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.text.formats import keep_lines
from sedd_cli.tui import messages
from sedd_cli.tui.branch_entries import BranchEntries
from sedd_cli.tui.checkpoint_control import CheckpointControl
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.branches_dialog import BranchesDialog
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.start import run_sentence
from sedd_cli.tui.style import lengths_note, ranking_message, texts_of, writes_again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sedd_cli.generation.branches import Branch
    from sedd_cli.generation.job import Job
    from sedd_cli.generation.request import Request
    from sedd_cli.models.checkpoint import Checkpoint

FRAMES_PER_SECOND = 30
"""Maximum number of times a second that the view is updated during a run."""
SPEEDS: tuple[float | None, ...] = (1, 2, 5, 10, 20, 50, None)
"""Moments a second when playing; None: as fast as they come, or `FRAMES_PER_SECOND`."""


class RunControl:
    """What the engine writes, and which moment of it is shown."""

    def __init__(self, session: EditingSession, engine: Engine, checkpoints: CheckpointControl, ui: Interface) -> None:
        self._session, self._engine, self._checkpoints, self._ui = session, engine, checkpoints, ui
        self.seed = session.settings.seed
        """The seed of the next run; None draws one."""
        self.playing = False
        self.active_run_id: int | None = None
        """The id of the run in progress."""
        self.writing: Branch | None = None
        """The branch that the run in progress advances."""
        self.compared: Sequence[Branch] = ()
        """The candidates that the run in progress compares at its end."""
        self.entries = BranchEntries()
        self.speed: float | None = None
        self._replaying = False
        """Whether earlier moments are played again while a run goes on, until its latest is reached."""
        self.seconds_per_call = 0.0
        """Duration of a network call, smoothed."""
        self._played_at = 0.0
        self._stepped_at = 0.0
        self._started_from: Scene | None = None
        self._last_rows: tuple[int, int] = (-1, 0)
        """The seed of the last run, and the row after its last."""
        self._awaiting_load: Scene | None = None
        """The scene that is to be written once a checkpoint is loaded."""

    @property
    def _scene(self) -> Scene:
        return self._session.scene

    @property
    def idle(self) -> bool:
        return not self.playing and self.active_run_id is None

    def go(self) -> None:
        branch = self._scene.branch
        if self._session.checkpoint is None:
            self._go_once_loaded()
        elif branch is None:
            self.start()
        elif self._scene.at == branch.last and not self._unfinished(branch):
            another, remask, watch = map(self._ui.key_of, ("run.again", "token.remask", "run.watch"))
            self._ui.notify(
                f"All is written: {another} writes another, {remask} remasks a word, {watch} plays it again."
            )
        else:
            self._play(branch)

    def _go_once_loaded(self) -> None:
        if self._checkpoints.failed:
            self._ui.notify(f"There is no checkpoint: {self._ui.key_of('session.checkpoint')} chooses one.")
        else:
            self._awaiting_load = self._scene
            self._ui.notify("The checkpoint is still loading; then this is written.")

    def on_loaded(self) -> None:
        """Start what was asked for while the checkpoint was loading, unless the text has changed since."""
        if self._session.checkpoint is None:
            # What was loaded is not what the settings name by now.
            return
        scene, self._awaiting_load = self._awaiting_load, None
        if scene is self._scene:
            self.go()

    def sentence(self) -> str:
        """What a run on an empty canvas will do, as far as it is known while the checkpoint loads."""
        settings, checkpoint, facts = self._session.settings, self._session.checkpoint, self._checkpoints.facts
        if checkpoint is not None:
            from sedd_cli.generation.request import resolve

            with suppress(SeddError):
                request = resolve(self._request(checkpoint, 1, 0), checkpoint)
                blocks = checkpoint.blocks is not None or request.asked.block is not None
                return run_sentence(
                    facts.writes, request.length, request.steps, request.sampler, request.asked.order, blocks
                )
        options = SamplingOptions(**settings.sampling)
        length = options.length or facts.length
        return run_sentence(facts.writes, length, options.steps, options.sampler or "tweedie", options.order)

    def again(self) -> None:
        """Write one more candidate."""
        scene = self._scene
        if scene.branch is None:
            return self.go()
        from sedd_cli.generation.branches import Branch

        job = scene.branch.job
        new = Branch.begin(job, 1 + max(branch.number for branch in scene.branches))
        self.stop()
        self._session.apply(replace(scene, branches=(*scene.branches, new), current=len(scene.branches), at=0))
        self._play(new)
        return self._show_top()

    def pause(self) -> None:
        """Pause, or resume; at the end, play again from the first moment."""
        branch = self._scene.branch
        if not self.idle:
            self.stop()
            self._ui.state_changed()
        elif branch is None:
            self.go()
        else:
            if branch.finished and self._scene.at == branch.last:
                self._session.seek(0)
            self._play(branch)

    def watch(self) -> None:
        """Play the moments that there are, from the first on. A run goes on meanwhile."""
        if self._scene.branch is None:
            self._ui.notify(f"Nothing is written yet: {self._ui.key_of('run.go')} writes.")
            return
        self._session.seek(0)
        self.playing = self._replaying = True
        self._ui.state_changed()

    def step(self, by: int) -> None:
        branch = self._scene.branch
        if branch is None:
            return
        self.stop()
        if by > 0 and self._scene.at == branch.last:
            if not branch.finished:
                self.playing = True
                self._stepped_at = time.monotonic()
                self.active_run_id = self._engine.resume([branch], limit=1)
        else:
            self._session.seek(self._scene.at + by)
        self._ui.state_changed()

    def seek(self, at: int) -> None:
        """Show a moment; a negative one counts from behind the last."""
        branch = self._scene.branch
        if branch is not None:
            self.playing = False
            self._session.seek(at if at >= 0 else branch.last + 1 + at)
            self._ui.state_changed()

    def change_speed(self, by: int) -> None:
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, SPEEDS.index(self.speed) + by))]
        self._ui.refresh_timeline()

    def switch_branch(self, by: int) -> None:
        if len(self._scene.branches) < 2:
            writes = f"{self._ui.key_of('run.again')} writes another"
            self._ui.notify(f"There is one branch: {writes}, and so does a change at an earlier moment.")
            return
        self._session.switch_branch(self._scene.current + by)
        self._ui.state_changed()

    def show_branch(self, number: int) -> None:
        """Show a branch at its last moment."""
        self._session.switch_branch(number)
        self._ui.state_changed()

    def list_branches(self) -> None:
        if not self._scene.branches:
            self._ui.notify(f"There is no branch yet: {self._ui.key_of('run.go')} writes one.")
            return
        shown, at = self._scene.branch, self._scene.at
        current, branches = self._scene.current, self._scene.branches
        go_back = self._ui.canvas.remember_place()

        def preview(number: int) -> None:
            # The run may have put the branches in another order meanwhile.
            branch = branches[number]
            self._session.show(branch, at if branch is shown else branch.last)
            self._ui.state_changed()

        def on_choice(number: int | None) -> None:
            preview(current if number is None else number)
            if number in (None, current):
                go_back()

        self._ui.ask(BranchesDialog(self.entries.of(self._scene), current, preview), on_choice)

    def stop(self) -> None:
        """Stop the engine and the playback; all moments stay."""
        if not self.idle:
            # Also where what stopped it changes nothing else.
            self._ui.schedule_refresh()
        self._engine.stop()
        self.active_run_id, self._awaiting_load = None, None
        self.playing = self._replaying = False
        self.writing, self.compared = None, ()

    def start(self, new_rows: bool = False) -> None:
        """Fill the gaps of the draft; without gaps, continue its text on a canvas.

        `new_rows`: if the last run had the same seed, take the rows after its own.
        """
        scene, session, checkpoint = self._scene, self._session, self._session.checkpoint
        assert checkpoint is not None
        if not scene.draft.masked and session.document.path is not None and scene.draft.text and not scene.ending:
            mask, insert = self._ui.key_of("text.mask"), self._ui.key_of("text.tokens")
            self._ui.notify(
                f"Nothing is masked: select some words and press {mask}, or press {insert} where new ones are to be "
                f"written; at the end, {insert} continues the text."
            )
            return
        filling = bool(scene.draft.masked)
        strength = session.settings.strength
        if strength != 1 and any(mark.tokens is not None for mark in scene.draft.masked):
            settings, whole = self._ui.key_of("session.settings"), "strength 1 writes gaps of any length"
            self._ui.notify(
                f"At strength {strength:g} gaps keep some of their words, and as many tokens as they have: {whole} "
                f"({settings}: settings)."
            )
            return
        count, one_line = session.settings.candidates if filling else 1, session.settings.one_line
        last_seed, next_row = self._last_rows
        row = next_row if new_rows and self.seed == last_seed else 0

        def make() -> "Job":
            from sedd_cli.generation.engine import Run
            from sedd_cli.generation.infill import Infilling

            if filling:
                gaps = keep_lines(scene.draft.gaps, scene.draft.text, session.path)
                gaps = [replace(gap, one_line=gap.one_line or one_line) for gap in gaps]
                request = self._request(checkpoint, count, row, filling=True)
                return Infilling(checkpoint, request, scene.draft.text, gaps, differs=not session.settings.exact)
            return Run(checkpoint, self._request(checkpoint, 1, row, scene.draft.text, scene.ending))

        self.stop()
        self._started_from = scene
        self.playing, self.seconds_per_call = True, 0.0
        self._stepped_at = time.monotonic()
        self.active_run_id = self._engine.start(make, range(row, row + count))
        self._ui.state_changed()

    def tick(self, now: float) -> bool:
        """Advance the playback; `now` in seconds. Returns whether there is something new to show."""
        branch, scene = self._scene.branch, self._scene
        if not self.playing:
            return False
        if branch is None:
            # Until it has started, a run has no branch.
            self.playing = self.active_run_id is not None
            return not self.playing
        if self.speed is None and self.active_run_id is not None and not self._replaying:
            due = branch.last - scene.at
        else:
            due = int(now - self._played_at >= 1 / (self.speed or FRAMES_PER_SECOND) - 1e-3)
        moved = due > 0 and scene.at < branch.last
        if moved:
            self._played_at = now
            self._session.seek(scene.at + due)
        if self._scene.at == branch.last:
            self._replaying = False
            self.playing = self.active_run_id is not None
        return moved or not self.playing

    def on_started(self, message: messages.Started) -> None:
        if message.run_id != self.active_run_id:
            return
        if self._scene is not self._started_from:
            # The scene was changed before the run started.
            self.stop()
            return
        self._session.add_run(self._scene, message.branches)
        self.compared, job = message.branches, message.branches[0].job
        self._last_rows = job.request.seed, job.request.rows.stop
        if note := lengths_note(self._scene.draft, job):
            self._ui.notify(note)
        if self._scene.draft.text:
            self._checkpoints.compare(job.checkpoint, job.context()[1])
        # A seed is used for one run, unless it is locked.
        self.seed = job.request.seed if self._session.settings.lock_seed else None
        self._ui.state_changed()
        self._show_top()

    def on_advanced(self, message: messages.Advanced) -> None:
        if message.run_id != self.active_run_id:
            return
        self.writing = message.branch
        now = time.monotonic()
        taken, self._stepped_at = now - self._stepped_at, now
        self.seconds_per_call = taken if not self.seconds_per_call else 0.9 * self.seconds_per_call + 0.1 * taken
        if self.playing:
            self._ui.schedule_refresh()
        else:
            # An earlier moment is on screen; only the progress is new.
            self._ui.refresh_timeline()

    def on_ranked(self, message: messages.Ranked) -> None:
        if message.run_id != self.active_run_id or self._scene.branch is None:
            return
        from sedd_cli.generation.filling import rank

        best_first = sorted(
            message.branches, key=lambda branch: rank(writes_again(branch), texts_of(branch), branch.nats or 0.0)
        )
        best, scene, first = best_first[0], self._scene, message.branches[0]
        # Whoever has looked elsewhere or accepted something meanwhile keeps what is shown.
        at_end = scene.at == first.last or (self.playing and self.speed is None and not self._replaying)
        self._session.rank(best_first, show_best=scene.branch is first and at_end and not scene.verdicts)
        shown = self._scene.branch is best
        where = "shown" if shown else f"the first: {self._ui.key_of('branch.list')} lists them"
        self._ui.notify(ranking_message(best_first, where))
        self._ui.schedule_refresh()

    def on_stopped(self, message: messages.Stopped) -> None:
        if message.run_id == self.active_run_id:
            self.active_run_id, self.writing, self.compared = None, None, ()
            self.playing = self.playing and self._scene.branch is not None
            self._ui.schedule_refresh()

    def on_failed(self, message: messages.Failed) -> None:
        self._ui.notify_error(message.error)

    def _show_top(self) -> None:
        """Show the first rows of a canvas that is only now written, unless the cursor is on a token of it."""
        canvas = self._ui.canvas
        if canvas.cursor == canvas.page.end and self._scene.at == 0 and self._scene.run is not None:
            canvas.move_cursor(canvas.page.address(0, 0))

    def _play(self, branch: "Branch") -> None:
        """Show a branch from here on, and write what is left of it; of a candidate, what is left of the others too."""
        self.playing, self._replaying = True, False
        if self.active_run_id is None and (unfinished := self._unfinished(branch)):
            self._stepped_at = time.monotonic()
            self.compared = self._candidates(branch)
            self.active_run_id = self._engine.resume(unfinished, candidates=self.compared)
        self._ui.state_changed()

    def _unfinished(self, branch: "Branch") -> list["Branch"]:
        """The branch and the candidates beside it, as far as they are not written."""
        others = [other for other in self._candidates(branch) if other is not branch]
        return [b for b in (branch, *others) if not b.finished]

    def _candidates(self, branch: "Branch") -> list["Branch"]:
        """The candidates of a document among which a branch is one; none for a branch with edits."""
        if branch.parent is not None or self._scene.infilling is None:
            return []
        return [other for other in self._scene.branches if other.parent is None]

    def _request(
        self, checkpoint: "Checkpoint", count: int, row: int, prompt: str = "", suffix: str = "", filling: bool = False
    ) -> "Request":
        """What the settings ask for; what they leave open is as the checkpoint's authors have it.

        `filling`: for the gaps of a document.
        """
        from sedd_cli.generation.defaults import with_defaults
        from sedd_cli.generation.request import Request

        settings = self._session.settings
        chosen = settings.sampling
        ends = {"prompt": prompt or None, "suffix": suffix or None}
        if not filling:
            # These are of a text that stands.
            chosen = {name: value for name, value in chosen.items() if name not in ("strength", "by")}
        asked = Request(**chosen | ends | {"seed": self.seed, "row": row, "num_samples": count})
        return asked if settings.exact else with_defaults(checkpoint, asked, chosen, filling=filling).options
