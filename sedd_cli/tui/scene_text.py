"""The text that a scene shows as one string: which parts of it are tokens, and where each part is on the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sedd_cli.tui.page_layout import Address
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.token_edits import TokenPosition

Span = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """Characters `start ... end - 1` of the text: those of one token, or text of the draft (`position` None).

    `address` is that of the token, or of the first character. `piece`: all that the token holds, whose first character
    is at `piece_start`: before `start` where its blank is the draft's. `hidden`: a gap that no branch writes is shown
    in its place.
    """

    start: int
    end: int
    address: Address
    position: TokenPosition | None = None
    piece: str = ""
    piece_start: int = 0
    hidden: bool = False


@dataclass(frozen=True)
class SceneText:
    """`text`, made up of `parts` in order. Where all gaps are full it is the text of the flattened scene."""

    text: str
    parts: tuple[Part, ...]

    def covering(self, span: Span) -> list[Part]:
        """The parts that a span has characters of."""
        return [part for part in self.parts if part.start < span[1] and span[0] < part.end]

    def address_of(self, offset: int) -> Address:
        """Where a character is on the page."""
        part = next(iter(self.covering((offset, offset + 1))), self.parts[-1])
        return part.address if part.address[1] < 0 else (part.address[0] + offset - part.start, 0)

    def span_between(self, first: Address, last: Address) -> Span:
        """The characters from one address to another, both included."""
        inside = list[Span]()
        for part in self.parts:
            low, high = part.start, part.end
            if part.address[1] == 0:
                low += max(0, first[0] - part.address[0])
                high = min(high, part.start + last[0] - part.address[0] + (last[1] >= 0))
            if low < high and (part.address[1] == 0 or first <= part.address <= last):
                inside.append((low, high))
        return (inside[0][0], inside[-1][1]) if inside else (0, 0)


def scene_text(scene: Scene) -> SceneText | None:
    """The text of a scene; None if its tokens cannot be told apart in it."""
    if scene.branch is not None and scene.branch.job.checkpoint.tokenizer is None:
        return None
    if scene.run is not None:
        return _of_canvas(scene)
    draft, text, parts, at = scene.draft, "", list[Part](), 0
    for gap, mark in enumerate(draft.masked):
        outside = draft.text[at : mark.start]
        parts.append(Part(len(text), len(text) + len(outside), (at, 0)))
        text, at = text + outside, mark.end
        if scene.infilling is None:
            within = draft.text[mark.start : mark.end]
            parts.append(Part(len(text), len(text) + len(within), (mark.start, -1), hidden=True))
        elif gap in scene.verdicts:
            within = scene.verdicts[gap]
            parts.append(Part(len(text), len(text) + len(within), (mark.start, -1)))
        else:
            tokens = _of_gap(scene, gap, len(text))
            if tokens is None:
                return None
            within = tokens[0]
            parts += tokens[1]
        text += within
    parts.append(Part(len(text), len(text) + len(draft.text) - at, (at, 0)))
    return SceneText(text + draft.text[at:], tuple(part for part in parts if part.start < part.end))


def _of_canvas(scene: Scene) -> SceneText | None:
    assert scene.run is not None and scene.moment is not None
    ids, text = scene.moment.states[0].ids, scene.flattened.draft.text
    pieces = _pieces(scene, ids[: scene.run.end_of_text_position(ids)].tolist())
    # End-of-text tokens at the start of a canvas are no text.
    lead = "".join(pieces).find(text)
    if lead < 0:
        return None
    places = [((0, i - len(ids)), (0, i)) for i in range(len(pieces))]
    return SceneText(text, tuple(_tokens(pieces, places, -lead, (0, len(text)))))


def _of_gap(scene: Scene, gap: int, start: int) -> tuple[str, list[Part]] | None:
    """The text and the parts of a gap that a branch writes, which begins at `start`."""
    assert scene.infilling is not None
    canvas, positions = scene.canvas_of(gap)
    pieces = _pieces(scene, scene.ids_of(gap).tolist())
    joined = "".join(pieces)
    # Its blank may be the one before the gap.
    lead = int(joined.startswith(" ") and positions.start in scene.window_of(canvas).canvas.space_positions)
    text = scene.written(gap) if scene.filled(gap) else joined[lead:]
    if not text.startswith(joined[lead:]):
        return None
    address = scene.draft.masked[gap].start
    places = [((address, k - len(positions)), (canvas, position)) for k, position in enumerate(positions)]
    parts = list(_tokens(pieces, places, start - lead, (start, start + len(text))))
    # A blank may be put behind what is written.
    return text, [*parts[:-1], *(replace(part, end=start + len(text)) for part in parts[-1:])]


def _pieces(scene: Scene, ids: Sequence[int]) -> list[str]:
    """What each token holds; MASK holds nothing."""
    assert scene.branch is not None
    checkpoint = scene.branch.job.checkpoint
    assert checkpoint.tokenizer is not None
    return checkpoint.tokenizer.decode_each([None if token == checkpoint.mask_id else token for token in ids])


def _tokens(
    pieces: Sequence[str], places: Sequence[tuple[Address, TokenPosition]], at: int, shown: Span
) -> Iterator[Part]:
    """Tokens, the first of which begins at `at`, as far as their characters are `shown`."""
    for piece, (address, position) in zip(pieces, places, strict=True):
        start, end = max(shown[0], at), min(shown[1], at + len(piece))
        if start < end:
            yield Part(start, end, address, position, piece, at)
        at += len(piece)
