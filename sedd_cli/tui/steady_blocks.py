"""Blocks of tokens whose words hold still from page to page."""

from collections.abc import Hashable, Sequence
from itertools import islice
from typing import NamedTuple

from sedd_cli.tui.blocks import Block
from sedd_cli.tui.steady_rows import Place, Places, Word, keep
from sedd_cli.tui.wrapping import stretches

MAX_MASK = 6
"""Cells that a MASK may take, besides its blank, so that the words behind it hold still."""
LIKE = 0.75
"""Share of the segments that two blocks have in common if one follows the other; else the user has gone far."""


Spot = tuple[int, int, int, int]
"""The characters `start ... end - 1` of a word, and the segments in which it begins and may have blanks behind it."""


class Arranged(NamedTuple):
    """A block with MASKs of other widths and more blanks, the starts of its rows, and the places of its words."""

    block: Block
    rows: list[int]
    places: Places


def follows(block: Block, before: Block) -> bool:
    """Whether a block is another one with some tokens written or masked again."""
    if len(block.texts) != len(before.texts):
        return False
    same = sum(a == b for a, b in zip(block.texts, before.texts, strict=True))
    return same >= LIKE * len(block.texts)


def arranged(block: Block, width: int, before: Places) -> Arranged:
    """A block in rows of `width` cells, its words where those of the block that it follows stood: `before`."""
    words, spots = _words(block, width)
    places = keep(words, width, before)
    texts, bounds, text = list(block.texts), block.bounds, block.text
    rows = [0]
    shift = 0
    for (_, _, usual, most, after, _, _), (start, end, i, j), (row, column, mask), following in zip(
        words, spots, places, [*islice(places, 1, None), None], strict=True
    ):
        if following is None:
            room = min(usual, width - column)
        elif following[0] == row:
            room = following[1] - column - after
        else:
            room = min(usual, width - column)
            rows.append(end + shift + room - usual)
        if room != usual:
            glyphs = (min(most, room) if mask else usual) - usual
            blanks = room - usual - glyphs
            if glyphs:
                texts[i] = _with_more(texts[i], bounds[i + 1] - start - usual, glyphs, text[start])
            if blanks:
                texts[j] = _with_more(texts[j], max(0, bounds[j + 1] - end), blanks, " ")
            shift += room - usual
    keyed = {word[0]: place for word, place in zip(words, places, strict=True)}
    return Arranged(Block(tuple(texts), block.segments), rows, keyed)


def places_in(block: Block, rows: Sequence[int], width: int) -> Places:
    """Where the words of a block are whose rows begin at some offsets."""
    places: dict[Hashable, Place] = {}
    row, column = 0, 0
    for (key, least, usual, most, after, _, _), (start, _, _, _) in zip(*_words(block, width), strict=True):
        while row + 1 < len(rows) and start >= rows[row + 1]:
            row, column = row + 1, 0
        places[key] = row, column, least < most
        column += usual + after
    return places


def _words(block: Block, width: int) -> tuple[list[Word], list[Spot]]:
    """The words of a block, and where they are in it.

    A word's key is the segment in which it begins, and its number there.
    """
    words: list[Word] = []
    spots: list[Spot] = []
    text, bounds = block.text, block.bounds
    tokens = [segment.token is not None for segment in block.segments]
    masks = [segment.classes.startswith("mask") for segment in block.segments]
    i = count = 0
    beyond = bounds[1]
    for start, end, cells, after in stretches(text, width):
        while beyond <= start:
            i, count = i + 1, 0
            beyond = bounds[i + 1]
        j = i
        while bounds[j + 1] < end:
            j += 1
        # Blanks are put into tokens, not into a document's text.
        if j and not tokens[j] and bounds[j] == end - 1:
            j -= 1
        final = text[end - 1]
        padded = after == 1 and final == " " and tokens[j]
        # A MASK, and no word that follows it closely.
        if masks[i] and cells and start + cells <= beyond <= end and text[start] != " ":
            words.append(((i, count), 1, cells, max(MAX_MASK, cells), after, padded, final == "\n"))
        else:
            words.append(((i, count), cells, cells, cells, after, padded, final == "\n"))
        spots.append((start, end, i, j))
        count += 1
    return words, spots


def _with_more(text: str, behind: int, more: int, character: str) -> str:
    """A text with so many more of a character, or fewer (negative), before the last `behind` characters."""
    at = len(text) - behind
    return text[: at + min(0, more)] + character * more + text[at:]
