"""Entries of branches: how well they fit in plain words, and the first rows of what they write."""

import math
from dataclasses import replace

import pytest

from sedd_cli import Checkpoint, Gap, Request, Run
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.filling import nats_of
from sedd_cli.generation.infill import Infilling
from sedd_cli.text.draft import Draft
from sedd_cli.tui import token_edits
from sedd_cli.tui.branch_entries import BranchEntries, BranchEntry, certainty, fit
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import ranking_message
from sedd_cli.tui.widgets.branches_pane import ROWS, entry_text, first_rows
from sedd_cli.tui.wrapping import width_of

STORY = "Once upon a time, there was a little dog. He ran to the park."


@pytest.fixture(scope="module")
def scene(built_in: Checkpoint) -> Scene:
    """Two candidates for two gaps, the first half written."""
    draft = Draft(STORY).mask(30, 40).mask(45, 52)
    job = Infilling(built_in, Request(steps=4, seed=3, num_samples=2), STORY, [Gap(30, 40), Gap(45, 52)])
    branches = tuple(Branch.begin(job, n) for n in (0, 1))
    for branch in branches:
        for step in branch.resume():
            branch.add(step)
            if branch is branches[0]:
                break
    return Scene(draft, branches, 1, branches[1].last)


def test_an_entry_says_what_a_branch_writes_and_how_it_came_about(scene: Scene) -> None:
    entries = BranchEntries()
    half, full = entries.of(scene)
    assert half.title == "candidate 1" and "···" in half.text and "to go" in half.facts[-1]
    assert full.title == "candidate 2" and " … " in full.text and not any("to go" in fact for fact in full.facts)
    assert full.facts[0].endswith("% sure on average")
    assert entries.of(scene)[1] is full, "nothing has changed"
    canvas, places = scene.canvas_of(0)
    edited = token_edits.toggle_lock(scene, [(canvas, places.start)])
    assert entries.of(edited)[2].title == "candidate 2: locked 1 token"
    assert f"from moment {scene.at}" in entries.of(edited)[2].facts


def test_a_branch_that_is_being_written_is_read_anew_twice_a_second(built_in: Checkpoint) -> None:
    branch = Branch.begin(Run(built_in, Request(length=16, steps=16, seed=3)), 0)
    scene, entries, steps = Scene(Draft(), (branch,)), BranchEntries(), branch.resume()
    first = entries.of(scene, 10.0)
    branch.add(next(steps))
    assert entries.of(scene, 10.4) == first and entries.of(scene, 10.6) != first
    for step in steps:
        branch.add(step)
    assert "to go" not in entries.of(scene, 10.61)[0].facts[-1], "the whole text is shown at once"


def test_candidates_are_compared_in_percent(scene: Scene, built_in: Checkpoint) -> None:
    first, second = (replace_nats(branch, nats_of(built_in, branch.tip.states)) for branch in scene.branches[1:] * 2)
    second.nats = (first.nats or 0) + math.log(4)
    facts = [entry.facts for entry in BranchEntries().of(replace(scene, branches=(first, second)))]
    assert facts[0][0] == "fits best" and facts[1][0] == "25.0% as likely as the best"
    assert fit(100.0, 10.0) == "<0.1% as likely as the best"
    (alone,) = BranchEntries().of(replace(scene, branches=(first,), current=0))
    assert alone.facts[0].endswith("sure on average"), "the only one is no best one"


def test_what_stood_there_is_not_the_best(built_in: Checkpoint) -> None:
    request = Request(num_samples=2, steps=4, temperature=2.0, seed=0)
    job = Infilling(built_in, request, "He saw a dog.", [Gap(9, 12)])
    for _ in job.steps():
        pass
    written = [filling.text for filling in job.fillings()]
    assert written[0] != written[1]
    again = Infilling(built_in, request, written[0], [Gap(9, 9 + len(written[0]) - len("He saw a ."), 1)])
    branches = tuple(Branch.begin(again, number) for number in (0, 1))
    for branch, nats in zip(branches, (1.0, 1.0 + math.log(4)), strict=True):
        for step in branch.resume():
            branch.add(step)
        branch.nats = nats
    facts = [entry.facts[0] for entry in BranchEntries().of(Scene(Draft(written[0]), branches))]
    assert facts == ["what stood there", "fits best"]
    assert ranking_message([branches[1], branches[0]], "shown").endswith("; 1 writes again what stood there.")


def replace_nats(branch: Branch, nats: float) -> Branch:
    same = Branch(branch.job, branch.number, branch.moments)
    same.nats = nats
    return same


def test_certainty_is_the_mean_of_what_was_written(built_in: Checkpoint) -> None:
    branch = Branch.begin(Run(built_in, Request(length=16, steps=4, seed=3)), 0)
    assert certainty(branch) is None
    for step in branch.resume():
        branch.add(step)
    written = [p for moment in branch.moments if moment.step for p in moment.step.probability.tolist()]
    assert len(written) == 16 and certainty(branch) == pytest.approx(sum(written) / 16)


@pytest.mark.parametrize("width", [12, 34, 60])
def test_an_entry_fits_its_column(width: int) -> None:
    entry = BranchEntry("candidate 1: chose ·dragonfly, remasked 3 tokens", ("fits best",), "日本語 word " * 40)
    lines = entry_text(entry, True, width).plain.split("\n")
    assert lines[0].startswith("▸ candi") and lines[-1] == "" and len(lines) == 2 + ROWS + 1
    assert all(width_of(line) <= width for line in lines) and lines[-2].endswith("…")
    assert first_rows("a short one", width, ROWS)[-1].endswith("one")
