"""States of a run: folders with all that resuming needs, which any number of processes can read back.

Tensors are stored by torch.distributed.checkpoint, each process writing its share, beside `progress.json`.
"""

import json
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from sedd_cli.atomic import write_file
from sedd_cli.distributed import World
from sedd_cli.errors import NotLoadableError, SeddError

PROGRESS = "progress.json"
UNREADABLE = (
    *(CheckpointException, OSError, ValueError, RuntimeError),
    *(pickle.UnpicklingError, AttributeError, EOFError, ImportError, LookupError),
)
"""The errors of reading a damaged state: torch's, and those that pickle documents."""

TensorSpecs = Mapping[str, tuple[torch.Size, torch.dtype]]
"""Tensors of a state by name: shape and dtype."""


class States:
    """The states of a run in `path`, for all processes of `world` to save and load together."""

    def __init__(self, path: Path, world: World) -> None:
        self.path, self.world = path, world

    def save(self, tensors: dict[str, Tensor], progress: dict[str, Any], step: int, keep: int) -> None:
        """Write a state; the newest `keep` stay. Raises `SeddError` if it cannot be written; others are unchanged."""
        folder = self._next_folder(step)
        partial = folder.with_name(f".{folder.name}.part")
        try:
            with _ignore_single_process_warning():
                save(tensors, storage_writer=FileSystemWriter(partial), no_dist=self.world.size == 1)
            if self.world.is_first:
                write_file(partial / PROGRESS, json.dumps(progress).encode())
                partial.rename(folder)
        except (CheckpointException, OSError, SeddError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise SeddError(f"cannot write {folder}: {_root_cause(error)}", "Make room there.") from error
        if self.world.is_first:
            for old in self._folders()[:-keep]:
                shutil.rmtree(old)
        self.world.barrier()

    def _next_folder(self, step: int) -> Path:
        """A new folder that sorts after others of the step: no state is overwritten. The same in all processes."""
        names = (f"{step:010d}{number}" for number in ("", *(f".{n:03d}" for n in range(1000))))
        return next(folder for name in names if not (folder := self.path / name).exists())

    def load(self, prepare: Callable[[TensorSpecs], dict[str, Tensor]]) -> dict[str, Any]:
        """Read the newest readable state into the tensors that `prepare` returns for the stored ones. Returns its
        progress. Raises `NotLoadableError` if there is none."""
        for folder in reversed(self._folders()):
            try:
                stored = FileSystemReader(folder).read_metadata().state_dict_metadata
                sizes = {
                    name: (tensor.size, tensor.properties.dtype)
                    for name, tensor in stored.items()
                    if isinstance(tensor, TensorStorageMetadata)
                }
                progress: dict[str, Any] = json.loads((folder / PROGRESS).read_bytes())
                with _ignore_single_process_warning():
                    load(prepare(sizes), storage_reader=FileSystemReader(folder), no_dist=self.world.size == 1)
            except UNREADABLE:
                continue
            return progress
        raise NotLoadableError(f"{self.path} holds no state that can be read", "Start a new run.")

    def remove_partial(self) -> None:
        """Remove incomplete states of a killed run."""
        for left in self.path.glob(".*.part"):
            shutil.rmtree(left)

    def _folders(self) -> list[Path]:
        """Oldest first."""
        return sorted(folder for folder in self.path.glob("[0-9]*") if folder.is_dir())


@contextmanager
def _ignore_single_process_warning() -> Iterator[None]:
    """Suppress torch's warning about a single process, which is intended."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _root_cause(error: BaseException) -> str:
    """The error of the first process that failed."""
    if isinstance(error, CheckpointException):
        return _root_cause(next(iter(error.failures.values()))[0])
    return getattr(error, "strerror", None) or str(error)
