"""Small numbers before the gaps of a document: drawn over cells of the page, and no part of its text."""

from collections.abc import Iterator, Sequence

from sedd_cli.text.draft import Draft, Mark
from sedd_cli.text.gaps import Length
from sedd_cli.tui.page_layout import Piece, Token
from sedd_cli.tui.wrapping import graphemes

SIGNS = "¹²³⁴⁵⁶⁷⁸⁹⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
"""One cell each; gaps beyond have none."""
CLASS = "gap"
"""A piece of the class `gap1` is the beginning of the first gap. No style belongs to it."""
FULL_CELL = "·"


def length_label(tokens: Length) -> str:
    """A number of tokens as it is typed: "12", "5-20" or "auto"; "" for as many as stand there."""
    return "" if tokens is None else "-".join(map(str, tokens)) if isinstance(tokens, tuple) else str(tokens)


def sign_of(draft: Draft, mark: Mark) -> str:
    """A gap's number as the page shows it; "" where it shows none."""
    number = number_of(draft, mark)
    return SIGNS[number - 1] if number else ""


def number_of(draft: Draft, mark: Mark) -> int:
    """A gap's number, in the order of the text; 0 where it shows none: alone, or beyond the signs."""
    if len(draft.marks) < 2:
        return 0
    return next((i for i, other in enumerate(draft.marks[: len(SIGNS)], 1) if other == mark), 0)


def numbered(tokens: tuple[Token, ...], number: int) -> tuple[Token, ...]:
    """The tokens of a gap, the first of which shows a number."""
    if not number or not tokens:
        return tokens
    return (tokens[0]._replace(classes=f"{tokens[0].classes} {CLASS}{number}"), *tokens[1:])


def numbered_span(text: str, mark: Mark, number: int, classes: str) -> Iterator[tuple[int, int, str]]:
    """The spans of a gap that is text, the first of which shows a number."""
    first = mark.start
    if number:
        first += next(stop for _, stop, _ in graphemes(text[mark.start : min(mark.end, mark.start + 64)]))
        yield mark.start, first, f"{classes} {CLASS}{number}"
    if first < mark.end:
        yield first, mark.end, classes


def signs(pieces: Sequence[Piece], visible: str) -> dict[int, str]:
    """Where the numbers of a row stand: characters of it, and the sign for each.

    On the blank before the gap; in the first cell of a MASK that has none; else on the first blank behind.
    """
    found: dict[int, str] = {}
    for piece in pieces:
        if CLASS not in piece.classes:
            continue
        number = next(int(name[len(CLASS) :]) for name in piece.classes.split() if name.startswith(CLASS))
        at = piece.start + len(piece.text) - len(piece.text.lstrip(" "))
        if at and visible[at - 1] == " ":
            at -= 1
        elif visible[at : at + 1] != FULL_CELL:
            at = visible.find(" ", at)
        if at >= 0 and at not in found:
            found[at] = SIGNS[number - 1]
    return found
