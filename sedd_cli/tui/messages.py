"""Messages from the engine to the screen. They carry no steps, but the number of moments of a branch."""

from typing import TYPE_CHECKING

from textual.message import Message

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch
    from sedd_cli.models.checkpoint import Checkpoint


class LoadMessage(Message):
    """About a checkpoint; stale after a later load request."""

    def __init__(self, load_id: int) -> None:
        self.load_id = load_id
        super().__init__()


class Loading(LoadMessage):
    """The checkpoint is being loaded; `status` names the stage."""

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
    """A run has started: its branches have their first moment."""

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
    """The bounds of these branches have been computed."""

    def __init__(self, run_id: int, branches: "tuple[Branch, ...]") -> None:
        self.branches = branches
        super().__init__(run_id)


class Stopped(RunMessage):
    """A run has ended: finished, stopped, or at its limit of steps."""


class Failed(RunMessage):
    def __init__(self, run_id: int, error: SeddError) -> None:
        self.error = error
        super().__init__(run_id)


class OutOfDistribution(Message):
    """What a run goes by is unlike what its checkpoint was trained on."""

    def __init__(self, warning: str) -> None:
        self.warning = warning
        super().__init__()


class AlternativesReady(Message):
    """The alternatives for a position of a canvas at a moment."""

    def __init__(self, branch: "Branch", at: int, position: tuple[int, int], alternatives: "Alternatives") -> None:
        self.branch, self.at, self.position, self.alternatives = branch, at, position, alternatives
        super().__init__()
