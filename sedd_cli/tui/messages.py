"""What the engine tells the interface. Steps are not carried: a message says how far a branch has come."""

from typing import TYPE_CHECKING

from textual.message import Message

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.generation.alternatives import Alternatives
    from sedd_cli.generation.branches import Branch
    from sedd_cli.models.checkpoint import Checkpoint


class OfLoad(Message):
    """About a checkpoint; stale once a later load was asked for."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__()


class Loading(OfLoad):
    """The checkpoint is on its way; `stage` says how far."""

    def __init__(self, number: int, stage: str) -> None:
        self.stage = stage
        super().__init__(number)


class Loaded(OfLoad):
    def __init__(self, number: int, checkpoint: "Checkpoint") -> None:
        self.checkpoint = checkpoint
        super().__init__(number)


class NotLoaded(OfLoad):
    def __init__(self, number: int, error: SeddError) -> None:
        self.error = error
        super().__init__(number)


class OfRun(Message):
    """About a run; stale once a later one has a higher `generation`."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        super().__init__()


class Begun(OfRun):
    """Branches stand at their beginning."""

    def __init__(self, generation: int, branches: "tuple[Branch, ...]") -> None:
        self.branches = branches
        super().__init__(generation)


class Advanced(OfRun):
    """A branch has moments up to `last`."""

    def __init__(self, generation: int, branch: "Branch", last: int) -> None:
        self.branch, self.last = branch, last
        super().__init__(generation)

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Advanced) and message.branch is self.branch


class Ranked(OfRun):
    """The bounds of the branches are known."""


class Stopped(OfRun):
    """A run is over: done, stopped, or as far as it was asked for."""


class Failed(OfRun):
    def __init__(self, generation: int, error: SeddError) -> None:
        self.error = error
        super().__init__(generation)


class Answered(Message):
    """What could stand at a position of a canvas at a moment."""

    def __init__(self, branch: "Branch", at: int, place: tuple[int, int], alternatives: "Alternatives") -> None:
        self.branch, self.at, self.place, self.alternatives = branch, at, place, alternatives
        super().__init__()
