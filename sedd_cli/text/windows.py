"""What the network sees of a document: canvases around its gaps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sedd_cli.errors import UsageError
from sedd_cli.ranges import counted
from sedd_cli.text.gap_style import GapStyle
from sedd_cli.text.gaps import WITHIN_SENTENCE, Gap, length_range
from sedd_cli.text.sentences import SENTENCE_STOPS
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.words import begins_word

if TYPE_CHECKING:
    # The first frame of a run is laid out before torch is imported, which takes longer than all the rest.
    from sedd_cli.diffusion.draws import Exclusion
    from sedd_cli.diffusion.network import TrainedBlocks
    from sedd_cli.text.canvas import Canvas

CHARACTERS_PER_TOKEN = 8
"""Characters of context encoded on either side, per token of the canvas; the nearest tokens are used."""
MAX_GAP_SHARE = 0.75
"""Gaps of a long document share a canvas while they and the text between them take at most this share of it."""


@dataclass(frozen=True)
class SizedGap:
    """A gap with its number of tokens. `absorbs_space`: they begin with the space that ends the text before it.

    `one_line`: none of them holds a line end. `without`: nor one of these characters. `adds_space`: a space is put
    behind what they write. `ends_sentence`: the last of them does. `within_sentence`: they are part of one.
    `marker`: as in `Gap`.
    """

    start: int
    end: int
    tokens: int
    absorbs_space: bool = False
    one_line: bool = False
    without: str = ""
    adds_space: bool = False
    ends_sentence: bool = False
    within_sentence: bool = False
    marker: bool = False

    @property
    def begin(self) -> int:
        """The character at which its tokens begin."""
        return self.start - self.absorbs_space


def absorbs_space(tokenizer: Tokenizer, document: str, gap: Gap, after: int) -> bool:
    """Whether a gap's tokens begin with the space before it (see `Canvas`), which stands at `after` or later."""
    follows_space = gap.start > after and document[gap.start - 1] == " "
    return follows_space and tokenizer.has_space_tokens and not document[gap.start : gap.end][:1].isspace()


def adds_space(tokenizer: Tokenizer, document: str, gap: Gap) -> bool:
    """Whether what is inserted needs a space behind it, since a word begins there."""
    return gap.start == gap.end and tokenizer.has_space_tokens and begins_word(document, gap.end)


def original_tokens(tokenizer: Tokenizer, document: str, gap: Gap, after: int) -> int:
    """The number of tokens of a gap's text, with the space that it absorbs: what is written by default."""
    absorbed = absorbs_space(tokenizer, document, gap, after)
    return len(tokenizer.encode(document[gap.start - absorbed : gap.end])) if gap.start < gap.end else 0


def size_gaps(tokenizer: Tokenizer, document: str, gaps: Iterable[Gap]) -> list[tuple[Gap, SizedGap]]:
    """Each gap that is written, with as many tokens as are asked for, or else as stood there.

    Empty gaps without a requested length are dropped.
    """
    written = [gap for gap in gaps if gap.start < gap.end or gap.tokens is not None]
    before = [0, *(gap.end for gap in written)]
    return [(gap, _size(tokenizer, document, written, i, before[i])) for i, gap in enumerate(written)]


def _size(tokenizer: Tokenizer, document: str, gaps: Sequence[Gap], number: int, after: int) -> SizedGap:
    gap, style = gaps[number], GapStyle.of_gap(document, gaps, number)
    tokens = gap.tokens if isinstance(gap.tokens, int) else original_tokens(tokenizer, document, gap, after)
    _, most = length_range(gap.tokens, tokens, style.is_within_sentence)
    without = gap.without + SENTENCE_STOPS * (style.is_within_sentence and most <= WITHIN_SENTENCE[1])
    return SizedGap(
        *(gap.start, gap.end, tokens),
        absorbs_space=absorbs_space(tokenizer, document, gap, after),
        one_line=gap.one_line,
        without=without,
        adds_space=adds_space(tokenizer, document, gap),
        ends_sentence=style.ends_sentence and not set(SENTENCE_STOPS).issubset(without),
        within_sentence=style.is_within_sentence,
        marker=gap.marker,
    )


