"""What the network sees of a document: canvases around its gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from sedd_cli.errors import UsageError
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.gaps import Gap
from sedd_cli.text.tokenizer import Tokenizer

CHARACTERS_PER_TOKEN = 8
"""So many characters a token of the canvas are looked at on either side; of those tokens the nearest fit."""
MAX_GAP_SHARE = 0.75
"""Gaps of a long document are filled jointly while they and what stands between them take no more of a canvas."""


@dataclass(frozen=True)
class SizedGap:
    """A gap with its number of tokens. `absorbs_space`: they begin with the space that ends the text before it."""

    start: int
    end: int
    tokens: int
    absorbs_space: bool = False

    @property
    def begin(self) -> int:
        """Where its tokens begin."""
        return self.start - self.absorbs_space


def absorbs_space(tokenizer: Tokenizer, document: str, gap: Gap, after: int) -> bool:
    """Whether a gap's tokens begin with the space before it (see `Canvas`), which stands at `after` or later."""
    follows_space = gap.start > after and document[gap.start - 1] == " "
    return follows_space and tokenizer.has_space_tokens and not document[gap.start : gap.end][:1].isspace()


@dataclass(frozen=True)
class Window:
    """A canvas, and where on it its gaps stand: gaps `first ... first + len(gap_positions) - 1` of the document."""

    canvas: Canvas
    first: int
    gap_positions: tuple[range, ...]


def make_windows(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int) -> list[Window]:
    """Canvases of at most `length` tokens that hold every gap with tokens to write, nearby ones together.

    Kept text is tokenised on its own, so that no token straddles a gap's edge, but for the blank before it; a canvas
    that reaches the end of the document says so by an end-of-text token. The work depends on the gaps, not on the
    document's length.
    Raises `UsageError` for a gap longer than the canvas.
    """
    return [_window(tokenizer, document, gaps, group, length) for group in _groups(tokenizer, document, gaps, length)]


@dataclass(frozen=True)
class _Group:
    """Sites `first ... last`, with the kept tokens between each and the next."""

    first: int
    last: int
    between: tuple[list[int], ...]


def _groups(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int) -> Iterator[_Group]:
    group: _Group | None = None
    taken, most = 0, _gap_budget(tokenizer, document, gaps, length)
    for i, gap in enumerate(gaps):
        if gap.tokens > length:
            raise UsageError(
                f"a gap of {gap.tokens} tokens does not fit on a canvas of {length}",
                f"The largest possible is {length} tokens: choose a shorter span, or ask for fewer tokens.",
            )
        if group is not None:
            between = document[gaps[i - 1].end : gap.begin]
            if len(between) <= CHARACTERS_PER_TOKEN * length:
                kept = tokenizer.encode(between)
                if taken + len(kept) + gap.tokens <= most:
                    group = _Group(group.first, i, (*group.between, kept))
                    taken += len(kept) + gap.tokens
                    continue
            yield group
        group, taken = _Group(i, i, ()), gap.tokens
    if group is not None:
        yield group


def _gap_budget(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int) -> float:
    """Tokens of a canvas that gaps filled jointly may take: all of them where the document fits as a whole."""
    if len(document) <= CHARACTERS_PER_TOKEN * length:
        edges = [0, *(edge for gap in gaps for edge in (gap.begin, gap.end)), len(document)]
        kept = sum(len(tokenizer.encode(document[a:b])) for a, b in zip(edges[::2], edges[1::2], strict=True))
        if kept + sum(gap.tokens for gap in gaps) <= length:
            return length
    return MAX_GAP_SHARE * length


def _window(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], group: _Group, length: int) -> Window:
    inside = gaps[group.first : group.last + 1]
    begin, end = inside[0].begin, inside[-1].end
    # Another window's gap is no context: what stands in it is about to go.
    before = gaps[group.first - 1].end if group.first else 0
    after = gaps[group.last + 1].begin if group.last + 1 < len(gaps) else len(document)
    reach = CHARACTERS_PER_TOKEN * length
    left = tokenizer.encode(document[max(before, begin - reach) : begin])
    right = tokenizer.encode(document[end : min(after, end + reach)])
    ends = group.last + 1 == len(gaps) and end + reach >= len(document)
    if ends and tokenizer.end_of_text_id is not None:
        right.append(tokenizer.end_of_text_id)
    room = length - sum(gap.tokens for gap in inside) - sum(map(len, group.between))
    on_left = min(len(left), max(room // 2, room - len(right)))
    ids = left[len(left) - on_left :]
    gap_positions = []
    for gap, kept in zip(inside, (*group.between, right[: room - on_left]), strict=True):
        gap_positions.append(range(len(ids), len(ids) + gap.tokens))
        ids += [0] * gap.tokens + kept
    free = torch.zeros(len(ids), dtype=torch.bool)
    for place in gap_positions:
        free[place.start : place.stop] = True
    forbidden = () if tokenizer.end_of_text_id is None else (tokenizer.end_of_text_id,)
    space_positions = tuple(place.start for gap, place in zip(inside, gap_positions, strict=True) if gap.absorbs_space)
    canvas = Canvas(
        torch.tensor(ids),
        free,
        forbidden=forbidden,
        space_positions=space_positions,
        forbidden_at_space=tokenizer.non_space_tokens if space_positions else (),
    )
    return Window(canvas, group.first, tuple(gap_positions))
