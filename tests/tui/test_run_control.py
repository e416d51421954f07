"""Runs by their keys: begun, stopped, gone through to and fro, one beside another."""

import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event, Semaphore

import pytest
import torch
from safetensors.torch import load_file
from textual.events import Key

from sedd_cli import Checkpoint, Gap, generate, infill
from sedd_cli.tui.messages import Loaded, Loading
from sedd_cli.tui.screens.branches_dialog import BranchesDialog
from sedd_cli.tui.screens.checkpoint_dialog import CheckpointDialog
from sedd_cli.tui.screens.input_dialog import InputDialog
from sedd_cli.tui.widgets.timeline import Timeline
from tests.conftest import PARITY
from tests.tui.conftest import SMALL, Opened, Seat, one_size

pytestmark = pytest.mark.asyncio

OPTIONS = {name: SMALL[name] for name in ("steps", "length", "seed")}
STORY = "Once upon a time, there was a little dog. He ran to the park."
GAPS = [Gap(5, 9), Gap(30, 36)]
GIRL = "Once upon a time, there was a {} girl named Lily."
LONG = {"length": 200, "sampler": "first-hitting"}
"""A run of so many calls that there is time to stop it."""


def status(seat: Seat) -> tuple[str, ...]:
    """What the timeline tells beside the progress."""
    state = seat.main_screen.query_one(Timeline).state
    return state.notes + state.figures


async def loose_end(seat: Seat, at: int) -> None:
    """From a finished run, a branch that leaves it at a moment with nothing changed: a token is locked and unlocked."""
    await seat.rush("less_than_sign", *["full_stop"] * at)
    n = len(seat.ids)
    seat.canvas.move_cursor((0, int(seat.moment.step.changed[0]) - n if seat.moment.step else -n))
    await seat.press("l", "l")


@pytest.mark.usefixtures("threads")
async def test_go_writes_what_the_library_writes(opened: Opened, one_block: Checkpoint) -> None:
    (sample,) = generate(one_block, defaults="checkpoint", **OPTIONS)
    async with opened() as seat:
        await seat.go()
        assert seat.ids == sample.ids.tolist() and seat.scene.text == sample.text
        assert seat.scene.at == seat.branch.last == sample.nfe and f"calls {sample.nfe}/{sample.nfe}" in status(seat)
        assert "seed 7" in seat.title and "untitled *" in seat.named and len(seat.loads) == 1
        await seat.press("g")
        assert "All is written" in seat.told[-1] and len(seat.scene.branches) == 1


@one_size
@pytest.mark.usefixtures("threads")
async def test_go_continues_what_was_typed(opened: Opened, one_block: Checkpoint) -> None:
    (sample,) = generate(one_block, defaults="checkpoint", prompt="A cat", **OPTIONS)
    async with opened() as seat:
        await seat.write("A cat")
        await seat.press("escape")
        await seat.go()
        assert seat.ids == sample.ids.tolist() and seat.scene.text == sample.text


@one_size
@pytest.mark.usefixtures("threads")
async def test_an_infill_is_that_of_the_library(opened: Opened, one_block: Checkpoint) -> None:
    fillings = infill(one_block, STORY, GAPS, num_samples=2, temperature=3.0, defaults="checkpoint", **OPTIONS)
    async with opened(STORY, candidates=2, temperature=3.0) as seat:
        await seat.rush("ctrl+right", "m", *["ctrl+right"] * 7, "m")
        assert seat.scene.draft.gaps == GAPS
        await seat.go()
        found = sorted((branch.nats, branch.number) for branch in seat.scene.branches)
        assert found == [(filling.nats, filling.row) for filling in fillings]
        await seat.until(lambda: seat.told)
        assert "The best of 2 candidates is shown." in seat.told
        for filling in (*fillings, fillings[0]):
            assert seat.branch.number == filling.row and seat.scene.text == filling.text
            await seat.press("n")


@one_size
async def test_what_is_chosen_precedes_what_is_the_checkpoints_own(opened: Opened) -> None:
    for chosen, order in (({}, "confidence"), ({"order": "random"}, "random")):
        async with opened(STORY, candidates=1, **chosen) as seat:
            await seat.rush("ctrl+right", "m")
            await seat.go()
            assert seat.branch.job.request.asked.order == order
            assert ("order confidence" in seat.title) == (order == "confidence") and "top-p" in seat.title