@dataclass(frozen=True)
class Layout:
    """The tokens of a window, None where they are to be written; `first` and `gap_positions` as in `Window`.

    `from_start`: whether it holds the text before its first gap from the beginning of the document.
    """

    ids: list[int | None]
    first: int
    gap_positions: tuple[range, ...]
    from_start: bool


@dataclass(frozen=True)
class Window:
    """A canvas and the positions of its gaps: gaps `first ... first + len(gap_positions) - 1` of the document."""

    canvas: "Canvas"
    first: int
    gap_positions: tuple[range, ...]

    def shortened(self, tokens: Mapping[int, int]) -> "Window":
        """The window without the last positions of some gaps, by their place in it, so that they have these tokens."""
        import torch

        stays = torch.ones_like(self.canvas.free)
        for i, count in tokens.items():
            stays[self.gap_positions[i].start + count : self.gap_positions[i].stop] = False
        moved, kept = (stays.cumsum(0) - 1).tolist(), stays.tolist()
        for place in self.gap_positions:
            # What is excluded at the end of a gap stays so at its new end, as in `_exclusions`.
            start, last = place.start, place.stop - 1
            kept[last] |= moved[last] > moved[start] or start not in self.canvas.space_positions
        canvas = replace(
            self.canvas,
            ids=self.canvas.ids[stays],
            free=self.canvas.free[stays],
            space_positions=tuple(moved[i] for i in self.canvas.space_positions),
            exclusions=tuple(
                (tuple(sorted({moved[i] for i in positions if kept[i]})), barred)
                for positions, barred in self.canvas.exclusions
            ),
        )
        places = (
            range(moved[place.start], moved[place.start] + tokens.get(i, len(place)))
            for i, place in enumerate(self.gap_positions)
        )
        return Window(canvas, self.first, tuple(places))


def make_windows(
    tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int, blocks: "TrainedBlocks | None" = None
) -> list[Window]:
    """Canvases of at most `length` tokens that hold every gap with tokens to write, nearby ones together.

    Kept text is tokenised separately, so that no token straddles the edge of a gap (except for an absorbed space). A
    canvas that reaches the end of the document ends with an end-of-text token. The cost depends on the gaps, not on
    the document's length. Of a network by `blocks`, which does not read what stands after a gap, nothing does.
    Raises `UsageError` for a gap longer than the canvas.
    """
    return [_window(tokenizer, gaps, layout) for layout in layouts(tokenizer, document, gaps, length, blocks)]


def layouts(
    tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int, blocks: "TrainedBlocks | None" = None
) -> Iterator[Layout]:
    """Lay out the canvases of `make_windows`, one after another. Needs no torch."""
    for group in _groups(tokenizer, document, gaps, length):
        yield _layout(tokenizer, document, gaps, group, length, blocks)


@dataclass(frozen=True)
class _Group:
    """Sites `first ... last` and the kept tokens between consecutive ones."""

    first: int
    last: int
    between: tuple[list[int], ...]


def _groups(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int) -> Iterator[_Group]:
    group: _Group | None = None
    used, budget = 0, _gap_budget(tokenizer, document, gaps, length)
    for i, gap in enumerate(gaps):
        if gap.tokens > length:
            raise UsageError(
                f"a gap of {counted(gap.tokens, 'token')} does not fit on a canvas of {length}",
                f"The largest possible is {counted(length, 'token')}: choose a shorter span, or ask for fewer tokens.",
            )
        if group is not None:
            between = _text_behind(document, gaps[i - 1], gap.begin)
            if len(between) <= CHARACTERS_PER_TOKEN * length:
                context = tokenizer.encode(between)
                if used + len(context) + gap.tokens <= budget:
                    group = _Group(group.first, i, (*group.between, context))
                    used += len(context) + gap.tokens
                    continue
            yield group
        group, used = _Group(i, i, ()), gap.tokens
    if group is not None:
        yield group


def _gap_budget(tokenizer: Tokenizer, document: str, gaps: Sequence[SizedGap], length: int) -> float:
    """The most tokens that gaps sharing a canvas may take: all of it if the whole document fits."""
    if len(document) <= CHARACTERS_PER_TOKEN * length:
        starts = [*(gap.begin for gap in gaps), len(document)]
        behind = [_text_behind(document, gap, stop) for gap, stop in zip(gaps, starts[1:], strict=True)]
        num_kept = sum(len(tokenizer.encode(text)) for text in (document[: starts[0]], *behind))
        if num_kept + sum(gap.tokens for gap in gaps) <= length:
            return length
    return MAX_GAP_SHARE * length


