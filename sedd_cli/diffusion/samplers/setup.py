"""The arguments of a sampler's factory."""

from dataclasses import dataclass

from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.grid import Method
from sedd_cli.diffusion.names import SamplerName
from sedd_cli.diffusion.processes import StateSpace
from sedd_cli.diffusion.schedules import Schedule
from sedd_cli.diffusion.unmasking import Unmasking


@dataclass(frozen=True)
class Setup:
    """A canvas whose positions `free` (L,) bool are to be written, and how to write them.

    `end_ids`: tokens that end a text. `trained_block`: the blocks that the network was trained by, if it was.
    """

    process: StateSpace
    noise: Schedule
    name: SamplerName
    steps: int
    free: Tensor
    logits_processor: LogitsProcessor
    unmasking: Unmasking
    end_ids: tuple[int, ...]
    trained_block: int | None

    @property
    def length(self) -> int:
        return len(self.free)

    @property
    def free_count(self) -> int:
        return int(self.free.sum())

    @property
    def free_fraction(self) -> float:
        return self.free_count / self.length

    @property
    def block(self) -> int | None:
        """Positions in a block; None: there are none."""
        return self.trained_block or self.unmasking.block

    @property
    def method(self) -> Method:
        """How weights of a step of the grid are computed."""
        return "euler" if self.name == "euler" else "tweedie"
