"""A corpus for the smallest of runs."""

import random
from pathlib import Path

import pytest


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = random.Random(0)
    path = tmp_path / "corpus.txt"
    path.write_text("\n\n".join(" ".join(words.choices(["a", "cat", "dog", "ran", "sat"], k=12)) for _ in range(60)))
    return path
