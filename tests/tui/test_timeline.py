"""The timeline: what it tells of a run, and what of that it shows in so many columns."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult

from sedd_cli import Checkpoint, Request, Run
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.infill import Infilling
from sedd_cli.text.draft import Draft
from sedd_cli.tui.commands import BY_ID, key_name
from sedd_cli.tui.next_steps import hints
from sedd_cli.tui.progress import share_done, time_left
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import timeline_state
from sedd_cli.tui.widgets.hints import fitting
from sedd_cli.tui.widgets.timeline import Timeline, TimelineState, sparkline


def test_a_share_is_100_only_at_the_end() -> None:
    assert [share_done(made, 160, exact=True) for made in (0, 1, 99, 159, 160)] == ["0%", "0%", "61%", "99%", "100%"]
    assert share_done(0, 0, exact=True) == "100%"
    assert share_done(20, 32, exact=False) == "≥62%"


def test_times_have_two_digits() -> None:
    seconds = (0.0, 1.44, 9.94, 9.96, 89.4, 90, 5399, 9000)
    times = ["0.1 s", "1.4 s", "9.9 s", "10 s", "89 s", "2 min", "90 min", "2.5 h"]
    assert [time_left(s, exact=True) for s in seconds] == [f"{time} left" for time in times]
    assert time_left(1.44, exact=False) == "≤1.4 s left"


@pytest.mark.parametrize(
    ("values", "width", "span", "drawn"),
    [
        ((7, 6, 5, 4, 3, 2, 1, 0), 8, 8, "█▇▆▅▄▃▂▁"),
        ((7, 7, 0, 0), 2, 4, "█▁"),
        # The rest is still to come.
        ((7, 3), 8, 8, "█▄      "),
        ((7, 0, 7), 3, 6, "▅█ "),
        # Where nothing was written it is as before.
        ((None, 7, None, 3.5), 4, 4, " ██▅"),
        ((None, 0.0), 8, 2, " ▁"),
    ],
)
def test_a_sparkline(values: tuple[float | None, ...], width: int, span: int, drawn: str) -> None:
    assert sparkline(values, width, span) == drawn


def state_of(scene: Scene, seconds_per_call: float = 0.0, speed: str = "") -> TimelineState:
    return timeline_state(scene, False, seconds_per_call, speed, None, False)


def written(checkpoint: Checkpoint, calls: int, **options: object) -> Branch:
    """A branch after so many network calls."""
    branch = Branch.begin(Run(checkpoint, Request(length=16, steps=8, seed=0, **options)), 0)
    for _, step in zip(range(calls), branch.resume(), strict=False):
        branch.add(step)
    return branch


def test_progress_is_a_share_and_a_time_and_figures_are_apart(shallow: Checkpoint) -> None:
    branch = written(shallow, 3)
    needed = 3 + branch.calls_left(3)
    state = state_of(Scene(branches=(branch,), at=2), seconds_per_call=0.5, speed="5/s")
    assert state.share == f"{200 // needed}%"
    assert state.progress == f"{state.share}, {0.5 * (needed - 3):.1f} s left"
    assert (state.at, state.last, state.needed, state.notes) == (2, 3, needed, ("5/s",))
    step = branch.moments[2].step
    assert step is not None
    masks, calls = f"masks {branch.moments[2].masked}/16", f"calls 2/{needed}"
    assert state.figures == (f"step {step.step}/8", f"t {step.t:.2f}", masks, calls)


def test_a_finished_run_is_done_at_its_end_only(shallow: Checkpoint) -> None:
    branch = written(shallow, 16)
    branch.nats = 12.34
    end, before = (state_of(Scene(branches=(branch,), at=at), 0.5) for at in (branch.last, 1))
    assert end.progress == end.share == "done" and end.figures[-1] == "12.3 nats"
    assert before.progress == before.share == f"{100 // branch.last}%"


def test_an_upper_bound_is_marked(shallow: Checkpoint) -> None:
    branch = written(shallow, 2, order="confidence", threshold=0.5)
    needed = 2 + branch.calls_left(2)
    state = state_of(Scene(branches=(branch,), at=2), 0.5)
    assert state.progress.startswith("≥") and ", ≤" in state.progress
    assert f"calls 2/≤{needed}" in state.figures


def test_curves_have_a_value_a_moment(shallow: Checkpoint) -> None:
    branch = written(shallow, 4).edited(4, {}, "locked dog")
    state = state_of(Scene(branches=(branch,), at=5))
    assert state.notes == ("locked dog",)
    assert state.masks == tuple(m.masked for m in branch.moments) and state.masks[0] == 16
    assert state.uncertainty[0] is state.uncertainty[5] is None
    step = branch.moments[3].step
    assert step is not None and state.uncertainty[3] == float(step.entropy.mean())


@pytest.mark.parametrize(
    ("draft", "awaits"),
    [
        (Draft(""), "nothing written yet"),
        (Draft("A dog."), "no gap to write"),
        (Draft("A dog ran.").mask(2, 5).mask(6, 9), "2 gaps to write"),
    ],
)
def test_without_a_run_it_names_what_the_draft_awaits(draft: Draft, awaits: str) -> None:
    assert state_of(Scene(draft)) == TimelineState(progress=awaits)


def offered(scene: Scene, paused: bool = True) -> list[str]:
    """The first labels of the foot line, with their keys."""
    return [f"{key} {label}" for key, label, _ in hints(scene, False, paused, lambda id: key_name(BY_ID[id].keys))[:5]]


def test_the_foot_line_offers_what_comes_next(shallow: Checkpoint) -> None:
    run = Scene(branches=(written(shallow, 16),))
    end = replace(run, at=run.branches[0].last)
    assert offered(run, paused=False)[0] == "space pause"
    assert offered(run)[:2] == ["space play", ", back"]
    assert offered(end) == ["G another", "y copy", "s ^s save", "e export", "w watch again"]
    branched = replace(end, branches=run.branches * 2)
    assert offered(branched)[:3] == ["n next branch", "b branches", "s ^s save"]
    draft = Draft("A dog ran.").mask(2, 5)
    filling = Branch.begin(Infilling(shallow, Request(steps=2, seed=0), draft.text, draft.gaps), 0)
    assert offered(Scene(draft, (filling,)))[0] == "space play"
    for step in filling.resume():
        filling.add(step)
    filled = Scene(draft, (filling,), at=filling.last)
    assert offered(filled)[:3] == offered(filled.flattened)[:3] == ["a accept", "x reject", "n next"]
    assert offered(filled, paused=False) == offered(filled), "verdicts need not wait for the comparison of candidates"
    assert offered(Scene(draft))[0] == "g go" and offered(Scene(Draft("A dog.")))[0] == "m mask"


def test_a_narrow_foot_line_has_the_first_hint_and_help() -> None:
    hints = [("esc", "then g writes on", ""), ("^s", "save", ""), ("F1", "help", ""), ("^q", "quit", "")]
    labels = {width: [label for _, label, _ in fitting(hints, width)] for width in (47, 46, 38, 37, 29, 28)}
    assert labels[47] == ["then g writes on", "save", "help", "quit"]
    assert labels[46] == labels[38] == ["then g writes on", "help", "quit"]
    assert labels[37] == ["then g writes on", "help"] and labels[29] == labels[37] and labels[28] == ["save", "help"]


RUNNING = TimelineState(
    at=50,
    last=60,
    needed=100,
    playing=True,
    share="50%",
    progress="50%, 1.4 s left",
    notes=("writing candidate 2",),
    figures=("step 50/256", "t 0.80", "masks 50/99", "calls 50/≤100"),
    masks=tuple(range(99, 38, -1)),
    uncertainty=(None, *(3.0,) * 60),
)


class Host(App[None]):
    CSS = "Timeline { height: 2; }"

    def compose(self) -> ComposeResult:
        yield Timeline()


def lines(timeline: Timeline, rows: Iterable[int] = (0, 1)) -> list[str]:
    return [timeline.render_line(y).text.rstrip() for y in rows]


@pytest.mark.asyncio
async def test_what_is_shown_in_so_many_columns() -> None:
    async with Host().run_test(size=(120, 10)) as pilot:
        timeline = pilot.app.query_one(Timeline)
        timeline.show(RUNNING)
        bar, figures = lines(timeline)
        assert bar == "━" * 60 + "●" + "━" * 11 + "─" * 48
        text, masks, uncertainty = re.split("  (?=masks|uncertainty)", figures)
        text = text.rstrip()
        assert text == "▶ 50%, 1.4 s left  writing candidate 2"
        # Of 24 columns, as much as is written.
        assert masks.rstrip() == "masks ██▇▇▇▆▆▆▆▅▅▅▄▄▄" and uncertainty == "uncertainty ███████████████"
        timeline.toggle_figures()
        assert lines(timeline, [1])[0].startswith(f"{text}  step 50/256  t 0.80  masks 50/99  calls 50/≤100")
        await pilot.resize_terminal(80, 10)
        # Bound and curves have no room.
        assert lines(timeline, [1]) == [f"{text}  step 50/256  t 0.80  masks 50/99"]
        timeline.toggle_figures()
        assert "masks █" in lines(timeline, [1])[0]
        await pilot.resize_terminal(40, 10)
        assert lines(timeline, [1]) == ["▶ 50%"]
        timeline.show(TimelineState(progress="2 gaps to write"))
        assert lines(timeline, [1]) == ["2 gaps to write"]
        timeline.show(RUNNING)
        timeline.styles.height = 1
        await pilot.pause()
        (bar,) = lines(timeline, [0])
        assert bar.endswith("─   50%") and len(bar) == 40
        assert timeline.moment_at(timeline.column_of(RUNNING.last)) == RUNNING.last
