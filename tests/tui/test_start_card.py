"""The card of an empty session leaves out what has no room, and shows names as they are."""

from pathlib import Path

import pytest

from sedd_cli.tui.widgets.start_card import CardRow, CardState, card_lines, fitted

ROWS = tuple(CardRow(key, label, action) for key, label, action in (("↵", "write", "go"), ("^o", "open", "open")))
HOSTILE = "[/red]\x1b[31m日本" + "x日" * 45
STATE = CardState(ROWS, "A text of 32 tokens is written all over at once.", ((HOSTILE, Path("a")),), "loading tiny")


@pytest.mark.parametrize(
    ("height", "left"),
    [
        (20, {"sentence", "recent", "status"}),
        (10, {"sentence", "recent", "status"}),
        (9, {"sentence", "status"}),
        (6, {"status"}),
        (3, set()),
        (1, set()),
    ],
)
def test_what_has_no_room_is_left_out_the_keys_last(height: int, left: set[str]) -> None:
    shown = fitted(STATE, 40, height)
    assert {name for name in ("sentence", "recent", "status") if getattr(shown, name)} == left
    lines = card_lines(shown, 40)
    assert len(lines) <= max(height, len(ROWS)) and shown.rows == ROWS


def test_no_line_is_wider_than_the_card_and_names_are_inert() -> None:
    lines = card_lines(STATE, 40)
    assert max(line.cell_length for line in lines) <= 40
    assert not any("\x1b" in line.plain for line in lines)
    assert [line.plain for line in lines][:2] == ["↵   write", "^o  open"]
