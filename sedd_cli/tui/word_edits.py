"""Edits of words, wherever they stand: in a canvas their tokens are changed, elsewhere the text.

Spans are those of the `SceneText` of a scene whose gaps are full. What a branch has written in the gaps of a document
becomes text by the first edit.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sedd_cli.text.gaps import Gap, Length
from sedd_cli.text.words import word_spans
from sedd_cli.tui import token_edits
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.scene_text import Part, SceneText, Span
from sedd_cli.tui.token_edits import TokenPosition

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer


def open_spans(scene: Scene, shown: SceneText, within: Span) -> list[Span]:
    """The spans from the first word to the last that are neither hidden by a gap nor locked by hand, in order."""
    # Words that the selection cuts are read whole.
    words = [span for span in word_spans(shown.text) if span[0] < within[1] and within[0] < span[1]]
    if not words:
        return []
    low, high = words[0][0], words[-1][1]
    spans = list[Span]()
    for part in shown.covering((low, high)):
        if part.hidden or (part.position is not None and _locked_by_hand(scene, part.position)):
            continue
        start, end = max(part.start, low), min(part.end, high)
        if spans and spans[-1][1] == start:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return spans


def _locked_by_hand(scene: Scene, position: TokenPosition) -> bool:
    """Whether a token is locked, and no text that was given from the first."""
    assert scene.branch is not None
    canvas, place = position
    given = not bool(scene.branch.moments[0].states[canvas].free[place])
    return not given and token_edits.locked(scene, position)


def replace_word(scene: Scene, shown: SceneText, span: Span, new: str) -> Scene:
    """The scene with `new` in the place of a word; in a canvas as tokens, if it needs as many as the word has."""
    parts = shown.covering(span)
    ids = _tokens_for(scene, parts, span, new)
    if ids:
        assert parts[0].position is not None
        return token_edits.choose(scene, parts[0].position, ids)
    scene = scene.flattened
    return replace(scene, draft=scene.draft.edit(*span, new))


def _tokens_for(scene: Scene, parts: Sequence[Part], span: Span, new: str) -> list[int]:
    """The tokens of a word in the place of those of a canvas; none if they cannot be written there."""
    if scene.run is None or scene.run.checkpoint.tokenizer is None or any(part.position is None for part in parts):
        return []
    held, start = "".join(part.piece for part in parts), parts[0].piece_start
    text = held[: span[0] - start] + new + held[span[1] - start :]
    ids = scene.run.checkpoint.tokenizer.encode(text)
    positions = [part.position for part in parts if part.position is not None]
    if len(ids) != len(parts) or any(i in scene.excluded_at(*p) for i, p in zip(ids, positions, strict=True)):
        return []
    return ids


def mask_word(scene: Scene, shown: SceneText, span: Span, tokenizer: "Tokenizer | None") -> tuple[Scene, int]:
    """The scene with a word masked, and how many characters are no longer in its text; see `mask_spans`."""
    parts = shown.covering(span)
    if scene.run is not None:
        masked = token_edits.remask(scene, [part.position for part in parts if part.position is not None])
        if masked is not scene:
            return masked, parts[-1].end - parts[0].start
    return mask_spans(scene, [span], tokenizer), 0


def mask_spans(scene: Scene, spans: Sequence[Span], tokenizer: "Tokenizer | None") -> Scene:
    """The flattened scene with words masked; what was written around one and awaits a verdict is accepted.

    `tokenizer`: what is written may have fewer tokens than the word, as a word that is spelt wrong has many (None: it
    has as many).
    """
    scene = scene.flattened
    draft = scene.draft
    for start, end in spans:
        for mark in draft.marks:
            if not mark.masked and mark.start < end and start < mark.end:
                draft = draft.accept(mark)
        draft = draft.mask(start, end, _at_most(start, end, draft.text, tokenizer))
    return replace(scene, draft=draft)


def _at_most(start: int, end: int, text: str, tokenizer: "Tokenizer | None") -> Length:
    """As many tokens as a word has, or fewer; None where it has one."""
    if tokenizer is None:
        return None
    from sedd_cli.text.windows import original_tokens

    count = original_tokens(tokenizer, text, Gap(start, end), 0)
    return (1, count) if count > 1 else None


def whole_words(shown: SceneText, positions: Sequence[TokenPosition]) -> tuple[list[TokenPosition], int]:
    """Tokens, and those of the words that they are parts of; and how many words, or signs between words, these are."""
    asked = set(positions)
    parts = [part for part in shown.parts if part.position in asked]
    words = word_spans(shown.text)
    cut = [(low, high) for low, high in words if any(part.start < high and low < part.end for part in parts)]
    spans = cut + [(p.start, p.end) for p in parts if not any(p.start < high and low < p.end for low, high in cut)]
    found = {part.position for span in spans for part in shown.covering(span) if part.position is not None}
    return sorted(found | asked), len(spans)
