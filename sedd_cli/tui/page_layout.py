"""What the canvas shows: a document's text, and in the place of its gaps their tokens, as rows of cells."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import NamedTuple

from sedd_cli.tui.blocks import Address, Block, Replacement, Token, blocks_of
from sedd_cli.tui.steady_blocks import arranged, follows, places_in
from sedd_cli.tui.steady_rows import Places
from sedd_cli.tui.wrapping import breaks, graphemes, widest

__all__ = ["Address", "Page", "Piece", "Replacement", "Steady", "Token"]

_WORD = re.compile(r"\w+(?:(?:['’-]|(?<=\d)[.,:](?=\d))\w+)*|[^\w\s]+")
"""A word without the punctuation around it, or such punctuation."""


class Piece(NamedTuple):
    """Part of a row in one style; `start` in characters of the row. `token`: whether it is (part of) one."""

    start: int
    text: str
    classes: str
    token: bool


@dataclass(frozen=True)
class Steady:
    """How to lay out a text that is being written, so that its words hold still.

    `before`: the page shown before. Where no more than a quarter of a block's tokens differ from it and the width is
    the same, words stay as near to their places there as they can; so these depend on all the pages since a user has
    last gone far. Elsewhere rows are filled but for the share `slack`, which depends on nothing else.
    """

    before: "Page | None"
    slack: float


Extent = tuple[tuple[int, int], tuple[int, int]]
"""Block and index of a character, and of what follows the last one."""
_cached_breaks = lru_cache(maxsize=1024)(breaks)
_cached_widest = lru_cache(maxsize=1024)(widest)


class Page:
    """A text of which some characters are shown as tokens, laid out in rows of `width` cells.

    `styled_spans`: `(start, end, classes)` of the text. Both they and `replacements` are in order. `steady`: the text
    is being written; by default rows are filled as far as they go.
    """

    def __init__(
        self,
        text: str,
        replacements: Sequence[Replacement],
        styled_spans: Sequence[tuple[int, int, str]],
        width: int,
        steady: Steady | None = None,
    ):
        self.width = width
        self.text = text
        self._plain = list(blocks_of(text, replacements, styled_spans))
        """The blocks as they would be written, with their offsets; `blocks` may have other blanks and MASKs."""
        self._offsets = [offset for _, offset in self._plain]
        self._places: dict[int, Places] = {}
        """By offset of a block of tokens, the places of its words, as far as they are known."""
        self.blocks: list[Block] = []
        self._rows: list[list[int]] = []
        for block, offset in self._plain:
            if steady is None or not block.has_tokens:
                rows = _cached_breaks(block.text, max(2, width - 1))
            else:
                block, rows = self._held(block, offset, steady)
            self.blocks.append(block)
            self._rows.append(rows)
        self._pieces: dict[int, tuple[Piece, ...]] = {}
        self._first = [0, *accumulate(map(len, self._rows))]

    def _held(self, block: Block, offset: int, steady: Steady) -> tuple[Block, list[int]]:
        """A block of tokens and where its rows begin, its words where they stand on the page before."""
        width, before = max(2, self.width - 1), steady.before
        b = None if before is None else before._followed_by(self, block, offset)
        if before is None or b is None:
            # Where its words are is found out once a page follows.
            return block, _cached_breaks(block.text, max(2, round(width * (1 - steady.slack))))
        self._places[offset] = before._places_of(b)
        if before._plain[b][0].texts == block.texts:
            # Only its styles are others.
            return Block(before.blocks[b].texts, block.segments), before._rows[b]
        block, rows, self._places[offset] = arranged(block, width, self._places[offset])
        return block, rows

    def _followed_by(self, page: "Page", block: Block, offset: int) -> int | None:
        """The index of the block here that a block of another page is a later state of; None if there is none."""
        if self.width != page.width or self.text != page.text or offset not in self._offsets:
            return None
        b = self._offsets.index(offset)
        before = self._plain[b][0]
        return b if before.has_tokens and follows(block, before) else None

    def _places_of(self, b: int) -> Places:
        """Where the words of a block are, which the next page may keep."""
        offset = self._offsets[b]
        if offset not in self._places:
            self._places[offset] = places_in(self._plain[b][0], self._rows[b], max(2, self.width - 1))
        return self._places[offset]

    @property
    def length(self) -> int:
        return len(self.text)

    @property
    def height(self) -> int:
        return self._first[-1]

    @cached_property
    def widest(self) -> int:
        """Cells of the widest row."""
        return max(_cached_widest(block.text, self.width) for block in self.blocks)

    def row(self, y: int) -> tuple[Piece, ...]:
        if y not in self._pieces:
            self._pieces[y] = self._row(y)
        return self._pieces[y]

    def _row(self, y: int) -> tuple[Piece, ...]:
        b, start, end = self._bounds(y)
        block = self.blocks[b]
        first = block.segment_at(start)
        pieces = []
        stop = block.bounds[first]
        for i in range(first, len(block.segments)):
            begin, stop = stop, block.bounds[i + 1]
            if begin >= end and i > first:
                break
            classes, token, _ = block.segments[i]
            if start <= begin < stop <= end:
                pieces.append(Piece(begin - start, block.texts[i], classes, token is not None))
            elif (low := max(start, begin)) < (high := min(end, stop)):
                pieces.append(Piece(low - start, block.text[low:high], classes, token is not None))
        return tuple(pieces)

    def text_of(self, y: int) -> str:
        b, start, end = self._bounds(y)
        return self.blocks[b].text[start:end]

    def text_between(self, first: Address, last: Address) -> str:
        """What stands from `first` to `last`, both included, as it would be written: MASKs are of one width."""
        low, high = self._index(first), self._index(last)
        begin, end = self._plain_index(*low), self._plain_index(high[0], self._stop(*high))
        texts = [block.text for block, _ in self._plain[low[0] : high[0] + 1]]
        texts[-1] = texts[-1][:end]
        return "".join([texts[0][begin:], *texts[1:]])

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
            if start + high == end and y + 1 < self.height:
                at = start + low
        return self._address(b, at)

    def nearest(self, address: Address) -> Address:
        """The address itself, or the one that stands where it would."""
        return self._address(*self._index(address))

    def locate(self, address: Address) -> tuple[int, int]:
        """Row and column of an address (of the nearest one before it, if it is on no page)."""
        b, at = self._index(address)
        here = self._cell(b, at)
        word = self.locate_word(address) if address[1] < 0 else here
        # Of a token that begins a row, the blank is on the row before.
        return word if word[0] != here[0] else here

    def locate_word(self, address: Address) -> tuple[int, int]:
        """Row and column of the first character of a token that is no blank."""
        b, at = self._index(address)
        text = self.blocks[b].text[at : self._stop(b, at)]
        return self._cell(b, at + len(text) - len(text.lstrip(" ")) if text.strip(" ") else at)

    def _cell(self, b: int, at: int) -> tuple[int, int]:
        rows = self._rows[b]
        r = max(0, bisect_right(rows, at) - 1)
        end = rows[r + 1] if r + 1 < len(rows) else len(self.blocks[b].text)
        x = sum(width for low, _, width in graphemes(self.blocks[b].text[rows[r] : end]) if rows[r] + low < at)
        return self._first[b] + r, x

    def extent(self, first: Address, last: Address) -> Extent:
        """The characters from `first` to `last`, both included: block and index of the first, and of what follows."""
        low, high = self._index(first), self._index(last)
        return low, (high[0], self._stop(*high))

    def cells(self, y: int, extent: Extent) -> tuple[int, int]:
        """The characters of a row that are within an extent; an empty range if none."""
        (low_b, low), (high_b, high) = extent
        b, start, end = self._bounds(y)
        return (
            max(0, low - start) if low_b == b else 0 if low_b < b else end - start,
            min(end, high) - start if high_b == b else end - start if high_b > b else 0,
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

    def _plain_index(self, b: int, at: int) -> int:
        """Where a character of a block is in the block as it would be written."""
        block, plain = self.blocks[b], self._plain[b][0]
        if at >= len(block.text):
            return len(plain.text)
        i = block.segment_at(at)
        return plain.bounds[i] + at - block.bounds[i]

    def _address(self, b: int, at: int) -> Address:
        block = self.blocks[b]
        i = block.segment_at(at)
        segment = block.segments[i]
        if segment.token is not None and at < len(block.text):
            return self._offsets[b] + segment.token[0], segment.token[1]
        if segment.token is not None:
            return self.length, 0
        return self._offsets[b] + segment.offset + at - block.bounds[i], 0

    def _index(self, address: Address) -> tuple[int, int]:
        b = max(0, bisect_right(self._offsets, address[0]) - 1)
        # Tokens before the first character of a block are the block's before, if it ends with them.
        while b > 0 and address < self._address(b, 0):
            b -= 1
        block, base = self.blocks[b], self._offsets[b]
        i = max(0, bisect_right(block.addresses, (address[0] - base, address[1])) - 1)
        segment = block.segments[i]
        start, stop = block.bounds[i], block.bounds[i + 1]
        if segment.token is not None:
            beyond = (address[0] - base, address[1]) > segment.token
            return b, stop if beyond else start
        return b, min(stop, start + max(0, address[0] - base - segment.offset))

    def _stop(self, b: int, at: int) -> int:
        """Where the grapheme or token at a character of a block ends."""
        block = self.blocks[b]
        i = block.segment_at(at)
        stop = block.bounds[i + 1]
        if at >= len(block.text) or block.segments[i].token is not None:
            return stop
        newline = block.text.find("\n", at)
        near = min(stop, at + 64, newline + 1 if newline >= 0 else stop)
        return next((at + end for _, end, width in graphemes(block.text[at:near]) if width), stop)

    def _start_before(self, b: int, at: int) -> int:
        """Where the grapheme or token right before a character of a block begins."""
        block = self.blocks[b]
        i = block.segment_at(at - 1)
        segment = block.segments[i]
        if segment.token is not None:
            return block.bounds[i]
        low = max(block.bounds[i], at - 64, block.text.rfind("\n", 0, at - 1) + 1)
        return next((low + start for start, _, width in reversed(graphemes(block.text[low:at])) if width), low)
