"""A corpus for the smallest of runs."""

import random
from pathlib import Path

import pytest


def write_corpus(folder: Path) -> Path:
    words = random.Random(0)
    path = folder / "corpus.txt"
    path.write_text("\n\n".join(" ".join(words.choices(["a", "cat", "dog", "ran", "sat"], k=12)) for _ in range(60)))
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_corpus(tmp_path)
