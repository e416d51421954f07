"""Counts in messages."""

import pytest

from sedd_cli.ranges import counted


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (1, "network call", "1 network call"),
        (0, "token", "0 tokens"),
        (2_000, "token", "2,000 tokens"),
        (1, "canvas", "1 canvas"),
        (2, "canvas", "2 canvases"),
    ],
)
def test_a_single_thing_has_no_plural(number: int, thing: str, text: str) -> None:
    assert counted(number, thing) == text
