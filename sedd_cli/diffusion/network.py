"""The interface of a network: log scores at chosen positions only."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor


class Scored(NamedTuple):
    """Log scores of n positions: `row` (n,), `position` (n,), `log_score` (n, tokens) in float32 or float64.

    Columns are the states that can be written (all but MASK), in order: `StateSpace.state_of`. At a position of the
    uniform process the column of the token that stands there is 0.
    """

    row: Tensor
    position: Tensor
    log_score: Tensor


class TrainedBlocks(NamedTuple):
    """How a network denoises by blocks of `size` positions: each given those before it (BD3-LM, 2503.09573, section 3).

    `opening`: the token before a text whose first one is to be written, where position 0 was never noised in training.
    """

    size: int
    opening: int | None = None


class Network(Protocol):
    """A score network, or an oracle."""

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        """Yield log scores at the positions `where`, in chunks, in row-major order.

        x (B, L) int64, sigma (B,), where (B, L) bool. One network call, however many chunks.
        """
        ...
