"""A document with its gaps filled, and how likely it is beside others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sedd_cli.diffusion.any_order import any_order_nats, calls_of_sets
from sedd_cli.diffusion.likelihood import default_estimator, estimate
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.samplers import State
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.repetition import repeats_itself

REPLICATES, DRAWS = 4, 16
"""Network calls per window for the ranking: replicates times draws."""


@dataclass(frozen=True)
class Filling:
    """A document with its gaps filled. `spans`: the filled ranges of `text`; `tokens`: of each gap.

    `nfe` counts network calls, `redrawn` those that drew a token again; `length_nats` is `-log p` of the lengths
    that were drawn. `complete` is False if the run was stopped: runs of N masks read `[[N]]`.
    """

    text: str
    spans: list[tuple[int, int]]
    nfe: int
    redrawn: int
    seed: int
    row: int
    complete: bool
    _states: list[State] = field(repr=False)
    _checkpoint: Checkpoint = field(repr=False)
    tokens: tuple[int, ...] = ()
    length_nats: float = 0.0

    @property
    def written(self) -> list[str]:
        """The text of each gap."""
        return [self.text[start:end] for start, end in self.spans]

    @cached_property
    def nats(self) -> float:
        """The bound on `-log p(gaps | the rest)` by the default estimator, in nats; computed on first access.

        Of lengths that were drawn, `-log p` is a part of it, so that texts of different lengths compare. Common random
        numbers noise all candidates of a request, so that their differences are not noise; of a few tokens there is
        none (`nats_of`).
        """
        return self.length_nats + self.nats_by(REPLICATES, DRAWS)

    def nats_by(self, replicates: int, draws: int) -> float:
        """As `nats`, given the lengths, from so many replicates of so many network calls each."""
        return nats_of(self._checkpoint, self._states, replicates, draws)


def nats_of(checkpoint: Checkpoint, states: Sequence[State], replicates: int = REPLICATES, draws: int = DRAWS) -> float:
    """The bound of the windows of one candidate, in nats; see `Filling.nats`.

    Of a window with so few tokens that it takes no more network calls, it is exact.
    """
    estimator = default_estimator(checkpoint.process, checkpoint.noise)
    model, process, noise = checkpoint.model, checkpoint.process, checkpoint.noise

    def of_window(state: State) -> float:
        exact = calls_of_sets(int(state.free.sum())) <= replicates * draws
        if exact and estimator == "ao" and checkpoint.blocks is None and isinstance(process, Absorbing):
            return any_order_nats(model, process, noise, state.ids, state.free)
        found = estimate(
            model,
            process,
            noise,
            state.ids[None],
            estimator=estimator,
            where=state.free[None],
            replicates=replicates,
            draws=draws,
            blocks=checkpoint.blocks,
        )
        return float(found.nats)

    return sum(map(of_window, states))


def ranked(fillings: list[Filling], document: str) -> list[Filling]:
    """Sort by `nats`, best first, then those that say words twice in a row, and last those that change nothing.

    A single or incomplete filling is not ranked.
    """
    if len(fillings) < 2 or not all(filling.complete for filling in fillings):
        return fillings
    return sorted(fillings, key=lambda filling: rank(filling.text == document, filling.written, filling.nats))


def rank(unchanged: bool, written: Sequence[str], nats: float) -> tuple[bool, bool, float]:
    """What candidates are sorted by. `unchanged`: whether one writes again what stood there, `written`: in each gap."""
    return unchanged, any(map(repeats_itself, written)), nats
