"""The process group of a job started by `torchrun`, or of this process alone.

All processes run the same program on parts of the same work. Control flow depends on values that all of them share;
only rank 0 prints, and writes files of which there is one per job.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sedd_cli.errors import SeddError

TIMEOUT = timedelta(hours=6)
"""Timeout of collectives: rank 0 may be packing a large corpus. A process that has died is noticed at once."""


def launched() -> bool:
    """Whether torchrun started this process: `torch.distributed.is_torchelastic_launched` without importing torch."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launched_rank() -> int:
    """This process's rank from torchrun's environment, 0 to size - 1; 0 if torchrun did not start it."""
    return int(os.environ["RANK"]) if launched() else 0


class LocalError(SeddError):
    """An error of one process of a job only. All other errors are raised by every process alike."""


class PeerLostError(SeddError):
    """Another process of the job has died."""


@dataclass(frozen=True)
class World:
    """A group of `size` processes, in which this one has rank `rank`."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which prints and writes the job's common files."""
        return self.rank == 0

    def all_gather(self, values: tuple[float, ...]) -> list[tuple[float, ...]]:
        """Returns the values of every process, by rank."""
        if self.size == 1:
            return [values]
        import torch
        from torch import distributed

        local = torch.tensor(values, dtype=torch.float64, device="cpu")
        gathered = [torch.empty_like(local) for _ in range(self.size)]
        distributed.all_gather(gathered, local)
        return [tuple(tensor.tolist()) for tensor in gathered]

    def any_rank(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        return any(value for (value,) in self.all_gather((float(flag),)))

    def broadcast(self, text: str) -> str:
        """Returns rank 0's text in every process."""
        if self.size == 1:
            return text
        from torch import distributed

        objects = [text]
        distributed.broadcast_object_list(objects, src=0)
        return objects[0]

    def barrier(self) -> None:
        """Wait until every process has called this."""
        self.any_rank(False)


@contextmanager
def process_group() -> Iterator[World]:
    """Join the job's process group until the block ends: gloo on CPUs, NCCL between CUDA devices.

    Raises `PeerLostError` if another process of the job dies meanwhile.
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
        if not _is_peer_lost(error):
            raise
        raise PeerLostError(
            f"process {world.rank} of {world.size} lost the connection to another: {str(error).splitlines()[0]}",
            "All saved files are complete. Start the same command again (train: with --resume).",
        ) from error
    # Objects that use the group must be freed first: DDP's reducer, if freed after the group, waits for gloo's threads
    # while it holds the interpreter's lock, for which they wait (a deadlock).
    gc.collect()
    distributed.destroy_process_group()


def _is_peer_lost(error: RuntimeError) -> bool:
    """Whether another process has died. Gloo's errors have no class in torch, so the message is matched."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error) or "Connection" in str(error)
