"""The state of one canvas during a run, and the interface of every sampler."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from sedd_cli.diffusion.draws import TopTokens
from sedd_cli.diffusion.network import Network


@dataclass(frozen=True, eq=False)
class State:
    """Everything that the rest of a run depends on; immutable. Tensors are (L,) on the CPU."""

    seed: int
    row: int
    ids: Tensor
    free: Tensor
    """bool: positions that the sampler may write; the others are clamped."""
    reveal_level: Tensor
    """float64: a masked position is revealed once its survival is no longer above its reveal_level (its `u_time`)."""
    token_uniform: Tensor
    """float64: the uniform that picks the position's token (`u_token`)."""
    visits: Tensor
    """int64: how often the position has been remasked."""
    survival: Tensor
    """float64: the probability of being masked still; used by samplers for which it depends on the network."""
    step: int = 0
    """Index of the next step; of a sampler that writes token by token, the number of tokens written."""
    reached: float = 1.0
    """The survival that the canvas as a whole has reached: 1 at the start, 0 at the end."""
    confidence: Tensor | None = None
    """float64: the probability with which positions were written; of samplers that read it."""
    corrections: int = 0
    """Gibbs updates made."""
    readings: int = 0
    """Readings made of what is written (`revised`)."""
    block: int = 0
    """The block that is being written; `step`, `reached`, `corrections` and `readings` are those of its run."""
    num_top: int = 0
    """How many of the likeliest tokens each call reports beside every one that it writes; changes no draw."""


class Change(NamedTuple):
    """The effect of one network call on one canvas: its step, time and noise; positions written, (k,) each.

    `top` (k, num_top): the likeliest tokens there, if the state asks for them.
    """

    step: int
    t: float
    sigma: float
    positions: Tensor
    probability: Tensor
    entropy: Tensor
    top: TopTokens | None = None


class Sampler(ABC):
    """Advances states, one network call at a time."""

    @property
    @abstractmethod
    def num_updates(self) -> int:
        """Updates of the whole run, the denoising step included; one a masked position if it writes token by token."""

    @abstractmethod
    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        """Return the initial state: ids (L,), ignored at free positions; free (L,) bool."""

    @abstractmethod
    def calls_left(self, state: State) -> int:
        """Network calls left; 0 when the state is done. See `exact_calls`."""

    @property
    def exact_calls(self) -> bool:
        """Whether `calls_left` is exact; otherwise it is an upper bound."""
        return True

    @property
    def num_corrections(self) -> int:
        """Gibbs updates among `num_updates`."""
        return 0

    @property
    def num_readings(self) -> int:
        """Readings of what is written (`revised`): they are numbered behind `num_updates`, and write nothing."""
        return 0

    def done(self, state: State) -> bool:
        """Whether no network call is left."""
        return self.calls_left(state) == 0

    def ready(self, states: Sequence[State]) -> list[State]:
        """The states that one call can advance together."""
        return list(states)

    @abstractmethod
    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        """One network call for states that are `ready` and not done."""

    def remask(self, state: State, positions: Tensor) -> State:
        """Remask positions (k,); see `branching`."""
        raise TypeError("only the absorbing process has a MASK to go back to")
