"""Where a text that was asked for ends before what was written does."""

from collections.abc import Sequence
from itertools import takewhile


def first_stop(text: str, stops: Sequence[str]) -> tuple[int, str] | None:
    """Where the first of the strings to stop at begins, and which it is."""
    return min(((at, stop) for stop in stops if (at := text.find(stop)) >= 0), default=None)


def up_to_stop(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """The text before the first of them, and that one, "" if none is in it."""
    found = first_stop(text, stops)
    return (text, "") if found is None else (text[: found[0]], found[1])


def up_to_dedent(text: str, indent: int) -> str:
    """The lines up to the first, but for the one of the cursor, that is indented by less."""
    first, *lines = text.split("\n")
    kept = list(takewhile(lambda line: not line.strip() or len(line) - len(line.lstrip()) >= indent, lines))
    return "\n".join([first, *kept])
