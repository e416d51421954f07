"""The edges of gaps: which join the text beside them badly, and which tokens would do so there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sedd_cli.diffusion.samplers import State
from sedd_cli.text.byte_level import finish_gap, is_text
from sedd_cli.text.edge_tokens import edge_tokens
from sedd_cli.text.edges import NEAR, Side, faulty_sides
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, Window

EDGE_REDRAWS = 3
"""How often the token at a gap's edge is drawn again for joining the text beside it badly."""


class Edge(NamedTuple):
    """A position at the faulty `side` of a gap (of a window), all of whose faulty sides are `faults`."""

    gap: int
    position: int
    side: Side
    faults: frozenset[Side]


class _Neighbours(NamedTuple):
    """The texts beside a gap, and what stood in it."""

    before: str
    after: str
    original: str

    def faults(self, text: str) -> frozenset[Side]:
        return faulty_sides(self.before, text, self.after, self.original)


@dataclass(frozen=True)
class Edges:
    """The edges of the gaps of a document with these line ends. `texts` below: those of all gaps of a window."""

    tokenizer: Tokenizer
    document: str
    gaps: Sequence[SizedGap]
    newline: str

    def faulty(self, window: Window, state: State, texts: Sequence[str]) -> list[Edge]:
        """Of each gap, the first edge that joins the text beside it badly, and may be drawn again."""
        edges = (self._faulty_edge(window, state, gap, texts) for gap in range(len(texts)))
        return [edge for edge in edges if edge is not None]

    def _faulty_edge(self, window: Window, state: State, gap: int, texts: Sequence[str]) -> Edge | None:
        place, faults = window.gap_positions[gap], self._neighbours(window, gap, texts).faults(texts[gap])
        for side, position in (("left", place.start), ("right", place.stop - 1)):
            again = state.free[position] and state.visits[position] < EDGE_REDRAWS
            if side in faults and again and is_text(self.tokenizer.bytes_of(int(state.ids[position]))):
                return Edge(gap, position, side, faults)
        return None

    def spoiling_tokens(self, window: Window, state: State, edge: Edge, texts: Sequence[str]) -> tuple[int, ...]:
        """The tokens that would leave an edge faulty or make another so; none if all would."""
        tokenizer, place, gap = self.tokenizer, window.gap_positions[edge.gap], self.gaps[window.first + edge.gap]
        neighbours = self._neighbours(window, edge.gap, texts)
        head, tail = (
            tokenizer.decode(state.ids[a:b].tolist())
            for a, b in ((place.start, edge.position), (edge.position + 1, place.stop))
        )

        def spoils(text: str) -> bool:
            written = finish_gap(
                f"{head}{text}{tail}",
                absorbs_space=gap.absorbs_space,
                adds_space=gap.adds_space,
                newline=self.newline,
            )
            faults = neighbours.faults(written)
            return edge.side in faults or not faults <= edge.faults

        found = edge_tokens(tokenizer).where(spoils, neighbours.before, neighbours.after)
        spoiling = tuple(sorted({*found, *tokenizer.broken_tokens}))
        excluded = window.canvas.excluded_at(edge.position).union(spoiling)
        return spoiling if len(excluded) < tokenizer.size else ()

    def _neighbours(self, window: Window, gap: int, texts: Sequence[str]) -> _Neighbours:
        document, gaps, number = self.document, self.gaps, window.first + gap
        here = gaps[number]
        low = gaps[number - 1].end if number else 0
        high = gaps[number + 1].start if number + 1 < len(gaps) else len(document)
        return _Neighbours(
            (texts[gap - 1] if gap else "") + document[max(low, here.start - NEAR) : here.start],
            document[here.end : min(high, here.end + NEAR)] + (texts[gap + 1] if gap + 1 < len(texts) else ""),
            document[here.start : here.end],
        )
