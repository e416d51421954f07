"""Commands on runs: start, pause, step, seek, switch branches."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from sedd_cli.text.formats import keep_lines
from sedd_cli.tui import messages
from sedd_cli.tui.base_screen import SPEEDS, BaseScreen
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.screens.choice_dialog import ChoiceDialog
from sedd_cli.tui.settings import SAMPLING, Settings
from sedd_cli.tui.style import branch_name, ranking_message
from sedd_cli.tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch
    from sedd_cli.generation.job import Job
    from sedd_cli.generation.request import Request
    from sedd_cli.models.checkpoint import Checkpoint


class RunActions(BaseScreen):
    """A run is started from a draft or resumed from a branch's tip, and shown while it advances."""

    _started_from: Scene | None = None
    _last_rows: tuple[int, int] = (-1, 0)
    """The seed of the last run, and the row after its last."""
    _distribution_checked: "Checkpoint | None" = None
    """The checkpoint that the text was last compared with."""

    def action_go(self) -> None:
        branch = self.scene.branch
        if self.checkpoint is None:
            self.notify(
                "The checkpoint is still loading." if self.load_status != "no checkpoint" else "There is no checkpoint."
            )
        elif branch is None:
            self._start_run()
        elif self.scene.at == branch.last and not self._unfinished(branch):
            self.notify("All is written. r remasks a token, n shows another candidate, G writes one more.")
        else:
            self._play(branch)

    def action_again(self) -> None:
        scene = self.scene
        if scene.branch is None:
            return self.action_go()
        from sedd_cli.generation.branches import Branch

        job = scene.branch.job
        new = Branch.begin(job, 1 + max(branch.number for branch in scene.branches))
        self.stop_run()
        self.apply(replace(scene, branches=(*scene.branches, new), current=len(scene.branches), at=0))
        return self._play(new)

    def action_pause(self) -> None:
        if self.playing or self.active_run_id is not None:
            self.stop_run()
            self.refresh_view()
        elif self.scene.branch is None:
            self.action_go()
        else:
            if self._at_end():
                # Play again from the first moment.
                self.session.seek(0)
            self._play(self.scene.branch)

    def action_step(self, by: int) -> None:
        branch = self.scene.branch
        if branch is None:
            return
        self.stop_run()
        if by > 0 and self.scene.at == branch.last:
            if not branch.finished:
                self.playing = True
                self._stepped_at = time.monotonic()
                self.active_run_id = self.engine.resume([branch], limit=1)
        else:
            self.session.seek(self.scene.at + by)
        self.refresh_view()

    def action_seek(self, where: str) -> None:
        if self.scene.branch is not None:
            self.playing = False
            self.session.seek(0 if where == "first" else self.scene.branch.last)
            self.refresh_view()

    def action_speed(self, by: int) -> None:
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, SPEEDS.index(self.speed) + by))]
        self.refresh_timeline()

    def action_branch(self, by: int) -> None:
        if len(self.scene.branches) < 2:
            self.notify("There is one branch. G writes another candidate; an edit at an earlier moment forks a branch.")
            return
        self.session.switch_branch(self.scene.current + by)
        self.refresh_view()

    def action_branches(self) -> None:
        if not self.scene.branches:
            self.notify("There is no branch yet: g writes one.")
            return
        options = [Text(branch_name(branch)) for branch in self.scene.branches]

        def on_choice(number: int | None) -> None:
            if number is not None:
                self.session.switch_branch(number)
                self.refresh_view()

        self.app.push_screen(
            ChoiceDialog("Branches", options, self.scene.current, "enter shows it · esc closes"), on_choice
        )

    def stop_run(self) -> None:
        """Stop the engine and the playback; all moments stay."""
        self.engine.stop()
        self.active_run_id, self.playing = None, False
        self.writing, self.compared = None, ()

    def on_timeline_seek_requested(self, message: Timeline.SeekRequested) -> None:
        self.playing = False
        self.session.seek(message.at)
        self.refresh_view()

    def on_started(self, message: messages.Started) -> None:
        if message.run_id != self.active_run_id:
            return
        if self.scene is not self._started_from:
            # The scene was changed before the run started.
            self.stop_run()
        else:
            self.session.add_run(self.scene, message.branches)
            self.compared, job = message.branches, message.branches[0].job
            self._last_rows = job.request.seed, job.request.rows.stop
            if self.scene.draft.text and self._distribution_checked is not job.checkpoint:
                self._distribution_checked = job.checkpoint
                self.engine.check_distribution(job)
            # A seed is used for one run, unless it is locked.
            self.seed = job.request.seed if self.settings.lock_seed else None
            self.refresh_view()

    def on_advanced(self, message: messages.Advanced) -> None:
        if message.run_id != self.active_run_id:
            return
        self.writing = message.branch
        now = time.monotonic()
        taken, self._stepped_at = now - self._stepped_at, now
        self.seconds_per_call = taken if not self.seconds_per_call else 0.9 * self.seconds_per_call + 0.1 * taken
        if self.playing:
            self.schedule_refresh()
        else:
            # An earlier moment is on screen; only the progress is new.
            self.refresh_timeline()

    def on_ranked(self, message: messages.Ranked) -> None:
        if message.run_id != self.active_run_id or self.scene.branch is None:
            return
        best_first = sorted(message.branches, key=lambda branch: branch.nats or 0.0)
        best, scene, first = best_first[0], self.scene, message.branches[0]
        # Whoever has looked elsewhere or accepted something meanwhile keeps what is shown.
        at_end = scene.at == first.last or (self.playing and self.speed is None)
        self.session.rank(best_first, show_best=scene.branch is first and at_end and not scene.verdicts)
        where = "shown" if self.scene.branch is best else f"the first: {self.key_of('branch.list')} lists them"
        self.notify(ranking_message(best_first, [mark.original for mark in scene.draft.masked], where))
        self.schedule_refresh()

    def on_out_of_distribution(self, message: messages.OutOfDistribution) -> None:
        self.notify(f"{message.warning}.", severity="warning")

    def on_stopped(self, message: messages.Stopped) -> None:
        if message.run_id == self.active_run_id:
            self.active_run_id, self.writing, self.compared = None, None, ()
            self.playing = self.playing and self.scene.branch is not None
            self.schedule_refresh()

    def on_failed(self, message: messages.Failed) -> None:
        self.notify_error(message.error)

    def _at_end(self) -> bool:
        branch = self.scene.branch
        return branch is not None and branch.finished and self.scene.at == branch.last

    def _play(self, branch: "Branch") -> None:
        """Show a branch from here on, and write what is left of it; of a candidate, what is left of the others too."""
        self.playing = True
        if self.active_run_id is None and (unfinished := self._unfinished(branch)):
            self._stepped_at = time.monotonic()
            self.compared = self._candidates(branch)
            self.active_run_id = self.engine.resume(unfinished, candidates=self.compared)
        self.refresh_view()

    def _unfinished(self, branch: "Branch") -> list["Branch"]:
        """The branch and the candidates beside it, as far as they are not written."""
        others = [other for other in self._candidates(branch) if other is not branch]
        return [b for b in (branch, *others) if not b.finished]

    def _candidates(self, branch: "Branch") -> list["Branch"]:
        """The candidates of a document among which a branch is one; none for a branch with edits."""
        if branch.parent is not None or self.scene.infilling is None:
            return []
        return [other for other in self.scene.branches if other.parent is None]

    def _start_run(self, new_rows: bool = False) -> None:
        """Fill the gaps of the draft; without gaps, continue its text on a canvas.

        `new_rows`: if the last run had the same seed, take the rows after its own.
        """
        scene, checkpoint = self.scene, self.checkpoint
        assert checkpoint is not None
        if not scene.draft.masked and self.session.document.path is not None and scene.draft.text:
            self.notify(
                "Nothing is masked: select something and press m, or press t to insert a gap at the cursor; "
                "at the end, t continues the text."
            )
            return
        filling = bool(scene.draft.masked)
        count, one_line = self.settings.candidates if filling else 1, self.settings.one_line
        last_seed, next_row = self._last_rows
        row = next_row if new_rows and self.seed == last_seed else 0

        def make() -> "Job":
            from sedd_cli.generation.engine import Run
            from sedd_cli.generation.infill import Infilling

            if filling:
                gaps = keep_lines(scene.draft.gaps, scene.draft.text, self.session.path)
                gaps = [replace(gap, one_line=gap.one_line or one_line) for gap in gaps]
                return Infilling(checkpoint, self._request(checkpoint, count, row), scene.draft.text, gaps)
            return Run(checkpoint, self._request(checkpoint, 1, row, scene.draft.text))

        self.stop_run()
        self._started_from = scene
        self.playing, self.seconds_per_call = True, 0.0
        self._stepped_at = time.monotonic()
        self.active_run_id = self.engine.start(make, range(row, row + count))
        self.refresh_view()

    def _request(self, checkpoint: "Checkpoint", count: int, row: int, prompt: str = "") -> "Request":
        """What the settings ask for; what they leave as it is by default is as the checkpoint's authors have it."""
        from sedd_cli.generation.defaults import with_defaults
        from sedd_cli.generation.request import Request

        chosen = {name: getattr(self.settings, name) for name in SAMPLING}
        asked = Request(**chosen | {"seed": self.seed, "row": row, "num_samples": count, "prompt": prompt or None})
        if self.settings.exact:
            return asked
        given = [name for name, value in chosen.items() if value != Settings.model_fields[name].default]
        return with_defaults(checkpoint, asked, given).options
