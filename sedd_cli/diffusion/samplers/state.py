"""The state of one canvas under way, and what every sampler does with it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from sedd_cli.diffusion.network import Network


@dataclass(frozen=True, eq=False)
class State:
    """All that the rest of a run depends on. Immutable: going back is keeping an old one. Tensors are (L,), CPU."""

    seed: int
    row: int
    ids: Tensor
    free: Tensor
    """bool: positions that the sampler may write; the others are clamped."""
    reveal_level: Tensor
    """float64: a masked position is revealed once its survival is no longer above its reveal_level (its `u_time`)."""
    token_uniform: Tensor
    """float64: the number that picks the position's token (`u_token`)."""
    visits: Tensor
    """int64: how often the position has been remasked."""
    survival: Tensor
    """float64: per position, the chance of having survived so far (used where it depends on the network)."""
    step: int = 0
    """The next step of the grid; for first-hitting, how many tokens were written."""
    reached: float = 1.0
    """The survival that the canvas as a whole has reached: 1 at the start, 0 at the end."""


class Change(NamedTuple):
    """What one network call did to one canvas: time and noise it ran at; positions written, (k,) each."""

    step: int
    t: float
    sigma: float
    positions: Tensor
    probability: Tensor
    entropy: Tensor


class Sampler(ABC):
    """Carries states forward, one network call at a time."""

    @property
    @abstractmethod
    def num_updates(self) -> int:
        """Steps of the whole run, the denoising step included; for first-hitting, one a masked position."""

    @abstractmethod
    def start(self, ids: Tensor, free: Tensor, seed: int, row: int) -> State:
        """The state at the beginning: ids (L,) with anything at the free positions, free (L,) bool."""

    @abstractmethod
    def calls_left(self, state: State) -> int:
        """Network calls that the state still needs; 0 when it is done. See `exact_calls`."""

    @property
    def exact_calls(self) -> bool:
        """Whether `calls_left` is exact; otherwise it is the most that can be needed."""
        return True

    def ready(self, states: Sequence[State]) -> list[State]:
        """Those of the states that one call can advance together."""
        return list(states)

    @abstractmethod
    def advance(self, states: Sequence[State], network: Network) -> list[tuple[State, Change]]:
        """One network call for states that are `ready` and not done."""

    def remask(self, state: State, positions: Tensor) -> State:
        """Give positions (k,) back to the process (see `branching`)."""
        raise TypeError("only the absorbing process has a MASK to go back to")
