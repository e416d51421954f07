"""Blocks of tokens whose words hold still from page to page."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from sedd_cli.tui.blocks import Block
from sedd_cli.tui.steady_rows import Place, Places, Word, keep
from sedd_cli.tui.wrapping import Stretch, stretches

MAX_MASK = 6
"""Cells that a MASK may take, besides its blank, so that the words behind it hold still."""
LIKE = 0.75
"""Share of the segments that two blocks have in common if one follows the other; else the user has gone far."""


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
    parts = list(stretches(block.text, width))
    words, homes = _words(block, parts)
    places = keep(words, width, before)
    texts, bounds = list(block.texts), block.bounds
    rows = [0]
    shift = 0
    beyond: Place = (-1, 0, False)
    for part, word, home, place, following in zip(parts, words, homes, places, [*places[1:], beyond], strict=True):
        start, end, usual, after = part
        row, column, mask = place
        room = following[1] - column - after if following[0] == row else min(usual, width - column)
        if room != usual:
            glyphs = (min(word.most, room) if mask else usual) - usual
            blanks = room - usual - glyphs
            i, j = home
            if glyphs:
                texts[i] = _with_more(texts[i], bounds[i + 1] - start - usual, glyphs, block.text[start])
            if blanks:
                texts[j] = _with_more(texts[j], max(0, bounds[j + 1] - end), blanks, " ")
            shift += room - usual
        if following[0] != row and following is not beyond:
            rows.append(end + shift)
    keyed = {word.key: place for word, place in zip(words, places, strict=True)}
    return Arranged(Block(tuple(texts), block.segments), rows, keyed)


def places_in(block: Block, rows: Sequence[int], width: int) -> Places:
    """Where the words of a block are whose rows begin at some offsets."""
    parts = list(stretches(block.text, width))
    places: dict[Hashable, Place] = {}
    row, column = 0, 0
    for (start, _, cells, after), word in zip(parts, _words(block, parts)[0], strict=True):
        while row + 1 < len(rows) and start >= rows[row + 1]:
            row, column = row + 1, 0
        places[word.key] = row, column, word.least < word.most
        column += cells + after
    return places


def _words(block: Block, parts: Sequence[Stretch]) -> tuple[list[Word], list[tuple[int, int]]]:
    """What `keep` and `fill` have to know of stretches of a block.

    A word's key is the segment in which it begins, and its number there. Besides, for each the segments in which it
    begins, and in which there may be blanks behind it.
    """
    words: list[Word] = []
    homes: list[tuple[int, int]] = []
    text, bounds = block.text, block.bounds
    tokens = [segment.token is not None for segment in block.segments]
    masks = [segment.classes.startswith("mask") for segment in block.segments]
    i = count = 0
    for start, end, cells, after in parts:
        while bounds[i + 1] <= start:
            i, count = i + 1, 0
        j = i
        while bounds[j + 1] < end:
            j += 1
        final = text[end - 1]
        # Blanks are put into tokens, not into a document's text.
        if j and not tokens[j] and bounds[j] == end - 1:
            j -= 1
        # A MASK, and no word that follows it closely.
        elastic = masks[i] and cells and start + cells <= bounds[i + 1] <= end and text[start] != " "
        words.append(
            Word(
                (i, count),
                1 if elastic else cells,
                cells,
                max(MAX_MASK, cells) if elastic else cells,
                after,
                after == 1 and final == " " and tokens[j],
                final == "\n",
            )
        )
        homes.append((i, j))
        count += 1
    return words, homes


def _with_more(text: str, behind: int, more: int, character: str) -> str:
    """A text with so many more of a character, or fewer (negative), before the last `behind` characters."""
    at = len(text) - behind
    return text[: at + min(0, more)] + character * more + text[at:]
