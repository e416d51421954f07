"""The protocol shared by `Run` and `Infilling`, for views and recorders."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from sedd_cli.diffusion.samplers import Sampler, State
from sedd_cli.generation.request import ResolvedRequest
from sedd_cli.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from sedd_cli.generation.engine import Step


class Job(Protocol):
    """Canvases generated step by step, one a row."""

    checkpoint: Checkpoint
    request: ResolvedRequest

    def start(self, row: int) -> State:
        """Return the initial state of a row."""

    def steps(self) -> "Iterator[Step]":
        """Run every row to its end."""

    def resume(self, states: Sequence[State]) -> "Iterator[Step]":
        """Run states of different rows to their end, be they initial, earlier or edited ones."""

    def rows_of(self, number: int) -> Sequence[int]:
        """Return the rows that make up text `number`."""

    def done(self, state: State) -> bool:
        """Whether a state needs no more network calls."""

    def calls_needed(self) -> int:
        """Network calls of all rows, before the first; an upper bound unless `exact_calls`."""

    @property
    def exact_calls(self) -> bool: ...

    def sampler_of(self, row: int) -> Sampler: ...

    def label_of(self, row: int) -> str:
        """Name of a row among several; "" if there is one."""

    def context(self) -> tuple[str, str]:
        """What the canvases are written by, "prompt" or "document", and the text of it that says most."""

    def header(self) -> dict[str, object]:
        """Fields of the trace header beside checkpoint, settings and seed."""

    def row_header(self, row: int) -> dict[str, object]:
        """Fields of the trace line that begins a row, where it differs from what the header has."""
