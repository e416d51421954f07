"""Heat: a text in which each token is coloured by its nats."""

from bisect import bisect_right
from collections.abc import Sequence

from rich.text import Text

from sedd_cli.evaluation.invisible import SIGNS, whole_pieces
from sedd_cli.render.inert import inert

EDGES = (1, 2, 4, 8)
"""Nats at which the next band begins."""
BANDS = (
    ("under 1", ""),
    ("1 to 2", "black on color(229)"),
    ("2 to 4", "black on color(222)"),
    ("4 to 8", "bold black on color(209)"),
    ("8 or more", "bold underline white on color(160)"),
)
"""Name and style of each band; the two highest also differ without colours."""


def heat(pieces: Sequence[str], nats: Sequence[float]) -> Text:
    """The text of `pieces`, each coloured by its nats; newlines show as ↵, other invisible characters as symbols.

    An empty piece is part of a character: its nats are added to those of the piece that completes the character.
    """
    text = Text(overflow="fold")
    for piece, cost in whole_pieces(pieces, nats):
        word = piece.lstrip(" ")
        style = style_of(cost)
        text.append(" " * (len(piece) - len(word)), style="" if word else style)
        text.append(inert(word).translate(SIGNS).replace("\n", "↵\n"), style=style)
    return text


def legend(title: str) -> Text:
    """One line: the title, and the name of each band in its style."""
    text = Text()
    text.append(f"{title}:", style="bold")
    for name, style in BANDS:
        text.append("  ").append(name, style=style)
    return text


def style_of(nats: float) -> str:
    return BANDS[bisect_right(EDGES, nats)][1]
