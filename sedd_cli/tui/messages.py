"""Messages from the engine to the screen. They carry no steps, but the number of moments of a branch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.evaluation.proofreading import Finding
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch
    from sedd_cli.models.checkpoint import Checkpoint
    from sedd_cli.tui.start import CheckpointFacts


@dataclass
class LoadMessage(Message):
    """About a checkpoint; stale after a later load request."""

    load_id: int


@dataclass
class Loading(LoadMessage):
    """The checkpoint is being loaded; `status` says so, `facts` what is known of it."""

    status: str
    facts: "CheckpointFacts | None" = None


@dataclass
class Loaded(LoadMessage):
    checkpoint: "Checkpoint"


@dataclass
class LoadFailed(LoadMessage):
    error: SeddError


@dataclass
class RunMessage(Message):
    """About a run; stale once a later one has a higher `run_id`."""

    run_id: int


@dataclass
class Started(RunMessage):
    """A run has started: its branches have their first moment."""

    branches: "tuple[Branch, ...]"


@dataclass
class Advanced(RunMessage):
    """A branch has moments up to `last`."""

    branch: "Branch"
    last: int

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Advanced) and message.branch is self.branch


@dataclass
class Ranked(RunMessage):
    """The bounds of these branches have been computed."""

    branches: "tuple[Branch, ...]"


@dataclass
class WordsRead(RunMessage):
    """Proofreading has read `done` words of `total`. `findings`: what is found so far, in the order of the text."""

    done: int
    total: int
    findings: "tuple[Finding, ...]"


class Stopped(RunMessage):
    """A run has ended: finished, stopped, or at its limit of steps."""


@dataclass
class Failed(RunMessage):
    error: SeddError


@dataclass
class OutOfDistribution(Message):
    """A text is unlike what a checkpoint was trained on."""

    checkpoint: "Checkpoint"


@dataclass
class AlternativesReady(Message):
    """The alternatives for a position of a canvas at a moment."""

    branch: "Branch"
    at: int
    position: tuple[int, int]
    alternatives: "Alternatives"