@one_size
async def test_the_best_candidate_is_shown_first_and_accepted(opened: Opened, one_block: Checkpoint) -> None:
    def order(temperature: float) -> list[int]:
        options = {**OPTIONS, "num_samples": 4, "temperature": temperature}
        return [found.row for found in infill(one_block, STORY, GAPS, defaults="checkpoint", **options)]  # type: ignore[arg-type]

    # The one that is written first is not to fit best.
    temperature = next(t for t in (3.0, 4.0, 5.0, 6.0) if order(t)[0] != 0)
    async with opened(STORY, candidates=4, temperature=temperature) as seat:
        await seat.rush("ctrl+right", "m", *["ctrl+right"] * 7, "m")
        await seat.go()
        nats = [branch.nats for branch in seat.scene.branches]
        assert nats == sorted(nats) and seat.scene.current == 0 and seat.scene.at == seat.branch.last
        assert seat.branch.number != 0
        best = [seat.scene.written(gap) for gap in (0, 1)]
        await seat.press("b")
        dialog = await seat.shown(BranchesDialog)
        assert " · fits best · " in dialog._options[0].plain and "as likely as the best" in dialog._options[1].plain
        assert dialog._options[0].plain.endswith(f" · {' … '.join(' '.join(text.split()) for text in best)}")
        await seat.press("escape")
        await seat.back()
        await seat.press("A")
        assert seat.scene.text == f"{STORY[:5]}{best[0]}{STORY[9:30]}{best[1]}{STORY[36:]}"


@one_size
async def test_what_is_looked_at_stays_when_candidates_are_compared(opened: Opened) -> None:
    async with opened(STORY, candidates=2, temperature=3.0) as seat:
        await seat.rush("ctrl+right", "m")
        await seat.loaded()
        # The engine is held before it compares.
        held = Event()
        compare = seat.main_screen.engine._rank
        seat.main_screen.engine._rank = lambda *args: held.wait(60) and compare(*args)
        await seat.tap("g", lambda: seat.scene.branches and seat.scene.branches[1].finished)
        await seat.press("n")
        looked_at = seat.branch
        assert "comparing the candidates" in status(seat)
        held.set()
        await seat.still()
        await seat.until(lambda: seat.told)
        assert seat.branch is looked_at and seat.told[-1].startswith("The best of 2 candidates")
        assert "comparing the candidates" not in status(seat)


def written_by_two(checkpoint: Checkpoint, temperature: float) -> tuple[str, str]:
    """What two candidates write in the place of a word by the checkpoint's own law, the best first."""
    text = GIRL.format("tiny")
    at = text.index("tiny")
    gap = [(at, at + len("tiny"))]
    options = {**OPTIONS, "num_samples": 2, "temperature": temperature}
    first, second = infill(checkpoint, text, gap, **options)  # type: ignore[arg-type]
    return first.written[0], second.written[0]


@one_size
@pytest.mark.parametrize("agreed", [True, False], ids=["the same", "different"])
@pytest.mark.parametrize("kept", [True, False], ids=["as before", "new"])
async def test_it_is_said_where_candidates_change_nothing(
    opened: Opened, one_block: Checkpoint, agreed: bool, kept: bool
) -> None:
    temperatures = [0.1] if agreed else [1.0 + n / 4 for n in range(12)]
    written = ((temperature, *written_by_two(one_block, temperature)) for temperature in temperatures)
    temperature, best, other = next(
        found for found in written if found[1].isalpha() and (found[1] == found[2]) == agreed
    )
    text = GIRL.format(best if kept else "tiny")
    async with opened(text, candidates=2, temperature=temperature, exact=True) as seat:
        await seat.loaded()
        seat.canvas.move_cursor((text.index(" girl") - 1, 0))
        await seat.press("m")
        await seat.go()
        # What stood there comes last.
        assert seat.scene.text == GIRL.format(other if kept else best)
        assert replace(seat.scene, current=1, at=seat.scene.branches[1].last).text in map(GIRL.format, (best, other))
        await seat.until(lambda: seat.told)
        assert ("All 2 candidates write the same" in seat.told[-1]) == agreed
        assert ("what stood there" in seat.told[-1]) == kept


