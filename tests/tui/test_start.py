"""What is said before the first run is true of the checkpoint and the settings."""

import json
import shutil
from pathlib import Path

import pytest

from sedd_cli import Checkpoint
from sedd_cli.models.names import PUBLIC_CHECKPOINTS
from sedd_cli.tui.start import CheckpointFacts, checkpoint_facts, named_facts, run_sentence
from tests.conftest import PARITY


def test_the_files_of_the_built_in_checkpoint_say_what_loading_it_does(built_in: Checkpoint) -> None:
    facts = checkpoint_facts(None)
    assert facts == CheckpointFacts(built_in.name, f"{built_in.parameters / 1e6:.1f}M", built_in.length, "story")
    assert named_facts(None).label == built_in.name and facts.label == f"tinystories {facts.size}"


def test_a_folder_and_a_repository_are_named_and_faults_are_left_to_loading(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(PARITY / "radd", folder)
    facts = checkpoint_facts(str(folder))
    assert facts.label == "mine 29k" and facts.writes == "text"
    assert facts.length == json.loads((folder / "config.json").read_text())["model"]["length"]
    (folder / "config.json").write_text("{")
    assert checkpoint_facts(str(folder)) == CheckpointFacts("mine")
    name, known = next(iter(PUBLIC_CHECKPOINTS.items()))
    assert named_facts(name) == CheckpointFacts(name, known.parameters, known.context)
    assert checkpoint_facts("no/such-thing") == CheckpointFacts("no/such-thing")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            ("story", 256, 256, "tweedie", "random"),
            "A story of 256 tokens is written all over at once, in up to 256 steps",
        ),
        (
            ("text", 1024, 64, "euler", "random"),
            "A text of 1,024 tokens is written all over at once, in up to 64 steps",
        ),
        (
            ("text", 32, 64, "tweedie", "confidence"),
            "A text of 32 tokens is written, the surest words first, in up to 32 steps",
        ),
        (("text", None, 8, "tweedie", "left-to-right"), "A text is written from left to right, in up to 8 steps"),
        (
            ("text", 64, 8, "first-hitting", "random"),
            "A text of 64 tokens is written one token at a time, in up to 64 steps",
        ),
        (("text", None, 8, "first-hitting", "random"), "A text is written one token at a time;"),
        (("text", 64, 8, "ancestral", "random"), "A text of 64 tokens is written all over at once;"),
        (
            ("text", 64, 8, "tweedie", "random", True),
            "A text of 64 tokens is written block by block, in up to 8 steps",
        ),
    ],
)
def test_the_sentence_follows_the_settings(values: tuple[str, int, int, str, str], sentence: str) -> None:
    said = run_sentence(*values)
    assert said.startswith(sentence) and said.endswith("; stop it, go back, change a word, go on.")
