"""What a run of the generator and the filling of a document have in common, for those who watch or record them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from sedd_cli.diffusion.samplers import Sampler, State
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from sedd_cli.generation.engine import Step


class Job(Protocol):
    """Rows of canvases being written, step by step."""

    checkpoint: Checkpoint
    request: Request
    seed: int

    def start(self, row: int) -> State:
        """The state at the beginning of a row."""

    def steps(self) -> "Iterator[Step]":
        """Carry every row to its end."""

    def resume(self, states: Sequence[State]) -> "Iterator[Step]":
        """Carry states of different rows to their end, whether they are fresh, went back, or were edited."""

    def rows_of(self, number: int) -> Sequence[int]:
        """The rows that make up text `number`."""

    def done(self, state: State) -> bool:
        """Whether `resume` has nothing to do for a state."""

    def calls_needed(self) -> int:
        """Network calls of all rows, known before the first; an upper bound unless `exact_calls`."""

    @property
    def exact_calls(self) -> bool: ...

    def sampler_of(self, row: int) -> Sampler: ...

    def label_of(self, row: int) -> str:
        """Which of several a row is, "" where there is one."""

    def header(self) -> dict[str, object]:
        """What a trace says of this job beside its checkpoint, settings and seed."""
