"""What stood in the gaps of a document, and what its other candidates wrote: no candidate writes that again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sedd_cli.diffusion.draws import Exclusion
from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.edges import EDGE_REDRAWS, Edges
from sedd_cli.generation.engine import Step
from sedd_cli.text.windows import Window


@dataclass(frozen=True)
class Others:
    """The texts that are not to be written again in the gaps of a document, and what is drawn again where one is.

    `original`: what stood in the gaps, `windows`: the number of windows around them. `states`: those of canvases, as
    they stand, by their index (`Infilling`); `written` reads one. A gap is to differ from what stood in it, and a
    window from that of the candidates before its own. The last token written in the gap or window is drawn again.
    """

    original: Sequence[str]
    windows: int
    states: Mapping[int, State]
    written: Callable[[State], list[str]]
    edges: Edges
    _drawn: dict[int, list[int]] = field(default_factory=dict, init=False)
    """Positions by row, in the order in which their tokens were drawn; of several at once the likeliest first."""
    _read: dict[int, tuple[State, list[str]]] = field(default_factory=dict, init=False)
    _settled: dict[tuple[int, int], State] = field(default_factory=dict, init=False)
    """States by row and position, where nothing else fits that place."""

    def note(self, step: Step) -> None:
        """Note the tokens that a call wrote."""
        order = step.probability.nan_to_num(1.0).argsort(descending=True)
        self._drawn.setdefault(step.row, []).extend(step.changed[order].tolist())

    def exclusions(self, window: Window, state: State) -> list[Exclusion]:
        """Where a full canvas that writes nothing new is drawn again, and the tokens not to stand there.

        None where it is new, where nothing else fits, and behind as many draws as a gap's edge is given.
        """
        texts, drawn = self.written(state), self._drawn.get(state.row, [])
        again = [i for i, text in enumerate(texts, window.first) if text == self.original[i]]
        places = [[p for p in drawn if p in window.gap_positions[i - window.first]] for i in again]
        before = [row for row in self.states if row in range(state.row % self.windows, state.row, self.windows)]
        if not again and texts in map(self._text, before):
            places.append(drawn)
        found = (self._exclusion(window, state, place[-1], texts, before) for place in places if place)
        return [exclusion for exclusion in found if exclusion is not None]

    def _exclusion(
        self, window: Window, state: State, position: int, texts: Sequence[str], before: Sequence[int]
    ) -> Exclusion | None:
        key = state.row, position
        if not state.free[position] or state.visits[position] >= EDGE_REDRAWS or self._settled.get(key) is state:
            return None
        alike = (self.states[row] for row in before if _alike(self.states[row], state, position))
        taken = {int(one.ids[position]) for one in (state, *alike)}
        tokens = self.edges.unfit_tokens(window, state, position, texts, taken)
        if tokens is None:
            self._settled[key] = state
            return None
        return (position,), tokens

    def _text(self, row: int) -> list[str]:
        """What a candidate has in the gaps."""
        state = self.states[row]
        if row not in self._read or self._read[row][0] is not state:
            self._read[row] = state, self.written(state)
        return self._read[row][1]


def _alike(other: State, state: State, position: int) -> bool:
    """Whether two canvases have the same tokens but at a position."""
    if len(other.ids) != len(state.ids):
        return False
    return all(place == position for place in (other.ids != state.ids).nonzero().flatten().tolist())
