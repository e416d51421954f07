"""Rows that hold still while words are written: each word keeps its place on the page before, as far as it can.

A row breaks where it broke before, unless it overflows; then the words that do not fit go to the next row, and so on
until a row has room. Within a row a word keeps its column: MASKs before it give way or stretch, and where that is not
enough blanks are left, which later words take up. So the rows are those of the pages before, a little ragged.
"""

from collections.abc import Hashable, Mapping, Sequence

MAX_BLANKS = 3
"""Cells that may be left blank before a word, besides its own blank, for it to keep its column."""


Word = tuple[Hashable, int, int, int, int, bool, bool]
"""What stands between two places where a row may break: `(key, least, usual, most, after, padded, last)`.

It takes from `least` to `most` cells, which differ for a MASK, or `usual` ones if there is nothing to go by; then
`after` of blanks. `padded`: whether more blanks may follow. `last`: whether it ends a line. `key` names it from page
to page. A plain tuple: a page has a thousand of them, thirty times a second.
"""
Place = tuple[int, int, bool]
"""Row and column of a word, and whether it is a MASK."""
Places = Mapping[Hashable, Place]


def keep(words: Sequence[Word], width: int, before: Places) -> list[Place]:
    """Words in rows of `width` cells, each where it stood on the page before, or as near to it as there is room.

    `before`: the places there, by key. None of the words is wider than a row at its least.
    """
    places: list[Place] = []
    free: list[bool] = []
    """Which words may move unseen: MASKs, and what is new."""
    row, first = -1, 0
    begun_by: int | None = None
    """The row of the page before whose words follow one another."""
    held: int | None = None
    """The row of the page before whose columns hold on this one."""
    pushed = False
    """Whether words that were on the row before this one begin it: then it goes on with those that began it."""
    ended = True
    low = likely = high = 0
    """The columns at which the next word of a row can begin: the first, the usual and the last one."""
    get = before.get
    for i, (key, least, usual, most, after, padded, last) in enumerate(words):
        old = get(key)
        elastic = least < most
        if old is None:
            movable, began = True, False
        else:
            old_row, old_column, was_elastic = old
            movable, began = elastic or was_elastic, old_row != begun_by
            begun_by = old_row
        free.append(movable)
        goes_on = fits = not ended and (pushed or not began)
        column = 0
        if goes_on:
            if began:
                pushed, held = False, begun_by
            column = likely
            if old is not None and old_row == held:
                if low > old_column and not movable:
                    low -= _make_room(words, places, first, low - old_column, free)
                column = low if old_column < low else old_column if old_column < high else high
            over = low + least - width
            if over > 0:
                fits = _make_room(words, places, first, over, None) > 0
            if column > width - least:
                column = width - least
        if not fits:
            # A row that overflows pushes its last words to the next one.
            pushed = goes_on
            held = begun_by if began and not pushed else None
            row, first, column = row + 1, i, 0
        places.append((row, column, elastic))
        end = column + after
        low, likely, high = end + least, end + usual, end + most
        if padded:
            high += MAX_BLANKS
        ended = last
    return places


def _make_room(words: Sequence[Word], places: list[Place], first: int, wanted: int, free: Sequence[bool] | None) -> int:
    """Move the words before the next one to the left, as few as it takes, for `wanted` cells of room.

    `first`: the one that begins the row. `free`: which words may move for a part of it; None: any, but only for all
    of it. Returns how many cells there are.
    """
    rooms: list[int] = []
    found = 0
    for j in range(len(places) - 1, first, -1):
        if found >= wanted or (free is not None and not free[j]):
            break
        _, least, _, _, after, _, _ = words[j - 1]
        rooms.append(places[j][1] - places[j - 1][1] - least - after)
        found += rooms[-1]
    if found < wanted and free is None:
        return 0
    left = made = min(wanted, found)
    for j, room in zip(range(len(places) - 1, first, -1), rooms, strict=False):
        row, column, mask = places[j]
        places[j] = row, column - left, mask
        left = max(0, left - room)
    return made
