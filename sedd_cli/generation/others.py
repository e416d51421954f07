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
    """The texts that are not to be written again in the gaps of one window, and what is drawn again where one is.

    `original`: what stood in the gaps. `states`: those of the candidates by row, as they stand; `written` reads one. A
    candidate is to differ from those of the rows before its own. What is drawn again is the last token that it wrote.
    """

    original: Sequence[str]
    states: Mapping[int, State]
    written: Callable[[State], list[str]]
    edges: Edges
    _last: dict[int, int] = field(default_factory=dict, init=False)
    _read: dict[int, tuple[State, list[str]]] = field(default_factory=dict, init=False)
    _settled: dict[int, State] = field(default_factory=dict, init=False)
    """States in whose last place nothing else fits."""

    def note(self, step: Step) -> None:
        """Note the token that a call wrote; of several the least likely."""
        if len(step.changed):
            self._last[step.row] = int(step.changed[step.probability.nan_to_num(1.0).argmin()])

    def exclusion(self, window: Window, state: State) -> Exclusion | None:
        """The place of the last token of a full canvas that writes nothing new, and the tokens not to stand there.

        None where it is new, where nothing else fits, and behind as many draws as a gap's edge is given.
        """
        row, position = state.row, self._last.get(state.row)
        if position is None or not state.free[position] or state.visits[position] >= EDGE_REDRAWS:
            return None
        texts, before = self.written(state), [row for row in self.states if row < state.row]
        if self._settled.get(row) is state or texts not in (self.original, *map(self._text, before)):
            return None
        alike = (self.states[row] for row in before if _alike(self.states[row], state, position))
        taken = {int(one.ids[position]) for one in (state, *alike)}
        tokens = self.edges.unfit_tokens(window, state, position, texts, taken)
        if tokens is None:
            self._settled[row] = state
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
