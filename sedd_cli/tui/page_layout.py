"""What the canvas shows: a document's text, and in the place of its gaps their tokens, as rows of cells.

A place on a page is an `Address`: `(offset, 0)` is a character of the text; the n tokens that stand before the
character `offset` of a gap's start are `(offset, -n) ... (offset, -1)`. Addresses sort as they stand on the page.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import NamedTuple

from sedd_cli.tui.wrapping import breaks, graphemes

Address = tuple[int, int]
CHUNK = 16_384
"""Plain text is laid out in pieces of about so many characters, each once."""
_WORD = re.compile(r"\w+(?:(?:['’-]|(?<=\d)[.,:](?=\d))\w+)*|[^\w\s]+")
"""A word without the punctuation around it, or such punctuation."""


class Token(NamedTuple):
    """A token of a canvas as it is shown. `classes` name its styles, separated by blanks."""

    text: str
    classes: str


@dataclass(frozen=True)
class Replacement:
    """Tokens in the place of the characters `start ... end - 1` of a text."""

    start: int
    end: int
    tokens: tuple[Token, ...]


class Segment(NamedTuple):
    """Characters of a block in one style: from `start`, in `classes`; a token's address, or None for text."""

    start: int
    classes: str
    token: Address | None
    offset: int
    """Of text: the offset in the document of its first character, from that of the block."""


class Piece(NamedTuple):
    """Part of a row in one style; `start` in characters of the row. `token`: whether it is (part of) one."""

    start: int
    text: str
    classes: str
    token: bool


@dataclass(frozen=True)
class Block:
    """Whole lines that are laid out together; the same block can stand at any offset."""

    text: str
    segments: tuple[Segment, ...]

    def stop(self, i: int) -> int:
        """The character at which segment i ends."""
        return self.segments[i + 1].start if i + 1 < len(self.segments) else len(self.text)

    @cached_property
    def addresses(self) -> list[Address]:
        """Of the first character of each segment, from the block's offset."""
        return [segment.token or (segment.offset, 0) for segment in self.segments]


_cached_breaks = lru_cache(maxsize=1024)(breaks)


