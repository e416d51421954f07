"""What the engine tells the interface. Steps are not carried: a message says how far a branch has come."""

from typing import TYPE_CHECKING

from textual.message import Message

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch
    from sedd_cli.models.checkpoint import Checkpoint


class LoadMessage(Message):
    """About a checkpoint; stale once a later load was asked for."""

    def __init__(self, load_id: int) -> None:
        self.load_id = load_id
        super().__init__()


class Loading(LoadMessage):
    """The checkpoint is on its way; `status` says how far."""

    def __init__(self, load_id: int, status: str) -> None:
        self.status = status
        super().__init__(load_id)


class Loaded(LoadMessage):
    def __init__(self, load_id: int, checkpoint: "Checkpoint") -> None:
        self.checkpoint = checkpoint
        super().__init__(load_id)


class LoadFailed(LoadMessage):
    def __init__(self, load_id: int, error: SeddError) -> None:
        self.error = error
        super().__init__(load_id)


class RunMessage(Message):
    """About a run; stale once a later one has a higher `run_id`."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        super().__init__()


class Started(RunMessage):
    """Branches stand at their beginning."""

    def __init__(self, run_id: int, branches: "tuple[Branch, ...]") -> None:
        self.branches = branches
        super().__init__(run_id)


class Advanced(RunMessage):
    """A branch has moments up to `last`."""

    def __init__(self, run_id: int, branch: "Branch", last: int) -> None:
        self.branch, self.last = branch, last
        super().__init__(run_id)

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Advanced) and message.branch is self.branch


class Ranked(RunMessage):
    """The bounds of the branches are known."""


class Stopped(RunMessage):
    """A run is over: done, stopped, or as far as it was asked for."""


class Failed(RunMessage):
    def __init__(self, run_id: int, error: SeddError) -> None:
        self.error = error
        super().__init__(run_id)


class AlternativesReady(Message):
    """What could stand at a position of a canvas at a moment."""

    def __init__(self, branch: "Branch", at: int, position: tuple[int, int], alternatives: "Alternatives") -> None:
        self.branch, self.at, self.position, self.alternatives = branch, at, position, alternatives
        super().__init__()
