"""A page's text as blocks: lines that are laid out together, in which tokens stand in the place of characters.

A place on a page is an `Address`: `(offset, 0)` is a character of the text; the n tokens that stand before the
character `offset` of a gap's start are `(offset, -n) ... (offset, -1)`. Addresses sort as they stand on the page.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import NamedTuple

Address = tuple[int, int]
CHUNK = 16_384
"""Plain text is laid out in pieces of about so many characters, each once."""


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
    """What characters of a block are: in which style, and a token's address, or None for text."""

    classes: str
    token: Address | None
    offset: int
    """Of text: the offset in the document of its first character, from that of the block."""


PLAIN = (Segment("text", None, 0),)


@dataclass(frozen=True)
class Block:
    """Whole lines that are laid out together; the same block can stand at any offset. A text for each segment."""

    texts: tuple[str, ...]
    segments: tuple[Segment, ...]

    @cached_property
    def text(self) -> str:
        return "".join(self.texts)

    @cached_property
    def bounds(self) -> list[int]:
        """The first character of each segment, and the end of the last one."""
        return list(accumulate(map(len, self.texts), initial=0))

    def segment_at(self, at: int) -> int:
        """The index of the segment that a character is of."""
        return bisect_right(self.bounds, at, 1, len(self.segments)) - 1

    @cached_property
    def has_tokens(self) -> bool:
        return any(segment.token is not None for segment in self.segments)

    @cached_property
    def addresses(self) -> list[Address]:
        """Of the first character of each segment, from the block's offset."""
        return [segment.token or (segment.offset, 0) for segment in self.segments]


_Item = tuple[int, int, Replacement | str]
"""What is special about the characters `start ... end - 1`: tokens in their place, or style classes."""


def blocks_of(
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
        yield Block(("",), PLAIN), len(text)


def _plain(text: str, at: int, stop: int) -> Iterator[tuple[Block, int]]:
    while at < stop:
        cut = text.find("\n", min(stop, at + CHUNK), stop)
        cut = stop if cut < 0 else cut + 1
        yield Block((text[at:cut],), PLAIN), at
        at = cut


@lru_cache(maxsize=16_384)
def _token_segment(classes: str, offset: int, number: int) -> Segment:
    """The segment of a token: most are those of the page before, and what is new costs garbage collection too."""
    return Segment(classes, (offset, number), 0)


def _special(text: str, begin: int, end: int, items: Sequence[_Item]) -> Block:
    texts: list[str] = []
    segments: list[Segment] = []
    at = begin

    def add(part: str, classes: str, offset: int) -> None:
        if part:
            texts.append(part)
            segments.append(Segment(classes, None, offset))

    for start, stop, item in items:
        add(text[at:start], "text", at - begin)
        if isinstance(item, str):
            add(text[start:stop], item, start - begin)
        else:
            for k, (shown, classes) in enumerate(item.tokens, -len(item.tokens)):
                if shown:
                    texts.append(shown)
                    segments.append(_token_segment(classes, start - begin, k))
        at = max(at, stop)
    add(text[at:end], "text", at - begin)
    return Block(tuple(texts) or ("",), tuple(segments) or PLAIN)