def _layout(
    tokenizer: Tokenizer,
    document: str,
    gaps: Sequence[SizedGap],
    group: _Group,
    length: int,
    blocks: "TrainedBlocks | None",
) -> Layout:
    inside = gaps[group.first : group.last + 1]
    begin, end = inside[0].begin, inside[-1].end
    # The text in another window's gap is not context: it is about to be replaced.
    before = gaps[group.first - 1].end if group.first else 0
    after = gaps[group.last + 1].begin if group.last + 1 < len(gaps) else len(document)
    reach = CHARACTERS_PER_TOKEN * length
    left = tokenizer.encode(document[max(before, begin - reach) : begin])
    if not left and blocks is not None and blocks.opening is not None:
        left = [blocks.opening]
    right = tokenizer.encode(_text_behind(document, inside[-1], min(after, end + reach))) if blocks is None else []
    ends = blocks is None and group.last + 1 == len(gaps) and end + reach >= len(document)
    if ends and tokenizer.end_of_text_id is not None:
        right.append(tokenizer.end_of_text_id)
    room = length - sum(gap.tokens for gap in inside) - sum(map(len, group.between))
    line_end = tokenizer.encode("\n")
    if begin == 0 and room >= len(right) + len(line_end):
        # A document begins as a line does: without this, the first word is read as one within a sentence.
        left = line_end
    on_left = min(len(left), max(room // 2, room - len(right)))
    ids: list[int | None] = [*left[len(left) - on_left :]]
    gap_positions = []
    for gap, context in zip(inside, (*group.between, right[: room - on_left]), strict=True):
        gap_positions.append(range(len(ids), len(ids) + gap.tokens))
        ids += [*[None] * gap.tokens, *context]
    from_start = on_left == len(left) and not before and begin <= reach
    return Layout(ids, group.first, tuple(gap_positions), from_start)


def _window(tokenizer: Tokenizer, gaps: Sequence[SizedGap], layout: Layout) -> Window:
    import torch

    from sedd_cli.text.canvas import Canvas

    inside = gaps[layout.first : layout.first + len(layout.gap_positions)]
    places = list(zip(inside, layout.gap_positions, strict=True))
    space_positions = tuple(place.start for gap, place in places if gap.absorbs_space)
    canvas = Canvas(
        torch.tensor([i or 0 for i in layout.ids], device="cpu"),
        torch.tensor([i is None for i in layout.ids], device="cpu"),
        forbidden=tokenizer.special_ids,
        space_positions=space_positions,
        forbidden_at_space=tokenizer.non_space_tokens if space_positions else (),
        exclusions=tuple(_exclusions(tokenizer, inside, layout.gap_positions)),
    )
    return Window(canvas, layout.first, layout.gap_positions)


def _text_behind(document: str, gap: SizedGap, stop: int) -> str:
    """The text between a gap and an offset, as the network reads it. At a line's beginning a line end fits too."""
    begins_line = gap.start == 0 or document[gap.start - 1] in "\r\n"
    return " " * (gap.adds_space and not begins_line) + document[gap.end : stop]


def _exclusions(tokenizer: Tokenizer, gaps: Sequence[SizedGap], places: Sequence[range]) -> "Iterator[Exclusion]":
    """The positions of gaps where some characters, or what ends no sentence, may not be written, and those tokens."""
    positions: dict[str, list[int]] = {}
    for gap, place in zip(gaps, places, strict=True):
        if barred := "\r\n" * gap.one_line + gap.without:
            positions.setdefault(barred, []).extend(place)
    for barred, at in positions.items():
        yield tuple(at), tokenizer.tokens_with(barred)
    # A single token is hardly ever a word behind a space and the end of a sentence too.
    ending = (
        place.stop - 1
        for gap, place in zip(gaps, places, strict=True)
        if gap.ends_sentence and len(place) > gap.absorbs_space
    )
    if ends := tuple(ending):
        yield ends, tokenizer.unending_tokens
