"""What counts as saved: the text on screen, and what else would be lost."""

from dataclasses import replace
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, Request
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.engine import Run
from sedd_cli.generation.infill import Infilling
from sedd_cli.text.document import Document
from sedd_cli.text.draft import Draft
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import Settings

STORY = "He saw a dog."


def written(job: Infilling | Run, number: int) -> Branch:
    branch = Branch.begin(job, number)
    for step in branch.resume():
        branch.add(step)
    return branch


def document(text: str) -> Document:
    return Document(None, text.encode(), text)


@pytest.fixture
def session(shallow: Checkpoint) -> EditingSession:
    """A gap with two candidates, of which the first is shown."""
    session = EditingSession(document(STORY), Settings())
    draft = Draft(STORY).mask(9, 12)
    job = Infilling(shallow, Request(steps=4, seed=1, num_samples=2), STORY, draft.gaps)
    branches = written(job, 0), written(job, 1)
    session.apply(Scene(draft, branches, at=branches[0].last))
    return session


def edit(session: EditingSession) -> None:
    """Remask what the branch shown has written, by hand."""
    scene = session.scene
    assert scene.branch is not None and scene.moment is not None
    state = scene.moment.states[0]
    fork = scene.branch.edited(scene.at, {0: scene.branch.job.start(state.row)}, "remasked")
    session.apply(replace(scene, branches=(*scene.branches, fork), current=len(scene.branches), at=fork.last))


def accept_and_save(session: EditingSession) -> None:
    session.apply(Scene(Draft(session.scene.text)))
    session.mark_saved(document(session.scene.text))


def test_what_is_saved_stays_so_where_it_is_undone_and_redone(session: EditingSession) -> None:
    assert session.unsaved
    accept_and_save(session)
    assert not session.unsaved
    assert session.undo() and session.scene.branches and not session.unsaved
    session.switch_branch(1)
    assert session.unsaved, "another candidate is shown than was saved"
    session.switch_branch(0)
    assert session.undo() and session.scene.text == STORY and session.unsaved
    assert session.redo() and session.redo() and not session.unsaved


def test_a_canvas_that_is_saved_as_text_stays_so_where_that_is_undone(shallow: Checkpoint) -> None:
    session = EditingSession(document(""), Settings())
    branch = written(Run(shallow, Request(length=16, steps=4, seed=1)), 0)
    session.apply(Scene(branches=(branch,), at=branch.last))
    session.apply(session.scene.flattened)
    session.mark_saved(replace(document(session.scene.text), path=Path(__file__)))
    assert session.undo() and session.scene.run is not None and not session.unsaved


def test_an_edit_on_another_branch_than_was_saved_is_not_saved(session: EditingSession) -> None:
    edit(session)
    session.switch_branch(0)
    session.mark_saved(document(session.scene.text))
    assert session.unsaved and session.unsaved_scene.current == 2


def test_an_edit_that_led_to_what_was_saved_is_saved(session: EditingSession) -> None:
    edit(session)
    session.mark_saved(document(session.scene.text))
    assert not session.unsaved
    edit(session)
    assert session.unsaved, "the edits that came later are not"
    session.undo()
    assert not session.unsaved
