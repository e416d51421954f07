"""What the classes of a token say: how sure, when, how new. And the legend of their colours."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.style import Style

from sedd_cli import Checkpoint, Request, Run
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.infill import Infilling
from sedd_cli.render.palette import GLOW, STEPS, certainty_step
from sedd_cli.text.draft import Draft
from sedd_cli.tui.legend import legend, legend_line
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.settings import SHADINGS, Shading
from sedd_cli.tui.style import PageBuilder


@pytest.fixture(scope="module")
def written(shallow: Checkpoint) -> Scene:
    """A finished canvas that begins with a prompt."""
    branch = Branch.begin(Run(shallow, Request(length=32, steps=24, seed=3, prompt="Tim")), 0)
    for step in branch.resume():
        branch.add(step)
    return Scene(branches=(branch,), at=branch.last)


def looks(scene: Scene, shading: Shading = "certainty", width: int = 30) -> list[str]:
    """The classes of each token."""
    page = PageBuilder(scene.branch.job.checkpoint.tokenizer if scene.branch else None, shading).build(scene, width)
    return [segment.classes for block in page.blocks for segment in block.segments if segment.token]


def number(kind: str, classes: str) -> int | None:
    found = re.search(rf"\b{kind}(\d+)", classes)
    return int(found[1]) if found else None


def test_a_word_glows_for_some_calls_by_its_age_alone(written: Scene) -> None:
    assert written.branch is not None
    for at in range(1, written.branch.last):
        scene = replace(written, at=at)
        assert scene.moment is not None
        revealed = scene.moment.revealed[0].tolist()
        for classes, moment in zip(looks(scene), revealed, strict=True):
            age = at - moment
            glows = moment >= 0 and age < len(GLOW) and not classes.startswith("past")
            assert number("glow", classes) == (age if glows else None)
        # Nothing moves while nothing is written: the same moment looks the same.
        assert looks(scene) == looks(replace(written, at=at))


def test_a_finished_text_is_at_rest(written: Scene) -> None:
    assert not any("glow" in classes for classes in looks(written))
    assert any("glow" in classes for classes in looks(replace(written, at=written.at - 1)))


def test_only_rows_with_words_that_glow_change(written: Scene) -> None:
    """Between moments of the same rows, those without a word that is new stay as they are: they are not drawn again."""
    assert written.branch is not None
    tokenizer = written.branch.job.checkpoint.tokenizer
    rows = []
    for at in range(written.branch.last):
        page = PageBuilder(tokenizer, "certainty").build(replace(written, at=at), 20)
        rows.append([page.row(y) for y in range(page.height)])
    same = [
        (old, new)
        for before, after in pairwise(rows)
        for old, new in zip(before, after, strict=False)
        if [piece.text for piece in old] == [piece.text for piece in new]
    ]
    assert any(old == new for old, new in same)
    assert all("glow" in "".join(piece.classes for piece in (*old, *new)) for old, new in same if old != new)


def test_shadings(written: Scene) -> None:
    moment = written.moment
    assert moment is not None
    confidence, revealed = moment.confidence[0].tolist(), moment.revealed[0].tolist()
    own = [i for i, when in enumerate(revealed) if when < 0]
    certainty, order, plain = (looks(written, shading) for shading in SHADINGS)
    assert own and all(look[i] == "kept" for look in (certainty, order, plain) for i in own)
    shaded = [i for i in range(len(revealed)) if "revealed" in plain[i]]
    assert shaded and all(plain[i] == "revealed" for i in shaded)
    assert [number("sure", certainty[i]) for i in shaded] == [certainty_step(confidence[i]) for i in shaded]
    by_time = [number("order", order[i]) for i in sorted(shaded, key=lambda i: revealed[i])]
    assert by_time == sorted(by_time, key=lambda step: -1 if step is None else step)
    assert by_time[0] == 0 and by_time[-1] == STEPS - 1


def test_new_text_in_a_document_is_marked_as_that_in_every_shading(shallow: Checkpoint) -> None:
    draft = Draft("He saw a dog.").mask(9, 12)
    branch = Branch.begin(Infilling(shallow, Request(steps=4, seed=1), draft.text, draft.gaps), 0)
    for step in branch.resume():
        branch.add(step)
    scene = Scene(draft, (branch,), at=branch.last)
    for shading, scale in zip(SHADINGS, ("sure", "order", None), strict=True):
        for classes in looks(scene, shading):
            assert classes.startswith("pending") and (scale is None or number(scale, classes) is not None)


@pytest.mark.parametrize("shading", SHADINGS)
def test_the_legend_shows_colours_as_the_canvas_does(shading: Shading) -> None:
    asked: list[str] = []

    def style_of(classes: str) -> Style:
        asked.append(classes)
        return Style(bold=True)

    full, line = legend(shading, style_of, "h"), legend_line(shading, style_of)
    for name, scale in (("certainty", "sure"), ("order", "order")):
        steps = [classes for classes in asked if scale in classes]
        assert len(steps) == (2 * STEPS if shading == name else 0)
    assert {"mask", "kept", "locked", "pending"} < set(asked)
    assert "MASK: not written yet" in [row.meaning for row in full.rows]
    assert "··· not written yet   bold yours" in line.plain and line.cell_len < 90
