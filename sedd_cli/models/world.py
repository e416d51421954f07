"""The processes that `torchrun` started for one job, or this one alone.

All of them run the same program on parts of the same work; what decides how it goes on is agreed upon, and only the
first of them talks and writes what there is one of.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sedd_cli.errors import SeddError

TIMEOUT = timedelta(hours=6)
"""How long a process waits for another, which may be packing a large corpus; one that has died is noticed at once."""


def launched() -> bool:
    """Whether torchrun started this process: what `torch.distributed.is_torchelastic_launched` says, without torch."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launched_rank() -> int:
    """This process's rank, 0 to size - 1, as torchrun says; 0 where it did not start it."""
    return int(os.environ["RANK"]) if launched() else 0


class LocalError(SeddError):
    """What befell one process of a job and not the others, which meet all other errors alike."""


class PeerLostError(SeddError):
    """Another process of the job is gone."""


@dataclass(frozen=True)
class World:
    """`size` processes, of which this one is number `rank`."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that talks, and writes what there is one of."""
        return self.rank == 0

    def all_gather(self, numbers: tuple[float, ...]) -> list[tuple[float, ...]]:
        """The numbers of every process, by rank."""
        if self.size == 1:
            return [numbers]
        import torch
        from torch import distributed

        mine = torch.tensor(numbers, dtype=torch.float64)
        found = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(found, mine)
        return [tuple(each.tolist()) for each in found]

    def any_rank(self, yes: bool) -> bool:
        """Whether it is so in any process."""
        return any(flag for (flag,) in self.all_gather((float(yes),)))

    def broadcast(self, text: str) -> str:
        """The first process's text, in all of them."""
        if self.size == 1:
            return text
        from torch import distributed

        box = [text]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        """Until all are here."""
        self.any_rank(False)


@contextmanager
def process_group() -> Iterator[World]:
    """The world of this process, until the block ends: gloo on CPUs, NCCL between CUDA devices.

    Raises `PeerLostError` if another process of the job is lost on the way.
    """
    if not launched():
        yield World()
        return
    import torch
    from torch import distributed

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT)
    world = World(distributed.get_rank(), distributed.get_world_size())
    try:
        yield world
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise PeerLostError(
            f"process {world.rank} of {world.size} has lost another: {str(error).splitlines()[0]}",
            "What was saved is whole. Start the same command again (train: with --resume).",
        ) from error
    # Whatever still talks to the others must go first. DDP's reducer, freed once the group is gone, waits for gloo's
    # threads while it holds the interpreter's lock, for which they wait.
    gc.collect()
    distributed.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    """Whether another process is gone: for gloo torch has no class of its own."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error) or "Connection" in str(error)