class Page:
    """A text of which some characters are shown as tokens, laid out in rows of `width` cells.

    `styled_spans`: `(start, end, classes)` of the text. Both they and `replacements` are in order.
    """

    def __init__(
        self, text: str, replacements: Sequence[Replacement], styled_spans: Sequence[tuple[int, int, str]], width: int
    ):
        self.width = width
        self.length = len(text)
        self.blocks: list[Block] = []
        self._offsets: list[int] = []
        for block, offset in _blocks(text, replacements, styled_spans):
            self.blocks.append(block)
            self._offsets.append(offset)
        self._rows = [_cached_breaks(block.text, max(2, width - 1)) for block in self.blocks]
        self._pieces: dict[int, tuple[Piece, ...]] = {}
        self._first = [0, *accumulate(map(len, self._rows))]

    @property
    def height(self) -> int:
        return self._first[-1]

    def row(self, y: int) -> tuple[Piece, ...]:
        if y not in self._pieces:
            self._pieces[y] = self._row(y)
        return self._pieces[y]

    def _row(self, y: int) -> tuple[Piece, ...]:
        b, start, end = self._bounds(y)
        block = self.blocks[b]
        first = bisect_right(block.segments, start, key=lambda segment: segment.start) - 1
        pieces = []
        for i in range(first, len(block.segments)):
            segment = block.segments[i]
            if segment.start >= end and i > first:
                break
            low, high = max(start, segment.start), min(end, block.stop(i))
            if low < high:
                pieces.append(Piece(low - start, block.text[low:high], segment.classes, segment.token is not None))
        return tuple(pieces)

    def text_of(self, y: int) -> str:
        b, start, end = self._bounds(y)
        return self.blocks[b].text[start:end]

    def address(self, y: int, x: int) -> Address:
        """What stands at a cell; right of the row's end its last character, below the page the end of the text."""
        if y >= self.height:
            return self.end
        b, start, end = self._bounds(max(0, y))
        left = 0
        at = end
        for low, high, width in graphemes(self.blocks[b].text[start:end]):
            if left + width > x:
                at = start + low
                break
            left += width
            if start + high == end and end < len(self.blocks[b].text):
                at = start + low
        return self._address(b, at)

    def nearest(self, address: Address) -> Address:
        """The address itself, or the one that stands where it would."""
        return self._address(*self._index(address))

    def locate(self, address: Address) -> tuple[int, int]:
        """Row and column of an address (of the nearest one before it, if it is on no page)."""
        b, at = self._index(address)
        rows = self._rows[b]
        r = max(0, bisect_right(rows, at) - 1)
        end = rows[r + 1] if r + 1 < len(rows) else len(self.blocks[b].text)
        x = sum(width for low, _, width in graphemes(self.blocks[b].text[rows[r] : end]) if rows[r] + low < at)
        return self._first[b] + r, x

    def cells(self, y: int, first: Address, last: Address) -> tuple[int, int]:
        """The characters of a row that stand from `first` to `last`, both included; an empty range if none."""
        b, start, end = self._bounds(y)
        low, high = self._index(first), self._index(last)
        stop = (high[0], self._stop(*high))
        return (
            max(0, low[1] - start) if low[0] == b else 0 if low[0] < b else end - start,
            min(end, stop[1]) - start if stop[0] == b else end - start if stop[0] > b else 0,
        )

    def move(self, address: Address, by: int) -> Address:
        """The address `by` graphemes or tokens further on (back, if negative)."""
        b, at = self._index(address)
        for _ in range(abs(by)):
            if by > 0:
                at = self._stop(b, at)
                if at >= len(self.blocks[b].text) and b + 1 < len(self.blocks):
                    b, at = b + 1, 0
            else:
                if at == 0 and b == 0:
                    break
                if at == 0:
                    b, at = b - 1, len(self.blocks[b - 1].text)
                at = self._start_before(b, at)
        return self._address(b, min(at, len(self.blocks[b].text)))

    def next_word(self, address: Address, by: int) -> Address:
        """The beginning of the next word (or of this or the one before, if `by` is negative)."""
        if by < 0:
            return self.word_at(self._past_blanks(self.move(address, -1), -1))[0]
        return self._past_blanks(self.move(self.word_at(address)[1], 1), 1)

    def word_at(self, address: Address) -> tuple[Address, Address]:
        """First and last address of the word, the punctuation, the blank or the token that stands there."""
        if address[1] < 0 or self.is_blank(address):
            return address, address
        before, after = self._run(address, -1), self._run(address, 1)
        run = [*reversed(before), address, *after]
        letters = "".join(map(self._character, run))
        (word,) = (m for m in _WORD.finditer(letters) if m.start() <= len(before) < m.end())
        return run[word.start()], run[word.end() - 1]

    def is_blank(self, address: Address) -> bool:
        """Whether blank text stands there; the end of the text is blank too."""
        return address[1] == 0 and not self._character(address).strip()

    def _past_blanks(self, address: Address, by: int) -> Address:
        while self.is_blank(address) and (following := self.move(address, by)) != address:
            address = following
        return address

    def _run(self, address: Address, by: int) -> list[Address]:
        """What stands beside an address, up to a blank or a token."""
        run = []
        while (following := self.move(address, by)) != address and following[1] == 0 and not self.is_blank(following):
            run.append(following)
            address = following
        return run

    def grapheme_end(self, address: Address) -> int:
        """Of a character of the text: the offset right behind it."""
        b, at = self._index(address)
        return min(self.length, address[0] + self._stop(b, at) - at)

    @property
    def end(self) -> Address:
        return self._address(len(self.blocks) - 1, len(self.blocks[-1].text))

    def _character(self, address: Address) -> str:
        b, at = self._index(address)
        return self.blocks[b].text[at : at + 1]

    def _bounds(self, y: int) -> tuple[int, int, int]:
        b = min(bisect_right(self._first, y) - 1, len(self.blocks) - 1)
        rows, r = self._rows[b], y - self._first[b]
        return b, rows[r], rows[r + 1] if r + 1 < len(rows) else len(self.blocks[b].text)

    def _segment_index(self, b: int, at: int) -> int:
        return max(0, bisect_right(self.blocks[b].segments, at, key=lambda segment: segment.start) - 1)

    def _address(self, b: int, at: int) -> Address:
        block = self.blocks[b]
        segment = block.segments[self._segment_index(b, at)]
        if segment.token is not None and at < len(block.text):
            return self._offsets[b] + segment.token[0], segment.token[1]
        if segment.token is not None:
            return self.length, 0
        return self._offsets[b] + segment.offset + at - segment.start, 0

    def _index(self, address: Address) -> tuple[int, int]:
        b = max(0, bisect_right(self._offsets, address[0]) - 1)
        # Tokens before the first character of a block are the block's before, if it ends with them.
        while b > 0 and address < self._address(b, 0):
            b -= 1
        block, base = self.blocks[b], self._offsets[b]
        i = max(0, bisect_right(block.addresses, (address[0] - base, address[1])) - 1)
        segment = block.segments[i]
        stop = block.stop(i)
        if segment.token is not None:
            beyond = (address[0] - base, address[1]) > segment.token
            return b, stop if beyond else segment.start
        return b, min(stop, segment.start + max(0, address[0] - base - segment.offset))

    def _stop(self, b: int, at: int) -> int:
        """Where the grapheme or token at a character of a block ends."""
        block = self.blocks[b]
        i = self._segment_index(b, at)
        stop = block.stop(i)
        if at >= len(block.text) or block.segments[i].token is not None:
            return stop
        newline = block.text.find("\n", at)
        near = min(stop, at + 64, newline + 1 if newline >= 0 else stop)
        return next((at + end for _, end, width in graphemes(block.text[at:near]) if width), stop)

    def _start_before(self, b: int, at: int) -> int:
        """Where the grapheme or token right before a character of a block begins."""
        block = self.blocks[b]
        i = self._segment_index(b, at - 1)
        segment = block.segments[i]
        if segment.token is not None:
            return segment.start
        low = max(segment.start, at - 64, block.text.rfind("\n", 0, at - 1) + 1)
        return next((low + start for start, _, width in reversed(graphemes(block.text[low:at])) if width), low)