GERMAN = "Die Sitzung des Haushaltsausschusses wurde auf den kommenden Donnerstag verschoben, weil Unterlagen fehlten."


@one_size
async def test_a_text_unlike_the_checkpoints_is_warned_of_once(opened: Opened) -> None:
    async with opened(GERMAN, model="tinystories") as seat:
        await seat.loaded()
        # Before anything is written.
        await seat.until(lambda: seat.told)
        assert seat.told == [
            "This text is unlike what tinystories was trained on (children's stories): what it writes may not fit. "
            "k switches the checkpoint."
        ]
        await seat.rush("ctrl+right", "m")
        await seat.go()
        # This is answered after a check.
        await seat.known()
        assert sum("is unlike" in said for said in seat.told) == 1
    async with opened(STORY, model="tinystories") as seat:
        await seat.rush("ctrl+right", "m")
        await seat.go()
        await seat.known()
        assert not any("is unlike" in said for said in seat.told)
        (seat.folder / "german.txt").write_text(GERMAN)
        await seat.press("X")
        seat.main_screen.files.open_file(seat.folder / "german.txt")
        await seat.until(lambda: any("is unlike" in said for said in seat.told))
    async with opened(length=96, model="tinystories") as seat:
        await seat.loaded()
        await seat.press("i")
        await seat.write(GERMAN)
        await seat.press("escape")
        await seat.go()
        await seat.until(lambda: any("is unlike" in said for said in seat.told))


@one_size
async def test_a_candidate_is_said_to_be_written_only_while_it_is(opened: Opened) -> None:
    async with opened(STORY, candidates=2, sampler="first-hitting") as seat:
        await seat.loaded()
        seat.canvas.move_cursor((len(STORY), 0), (5, 0))
        await seat.press("m")
        # One step at a time.
        steps = Semaphore(0)
        begun = seat.main_screen.engine._compute_alternatives
        seat.main_screen.engine._compute_alternatives = lambda: (begun(), steps.acquire(timeout=60))
        seat.app.post_message(Key("g", "g"))
        await seat.until(lambda: seat.scene.branches)
        first, second = seat.scene.branches
        steps.release(first.calls_left(0))
        await seat.until(lambda: second.last == 1 and "writing candidate 2" in status(seat))
        # Once stopped, none is being written.
        await seat.tap("space", lambda: seat.main_screen.runs.active_run_id is None)
        steps.release(10**6)
        await seat.settle()
        assert first.finished and not second.finished and not any("writing" in part for part in status(seat))
        # What was stopped is gone on with, and compared.
        await seat.go("g")
        assert second.finished and not any("writing" in part for part in status(seat))
        await seat.until(lambda: seat.told)
        assert seat.told[-1].startswith("The best of 2 candidates")


