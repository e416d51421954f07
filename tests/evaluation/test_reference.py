"""Canvases of real text."""

from pathlib import Path

import pytest

from sedd_cli import Checkpoint, UsageError
from sedd_cli.errors import NotLoadableError
from sedd_cli.evaluation.reference import read_reference
from sedd_cli.text.tokenizer import Tokenizer

STORIES = ["Once upon a time there was a dog.", "The cat sat.", "They went to the park and had fun all day long."]


@pytest.fixture
def tokenizer(built_in: Checkpoint) -> Tokenizer:
    assert built_in.tokenizer is not None
    return built_in.tokenizer


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    path = tmp_path / "stories.txt"
    path.write_text("\n\n".join(STORIES))
    return path


def test_each_canvas_begins_with_a_document_and_runs_on(tokenizer: Tokenizer, stories: Path) -> None:
    one, two, three = ([*tokenizer.encode(story), tokenizer.end_of_text_id] for story in STORIES)
    assert [len(one), len(two), len(three)] == [10, 5, 13]
    reference = read_reference(stories, tokenizer, 12, 5)
    assert reference.name == "stories.txt"
    assert reference.canvases.tolist() == [[*one, *two[:2]], [*two, *three[:7]], three[:12]]
    # A longer one is cut, and the last runs on into the first.
    assert read_reference(stories, tokenizer, 15, 5).canvases[2].tolist() == [*three, *one[:2]]


@pytest.mark.parametrize("length", [3, 12, 28])
def test_what_is_asked_for_does_not_depend_on_how_much_is_read(
    tokenizer: Tokenizer, stories: Path, length: int
) -> None:
    whole = read_reference(stories, tokenizer, length, 3).canvases
    assert read_reference(stories, tokenizer, length, 1).canvases.tolist() == whole[:1].tolist()


def test_full_canvases_hold_one_document(tokenizer: Tokenizer, stories: Path) -> None:
    canvases = read_reference(stories, tokenizer, 9, 5, full_only=True).canvases
    assert canvases.tolist() == [tokenizer.encode(STORIES[i])[:9] for i in (0, 2)]
    assert len(read_reference(stories, tokenizer, 9, 1, full_only=True).canvases) == 1


def test_too_little_text(tokenizer: Tokenizer, stories: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 28 tokens, fewer than one canvas of 29"):
        read_reference(stories, tokenizer, 29, 2)
    with pytest.raises(UsageError, match=r"no document of .* has 20 tokens"):
        read_reference(stories, tokenizer, 20, 2, full_only=True)
    with pytest.raises(NotLoadableError, match="no corpus"):
        read_reference(tmp_path / "none", tokenizer, 8, 2)
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(UsageError, match="has 0 tokens"):
        read_reference(tmp_path / "empty.txt", tokenizer, 8, 2)