_Item = tuple[int, int, Replacement | str]
"""What is special about the characters `start ... end - 1`: tokens in their place, or style classes."""


def _blocks(
    text: str, replacements: Sequence[Replacement], styled_spans: Sequence[tuple[int, int, str]]
) -> Iterator[tuple[Block, int]]:
    """Blocks with their offsets: lines with something special on them, and in between plain ones by chunks."""
    special: list[_Item] = [(s.start, s.end, s) for s in replacements]
    special = sorted(special + list(styled_spans), key=lambda item: item[:2])
    groups: list[tuple[int, int, list[_Item]]] = []
    for item in special:
        begin = text.rfind("\n", 0, item[0]) + 1
        newline = text.find("\n", item[1])
        end = len(text) if newline < 0 else newline + 1
        if groups and begin < groups[-1][1]:
            start, until, items = groups.pop()
            groups.append((start, max(until, end), [*items, item]))
        else:
            groups.append((begin, end, [item]))
    at = 0
    for begin, end, items in groups:
        yield from _plain(text, at, begin)
        yield _special(text, begin, end, items), begin
        at = end
    yield from _plain(text, at, len(text))
    if not (groups and groups[-1][1] == len(text) and groups[-1][2][-1][1] == len(text)) and text[-1:] in ("", "\n"):
        # The empty line at the end has an address too.
        yield Block("", (Segment(0, "text", None, 0),)), len(text)


def _plain(text: str, at: int, stop: int) -> Iterator[tuple[Block, int]]:
    while at < stop:
        cut = text.find("\n", min(stop, at + CHUNK), stop)
        cut = stop if cut < 0 else cut + 1
        yield Block(text[at:cut], (Segment(0, "text", None, 0),)), at
        at = cut


def _special(text: str, begin: int, end: int, items: Sequence[_Item]) -> Block:
    parts: list[str] = []
    segments: list[Segment] = []
    size = 0
    at = begin

    def add(part: str, classes: str, token: Address | None, offset: int) -> None:
        nonlocal size
        if part:
            segments.append(Segment(size, classes, token, offset))
            parts.append(part)
            size += len(part)

    for start, stop, item in items:
        add(text[at:start], "text", None, at - begin)
        if isinstance(item, str):
            add(text[start:stop], item, None, start - begin)
        else:
            n = len(item.tokens)
            for k, token in enumerate(item.tokens):
                add(token.text, token.classes, (start - begin, k - n), 0)
        at = max(at, stop)
    add(text[at:end], "text", None, at - begin)
    return Block("".join(parts), tuple(segments) or (Segment(0, "text", None, 0),))