async def test_going_back_is_exact_and_runs_nothing(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        branch, moments = seat.branch, list(seat.branch.moments)
        assert len(moments) > 4
        for at in (*reversed(range(len(moments) - 1)), 0):
            await seat.press("comma")
            assert seat.scene.at == at and seat.moment is moments[at]
            masks = seat.page.text_between(seat.page.address(0, 0), seat.page.end).count("···")
            assert masks == moments[at].masked == seat.ids.count(branch.job.checkpoint.mask_id)
        for at in range(1, 4):
            await seat.press("full_stop")
            assert seat.moment is moments[at]
        await seat.press("less_than_sign")
        assert seat.scene.at == 0
        await seat.press("greater_than_sign", "full_stop")
        assert seat.scene.at == len(moments) - 1
        assert branch.moments == moments and seat.scene.branches == (branch,)
        # Playing on from before runs nothing either.
        await seat.press("less_than_sign")
        await seat.go("space")
        assert seat.scene.at == branch.last and branch.moments == moments


@one_size
async def test_forth_at_the_end_makes_one_call_until_all_is_written(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        original = seat.branch
        await loose_end(seat, 2)
        branch = seat.branch
        assert branch.parent is original and branch.forked_at == 2 and branch.last == 4
        for calls in range(3, original.last + 1):
            assert not branch.finished
            await seat.go("full_stop")
            assert (branch.last, branch.calls_made(branch.last), seat.scene.at) == (calls + 2, calls, calls + 2)
        assert branch.finished
        await seat.go("full_stop")
        assert branch.last == original.last + 2
        assert branch.tip.states[0].ids.tolist() == original.tip.states[0].ids.tolist()


@one_size
async def test_a_branch_without_edits_is_the_original_continuation(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        original = seat.branch
        await loose_end(seat, 3)
        await seat.go()
        assert seat.branch is not original
        assert seat.ids == original.tip.states[0].ids.tolist()
        before = [m.states[0].ids.tolist() for m in original.moments[4:]]
        assert [m.states[0].ids.tolist() for m in seat.branch.moments[6:]] == before


async def test_pause_and_play(opened: Opened) -> None:
    async with opened(**LONG) as seat:
        await seat.loaded()
        screen = seat.main_screen
        await seat.tap("space", lambda: screen.runs.active_run_id is not None)
        for moments in (3, 9):
            await seat.until(lambda least=moments: seat.scene.branch and seat.branch.last >= least)
            await seat.tap("space", lambda: screen.runs.active_run_id is None)
            # This is answered once the engine has stopped.
            await seat.until(lambda: screen.tokens.alternatives)
            assert not screen.runs.playing and not seat.branch.finished
            last = seat.branch.last
            await seat.press("less_than_sign", "greater_than_sign")
            assert seat.scene.at == seat.branch.last == last
            await seat.tap("space", lambda: screen.runs.playing and screen.runs.active_run_id is not None)
        # The session ends while it runs.


@one_size
async def test_ctrl_c_says_what_it_stopped_and_what_quits(opened: Opened) -> None:
    async with opened(**LONG) as seat:
        await seat.loaded()
        await seat.press("ctrl+c")
        assert seat.told == ["^q quits."]
        await seat.tap("enter", lambda: seat.scene.branch and seat.branch.last >= 2)
        await seat.tap("ctrl+c", lambda: seat.main_screen.runs.active_run_id is None)
        await seat.until(lambda: len(seat.told) == 2 and "space play" in seat.seen)
        assert seat.told[-1] == "Stopped. ^q quits." and not seat.branch.finished
        await seat.press("ctrl+c")
        assert seat.told[-1] == "^q quits."


@one_size
async def test_a_text_that_was_saved_is_gone_on_with_by_a_gap_at_its_end(opened: Opened) -> None:
    async with opened("A cat") as seat:
        await seat.loaded()
        await seat.press("g")
        assert "at the end, t continues the text" in seat.told[-1] and not seat.scene.branches
        await seat.press("ctrl+end", "t")
        await seat.shown(InputDialog)
        await seat.answer("6")
        await seat.back()
        await seat.go()
        assert seat.scene.text.startswith("A cat") and len(seat.scene.ids_of(0)) == 6 and seat.branch.finished


@one_size
async def test_looking_back_during_a_run_does_not_stop_it(opened: Opened) -> None:
    async with opened(**LONG) as seat:
        await seat.loaded()
        await seat.tap("enter", lambda: seat.scene.branch and seat.branch.last >= 2)
        await seat.tap("less_than_sign", lambda: not seat.main_screen.runs.playing)
        last = seat.branch.last
        await seat.until(lambda: seat.branch.last > last)
        assert seat.scene.at == 0 and seat.main_screen.runs.active_run_id is not None
        # Played again from there while it is written.
        await seat.tap("w", lambda: seat.scene.at > 0)
        assert seat.scene.at < seat.branch.last and seat.main_screen.runs.active_run_id is not None
        await seat.tap("less_than_sign", lambda: not seat.main_screen.runs.playing)
        await seat.tap("comma", lambda: seat.main_screen.runs.active_run_id is None)
        assert seat.scene.at == 0


@one_size
async def test_slower_and_faster(opened: Opened) -> None:
    async with opened() as seat:
        await seat.go()
        await seat.press("right_square_bracket")
        assert seat.main_screen.runs.speed is None
        await seat.press("left_square_bracket")
        assert seat.main_screen.runs.speed == 50 and "50/s" in status(seat)
        await seat.press("less_than_sign")
        await seat.go("space")
        assert seat.scene.at == seat.branch.last
        await seat.rush(*["left_square_bracket"] * 6)
        assert seat.main_screen.runs.speed == 1 and "1/s" in status(seat)
        await seat.rush(*["right_square_bracket"] * 6)
        assert seat.main_screen.runs.speed is None and not any("/s" in part for part in status(seat))


@pytest.mark.parametrize("size", [(80, 24), (160, 40)], indirect=True, ids=["list", "column"])
@pytest.mark.usefixtures("threads")
async def test_candidates_one_beside_another(opened: Opened, one_block: Checkpoint) -> None:
    samples = generate(one_block, defaults="checkpoint", num_samples=2, **OPTIONS)
    async with opened() as seat:
        await seat.go()
        await seat.press("n")
        assert "There is one branch" in seat.told[-1]
        await seat.go("G")
        assert [branch.number for branch in seat.scene.branches] == [0, 1] and seat.scene.current == 1
        assert seat.scene.text == samples[1].text and "branch 2/2" in seat.named
        for key in ("n", "n", "N", "N"):
            before = seat.scene.current
            await seat.press(key)
            assert seat.scene.current == 1 - before and seat.scene.text == samples[1 - before].text
        if seat.app.size.width < 140:
            # Each is shown as the cursor moves over it; escape brings back what was there.
            await seat.press("comma", "b")
            dialog = await seat.shown(BranchesDialog)
            at = seat.scene.at
            assert [option.plain.split(" · ")[0] for option in dialog._options] == ["candidate 1", "candidate 2"]
            await seat.press("up")
            assert seat.scene.text == samples[0].text and "branch 1/2" in seat.named
            await seat.press("escape")
            await seat.back()
            assert (seat.scene.current, seat.scene.at) == (1, at)
            await seat.press("b")
            await seat.shown(BranchesDialog)
            await seat.press("up", "enter")
            await seat.back()
        else:
            assert all(" ".join(sample.text.split())[:24] in seat.seen for sample in samples)
            await seat.press("b", "up")
            assert seat.scene.text == samples[0].text
            await seat.press("down", "up", "escape")
            assert seat.canvas.has_focus
        assert seat.scene.current == 0 and "branch 1/2" in seat.named
        await seat.press("u")
        assert len(seat.scene.branches) == 1 and seat.scene.text == samples[0].text


@one_size
async def test_one_more_where_there_is_none_is_the_first(opened: Opened) -> None:
    async with opened() as seat:
        await seat.write("A cat")
        await seat.press("escape", "b", "comma", "full_stop", "less_than_sign")
        assert seat.told == ["There is no branch yet: g writes one."]
        await seat.go("G")
        assert len(seat.scene.branches) == 1 and seat.branch.finished


@one_size
async def test_a_fresh_seed_for_each_run_unless_it_is_locked(opened: Opened) -> None:
    async with opened(seed=None, lock_seed=False) as seat:
        await seat.go()
        first = seat.branch.job.request.seed
        await seat.press("u")
        await seat.go()
        assert seat.branch.job.request.seed != first
    async with opened(seed=None, lock_seed=True) as seat:
        await seat.go()
        first = seat.branch.job.request.seed
        await seat.press("u")
        await seat.go()
        assert seat.branch.job.request.seed == first


@one_size
async def test_no_checkpoint_is_said_and_another_one_chosen(
    opened: Opened, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nothing = tmp_path_factory.mktemp("nothing")
    async with opened(STORY, model=str(nothing)) as seat:
        await seat.until(lambda: seat.main_screen.checkpoints.status == "no checkpoint")
        assert str(nothing) in seat.told[0] and "no checkpoint" in seat.title
        lines = seat.told[0].splitlines()
        assert len(lines) == len(set(lines))
        await seat.press("ctrl+right", "m", "g")
        assert seat.told[-1] == "There is no checkpoint: k chooses one." and len(seat.scene.draft.masked) == 1
        await seat.press("k")
        await seat.shown(CheckpointDialog)
        await seat.until(lambda: "On this computer" in seat.seen)
        await seat.press("enter")
        await seat.loaded()
        assert seat.session.checkpoint is not None and seat.session.checkpoint.name == "tinystories"
        assert seat.app.settings.model is None and len(seat.scene.draft.masked) == 1


@one_size
async def test_only_the_checkpoint_that_was_asked_for_last_is_on_the_desk(opened: Opened, tmp_path: Path) -> None:
    """Whatever was asked for while another one was on its way."""

    async def asked(seat: Seat, *models: str | None) -> None:
        # The engine is held until all is asked for: loads are as far apart as they can be.
        held = Event()
        seat.main_screen.engine._tasks.put(lambda: held.wait(60) and None)
        for model in models:
            seat.app.apply_settings(replace(seat.main_screen.settings, model=model))
        held.set()

    async with opened() as seat:
        await seat.loaded()
        await asked(seat, str(PARITY / "radd"), str(tmp_path))
        await seat.until(lambda: seat.main_screen.checkpoints.status == "no checkpoint")
        assert seat.main_screen.session.checkpoint is None and seat.title == "sedd  no checkpoint"
        assert len(seat.loads) == 1, "nothing was loaded that was not wanted any more"
        await seat.press("enter")
        assert seat.told[-1] == "There is no checkpoint: k chooses one." and not seat.scene.branches
        told = len(seat.told)
        await asked(seat, str(tmp_path), None)
        await seat.loaded()
        assert len(seat.loads) == 2 and seat.main_screen.session.checkpoint.name in seat.title
        assert len(seat.told) == told, "what is not wanted any more failed in silence"


@one_size
async def test_what_was_loaded_too_late_is_let_go(opened: Opened, tmp_path: Path) -> None:
    """It was read to its end before another one was asked for, and heard of after that."""
    async with opened() as seat:
        await seat.loaded()
        found = seat.main_screen.session.checkpoint
        stale = (
            Loading(seat.main_screen.checkpoints._load_id, "later"),
            Loaded(seat.main_screen.checkpoints._load_id, found),
        )
        seat.app.apply_settings(replace(seat.main_screen.settings, model=str(tmp_path)))
        await seat.until(lambda: seat.main_screen.checkpoints.status == "no checkpoint")
        for message in stale:
            seat.main_screen.post_message(message)
        await seat.settle()
        assert seat.main_screen.session.checkpoint is None and seat.title == "sedd  no checkpoint"


@one_size
async def test_what_cannot_be_run_is_said_and_nothing_plays(opened: Opened) -> None:
    async with opened(STORY, length=4) as seat:
        await seat.loaded()
        await seat.press("ctrl+a", "m", "g")
        await seat.until(lambda: seat.main_screen.runs.active_run_id is None and seat.told)
        assert "does not fit on a canvas of 4" in seat.told[-1]
        assert not seat.main_screen.runs.playing and len(seat.scene.draft.masked) == 1


@one_size
async def test_another_checkpoint_leaves_what_is_written_as_it_is(opened: Opened, tmp_path: Path) -> None:
    """With one that has no tokenizer, while it loads and where there is none."""
    async with opened() as seat:
        await seat.go()
        seen, title = seat.page.text_of(0), seat.title
        for model in (str(PARITY / "radd"), str(tmp_path)):
            seat.app.apply_settings(replace(seat.main_screen.settings, model=model))
            assert seat.page.text_of(0) == seen and seat.title == f"{title} · loading {Path(model).name}"
            await seat.until(
                lambda: (
                    seat.main_screen.checkpoints.status == "no checkpoint"
                    or seat.main_screen.session.checkpoint is not None
                )
            )
            await seat.settle()
            assert seat.page.text_of(0) == seen
        assert seat.title == f"{title} · no checkpoint"


@one_size
async def test_how_a_checkpoint_was_read_is_notified(opened: Opened, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "radd"))
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": load_file(PARITY / "radd" / "model.safetensors")}, folder / "last.ckpt")
    async with opened(model=str(folder)) as seat:
        await seat.loaded()
        await seat.settle()
        assert "the weights are those under 'state_dict' in last.ckpt" in seat.told
