"""A scene as a document: what a canvas is once it is text, and how a gap behind a blank looks."""

from dataclasses import replace

import pytest
import torch

from sedd_cli import Checkpoint, Request, Run
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.infill import Infilling
from sedd_cli.models.pad_state import with_pad
from sedd_cli.text.draft import Draft, Mark
from sedd_cli.text.gaps import check_gaps
from sedd_cli.text.words import word_spans
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.scene_text import scene_text
from sedd_cli.tui.style import PageBuilder
from sedd_cli.tui.token_edits import all_positions, remask


def canvas_of(checkpoint: Checkpoint, *parts: str | int) -> Scene:
    """A canvas that holds texts and tokens, and MASK behind them."""
    run = Run(checkpoint, Request(length=16, seed=0))
    state = run.start(0)
    assert checkpoint.tokenizer is not None
    tokens = [i for part in parts for i in (checkpoint.tokenizer.encode(part) if isinstance(part, str) else [part])]
    ids = state.ids.clone()
    ids[: len(tokens)] = torch.tensor(tokens)
    return Scene(branches=(Branch.begin(run, 0).edited(0, {0: replace(state, ids=ids)}, "by hand"),), at=1)


def test_an_end_of_text_at_the_start_of_a_canvas_ends_nothing(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None and built_in.tokenizer.end_of_text_id is not None
    scene = canvas_of(built_in, built_in.tokenizer.end_of_text_id, "Once upon a time")
    assert scene.text.startswith("Once upon a time[[")
    draft = scene.flattened.draft
    assert draft.text == "Once upon a time" and [mark.start for mark in draft.marks] == [len(draft.text)]


def test_it_tells_whether_another_text_is_behind_the_end(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None and built_in.tokenizer.end_of_text_id is not None
    end = built_in.tokenizer.end_of_text_id
    assert canvas_of(built_in, "A dog ran.", end, "Once").ends_early
    assert not canvas_of(built_in, "A dog ran.").ends_early and not Scene(Draft("A dog ran.")).ends_early


def test_part_of_a_character_between_masks_is_within_one_gap(built_in: Checkpoint) -> None:
    tokenizer, mask_id = built_in.tokenizer, built_in.mask_id
    assert tokenizer is not None and mask_id is not None
    part = next(i for i in range(tokenizer.size) if tokenizer.bytes_of(i) and not tokenizer.decode([i]))
    draft = canvas_of(built_in, "Tim said", mask_id, part).flattened.draft
    assert check_gaps(draft.gaps, len(draft.text)) == draft.gaps
    assert [mark.tokens for mark in draft.marks] == [16 - 3]


@pytest.mark.parametrize("done", [False, True])
def test_a_gap_behind_a_blank_shows_one_blank(done: bool, built_in: Checkpoint) -> None:
    draft = Draft("He saw a dog.").mask(9, 12)
    branch = Branch.begin(Infilling(built_in, Request(steps=4, seed=1), draft.text, draft.gaps), 0)
    for step in branch.resume() if done else ():
        branch.add(step)
    scene = Scene(draft, (branch,), at=branch.last)
    shown = "".join(piece.text for piece in PageBuilder(built_in.tokenizer, "plain").build(scene, 80).row(0))
    assert shown.rstrip() == (scene.text if done else "He saw a ···.")


def test_the_text_of_a_scene_is_found_again_on_its_page(built_in: Checkpoint) -> None:
    text = "He saw a dog.\r\nIt ran to the park and was very happy.\r\n"
    draft = Draft(text).mask(9, 12).mask(22, 29).mask(text.index("very"), text.index("very"), 2)
    branch = Branch.begin(Infilling(built_in, Request(steps=4, seed=1), draft.text, draft.gaps), 0)
    for step in branch.resume():
        branch.add(step)
    written = Scene(draft, (branch,), at=branch.last)
    decided = replace(written, verdicts={1: written.written(1)})
    for scene in (written, decided, written.flattened, Scene(draft)):
        shown = scene_text(scene)
        assert shown is not None and shown.text == scene.text == scene.flattened.draft.text
        assert [part.start for part in shown.parts] == [0, *(part.end for part in shown.parts[:-1])]
        page = PageBuilder(built_in.tokenizer, "plain").build(scene, 80)
        for start, end in word_spans(shown.text):
            first, last = shown.address_of(start), shown.address_of(end - 1)
            if not any(part.hidden for part in shown.covering((start, end))):
                assert shown.text[start:end] in page.text_between(first, last)
                low, high = shown.span_between(first, last)
                assert low <= start and end <= high
    hidden = [shown.text[part.start : part.end] for part in shown.parts if part.hidden]
    assert hidden == ["dog", "to the "] and shown.span_between((5, 0), (9, -1)) == (5, 12)


def test_an_ending_is_saved_and_recovered_behind_a_gap_until_it_is_written_towards() -> None:
    scene = Scene(Draft("Once."), ending="The end.")
    assert scene.text == "Once.[[...]]The end."
    document = scene.as_document
    assert document.text == "Once.The end." and document.marks == (Mark(5, 5, "", "auto"),)
    page = PageBuilder(None, "plain").build(scene, 200)
    assert page.text_of(0).startswith("Once. ··· ···") and page.text_of(0).rstrip().endswith("··· The end.")
    assert scene.flattened is scene and scene.without_run == scene


def test_candidates_of_lengths_of_their_own(shallow: Checkpoint) -> None:
    """A network with PAD draws them: each branch shows its own gap, token by token, and none of it is PAD."""
    checkpoint = with_pad(shallow)
    draft = Draft("He saw a  and ran.", (Mark(9, 9, "", (2, 6)),))
    infilling = Infilling(checkpoint, Request(steps=4, seed=1, num_samples=4), draft.text, draft.gaps)
    branches = tuple(Branch.begin(infilling, number) for number in range(4))
    for branch in branches:
        for step in branch.resume():
            branch.add(step)
    for number, branch in enumerate(branches):
        scene = Scene(draft, branches, number, branch.last)
        _, places = scene.canvas_of(0)
        assert len(places) == len(all_positions(scene)) == infilling.drawn_lengths(number)[0].tokens
        assert checkpoint.config.pad_id not in branch.tip.states[0].ids and scene.filled(0)
        shown = "".join(piece.text for piece in PageBuilder(checkpoint.tokenizer, "plain").build(scene, 200).row(0))
        assert shown.rstrip().startswith(scene.text.splitlines()[0])
        remasked = remask(scene, all_positions(scene)[-1:]).branch
        assert remasked is not None and len(list(remasked.resume())) > 0
    assert len({infilling.drawn_lengths(number)[0].tokens for number in range(4)}) > 1


def test_tokens_behind_a_gap_of_another_length_are_told_apart(built_in: Checkpoint) -> None:
    draft = Draft("He saw a  and a  ran.", (Mark(9, 9, "", (2, 6)), Mark(16, 16, "", (2, 6))))
    infilling = Infilling(with_pad(built_in), Request(steps=2, seed=1, num_samples=4), draft.text, draft.gaps)
    branches = tuple(Branch.begin(infilling, number) for number in range(4))
    for branch in branches:
        for step in branch.resume():
            branch.add(step)
    assert len({infilling.drawn_lengths(number)[0].tokens for number in range(4)}) > 1
    for number, branch in enumerate(branches):
        shown = scene_text(scene := Scene(draft, branches, number, branch.last))
        assert shown is not None and shown.text == scene.text
