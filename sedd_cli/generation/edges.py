"""What does not fit its place in a gap, and which tokens would not fit there either."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from sedd_cli.diffusion.samplers import State
from sedd_cli.text.balance import opens, unmatched
from sedd_cli.text.byte_level import finish_gap, is_text
from sedd_cli.text.edge_tokens import edge_tokens
from sedd_cli.text.edges import NEAR
from sedd_cli.text.gap_style import FaultKind, Faults, GapStyle
from sedd_cli.text.indentation import indentation_of
from sedd_cli.text.letter_case import capitals_within, first_word_of
from sedd_cli.text.sentences import second_end
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, Window

EDGE_REDRAWS = 3
"""How often a token is drawn again for not fitting its place."""


class Misfit(NamedTuple):
    """A position in a gap (of a window) whose token is a fault of this kind; `faults` are all those of the gap.

    `kind` is None where the token is no fault, and another is to stand there all the same.
    """

    gap: int
    position: int
    kind: FaultKind | None
    faults: Faults


class _Neighbours(NamedTuple):
    """The texts beside a gap, and what they ask of it."""

    before: str
    after: str
    style: GapStyle

    def faults(self, text: str) -> Faults:
        return self.style.faults(self.before, text, self.after)


@dataclass(frozen=True)
class Edges:
    """What does not fit the gaps of a document with these line ends. `texts` below: those of all gaps of a window."""

    tokenizer: Tokenizer
    document: str
    gaps: Sequence[SizedGap]
    newline: str
    _styles: dict[int, GapStyle] = field(default_factory=dict, init=False)

    def faulty(self, window: Window, state: State, texts: Sequence[str]) -> list[Misfit]:
        """Of each gap, the first token that does not fit its place, and may be drawn again."""
        misfits = (self._misfit(window, state, gap, texts) for gap in range(len(texts)))
        return [misfit for misfit in misfits if misfit is not None]

    def _misfit(self, window: Window, state: State, gap: int, texts: Sequence[str]) -> Misfit | None:
        neighbours = self._neighbours(window, gap, texts)
        faults = neighbours.faults(texts[gap])
        for kind in faults:
            for position, sign in self._positions(kind, window.gap_positions[gap], state, neighbours.style):
                again = state.free[position] and state.visits[position] < EDGE_REDRAWS
                whole = is_text(self.tokenizer.bytes_of(int(state.ids[position])))
                if again and whole and self._may_hold(sign, window, position):
                    return Misfit(gap, position, kind, faults)
        return None

    def _may_hold(self, sign: str, window: Window, position: int) -> bool:
        """Whether a token with this quote or bracket may be written at a position; "" is every token's."""
        tokens = edge_tokens(self.tokenizer).holding
        return not sign or bool(tokens.get(sign, frozenset()) - window.canvas.excluded_at(position))

    def _positions(self, kind: FaultKind, place: range, state: State, style: GapStyle) -> Iterator[tuple[int, str]]:
        """Where a fault of a gap can be mended, the best first, with the sign that is missing there, or ""."""
        pieces = self.tokenizer.decode_each(state.ids[place.start : place.stop].tolist())
        text, ends = "".join(pieces), list(accumulate(map(len, pieces)))
        for offset, sign in _offsets(kind, text, style):
            yield place[min(bisect_right(ends, offset), len(place) - 1)], sign

    def spoiling_tokens(self, window: Window, state: State, misfit: Misfit, texts: Sequence[str]) -> tuple[int, ...]:
        """The tokens that would leave the fault as it is or add to another; none if all would."""
        spoiling = self._spoiling(window, state, misfit, texts)
        return tuple(sorted(spoiling)) if self._leave_some(spoiling, window, misfit.position) else ()

    def unfit_tokens(
        self, window: Window, state: State, position: int, texts: Sequence[str], taken: Set[int]
    ) -> tuple[int, ...] | None:
        """The tokens `taken`, and those that would be a fault at a position of a gap; None if no other is left."""
        gap = next(gap for gap, place in enumerate(window.gap_positions) if position in place)
        faults = self._neighbours(window, gap, texts).faults(texts[gap])
        unfit = self._spoiling(window, state, Misfit(gap, position, None, faults), texts) | taken
        return tuple(sorted(unfit)) if self._leave_some(unfit, window, position) else None

    def _leave_some(self, tokens: Set[int], window: Window, position: int) -> bool:
        """Whether a position may hold any token but these."""
        return len(window.canvas.excluded_at(position) | tokens) < self.tokenizer.size

    def _spoiling(self, window: Window, state: State, misfit: Misfit, texts: Sequence[str]) -> Set[int]:
        """The tokens that would leave the fault as it is or add to another."""
        tokenizer, place, gap = self.tokenizer, window.gap_positions[misfit.gap], self.gaps[window.first + misfit.gap]
        neighbours = self._neighbours(window, misfit.gap, texts)
        head, tail = (
            tokenizer.decode(state.ids[a:b].tolist())
            for a, b in ((place.start, misfit.position), (misfit.position + 1, place.stop))
        )

        def spoils(text: str) -> bool:
            written = finish_gap(
                f"{head}{text}{tail}",
                absorbs_space=gap.absorbs_space,
                adds_space=gap.adds_space,
                newline=self.newline,
            )
            faults = neighbours.faults(written)
            worse = {kind for kind, count in faults.items() if count > misfit.faults.get(kind, 0)}
            if misfit.kind == "indentation" and tail and (indentation := neighbours.style.indentation):
                # The tokens after it may be drawn again too, each in its turn.
                return not indentation.allows_start(head + text) or ("balance" in worse and bool(text.strip()))
            return bool(worse) or (misfit.kind is not None and faults.get(misfit.kind, 0) >= misfit.faults[misfit.kind])

        tokens = edge_tokens(tokenizer)
        each = tokens.capitals_of(neighbours.style.letter.common)
        found = tokens.where(spoils, neighbours.before, neighbours.after, each)
        return {*found, *tokenizer.broken_tokens}

    def _neighbours(self, window: Window, gap: int, texts: Sequence[str]) -> _Neighbours:
        document, gaps, number = self.document, self.gaps, window.first + gap
        here = gaps[number]
        low = gaps[number - 1].end if number else 0
        high = gaps[number + 1].start if number + 1 < len(gaps) else len(document)
        if number not in self._styles:
            self._styles[number] = GapStyle.of_gap(document, gaps, number)
        return _Neighbours(
            (texts[gap - 1] if gap else "") + document[max(low, here.start - NEAR) : here.start],
            document[here.end : min(high, here.end + NEAR)] + (texts[gap + 1] if gap + 1 < len(texts) else ""),
            self._styles[number],
        )


def _offsets(kind: FaultKind, text: str, style: GapStyle) -> Iterator[tuple[int, str]]:
    """Where in the text of a gap's tokens a fault stands, and the sign that is missing there, or ""."""
    if kind == "left":
        yield 0 if style.indentation is None else len(indentation_of(text)), ""
    elif kind == "right":
        end = second_end(text)
        yield len(text) if end is None else end, ""
    elif kind == "run-on":
        yield from ((offset, "") for offset in capitals_within(text))
    elif kind == "case" and (word := first_word_of(text)):
        yield text.index(word), ""
    elif kind == "indentation" and style.indentation is not None:
        yield style.indentation.kept(text), ""
    elif kind == "balance":
        yield from _unbalanced(text, style)


def _unbalanced(text: str, style: GapStyle) -> Iterator[tuple[int, str]]:
    """Where a quote or a bracket is too much, the last first; where one is missing: what opens at the start."""
    ours, theirs = unmatched(text), style.unmatched
    for sign in style.signs:
        there, before = ours.get(sign, ()), theirs.get(sign, ())
        if len(there) > len(before):
            yield from ((offset, "") for offset in reversed(there))
        elif len(there) < len(before):
            yield 0 if opens(style.original, before[0]) else len(text), sign
