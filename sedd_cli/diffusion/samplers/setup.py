"""The arguments of a sampler's factory."""

from dataclasses import dataclass

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.grid import Method
from sedd_cli.diffusion.names import SamplerName
from sedd_cli.diffusion.processes import StateSpace
from sedd_cli.diffusion.schedules import Schedule


@dataclass(frozen=True)
class Setup:
    """A canvas of `length` positions of which `free` are to be written, and how to write them."""

    process: StateSpace
    noise: Schedule
    name: SamplerName
    steps: int
    free: int
    length: int
    logits_processor: LogitsProcessor

    @property
    def free_fraction(self) -> float:
        return self.free / self.length

    @property
    def method(self) -> Method:
        """How weights of a step of the grid are computed."""
        return "euler" if self.name == "euler" else "tweedie"
