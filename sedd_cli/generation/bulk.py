"""Many samples into a folder: JSON lines, one shard per process, resumable."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from sedd_cli.atomic import write_file
from sedd_cli.distributed import LocalError, World
from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.generation.engine import Run, Sample
from sedd_cli.generation.options import TABLE
from sedd_cli.generation.request import Request
from sedd_cli.lock import LOCK_FILE, file_lock
from sedd_cli.models.checkpoint import Checkpoint

SETTINGS = "settings.json"
SHARDS = "shard-*.jsonl"
FREE = {"row", "num_samples", "batch_size"}
"""Settings that may change when a folder is resumed."""


class Bulk:
    """Writes the rows of a request to `folder`/shard-RANK-of-SIZE.jsonl, except those already in the folder.

    A line has row, seed, nfe, text and ids; sorted by row, the lines of all shards do not depend on the number of
    processes. The processes of `world` share the folder and lock it until the context exits. Raises `UsageError` if
    another run is writing to the folder or it has samples of other settings, `NotLoadableError` if its files cannot be
    read, `SeddError` if it cannot be written.
    """

    def __init__(
        self, checkpoint: Checkpoint, request: Request, folder: Path, world: World, *, full_canvas: bool = False
    ) -> None:
        self.checkpoint, self.folder, self.world, self.full_canvas = checkpoint, folder, world, full_canvas
        with ExitStack() as stack:
            plan = json.loads(world.broadcast(self._plan(request, stack) if world.is_first else ""))
            self._lock = stack.pop_all()
        self.request = replace(request, seed=plan["seed"])
        self.num_existing: int = plan["there"]
        """Requested rows that were in the folder before."""
        self._batches: list[tuple[int, int]] = plan["batches"][world.rank :: world.size]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    @property
    def planned(self) -> int:
        """Rows that this process draws."""
        return sum(size for _, size in self._batches)

    def samples(self) -> Iterator[Sample]:
        """Draw this process's rows; yields each once it is in its shard."""
        shard = self.folder / f"shard-{self.world.rank:05d}-of-{self.world.size:05d}.jsonl"
        try:
            with shard.open("ab") as file:
                for first, size in self._batches:
                    run = Run(self.checkpoint, replace(self.request, row=first, num_samples=size))
                    for _ in run.steps():
                        pass
                    for sample in run.samples(self.full_canvas):
                        file.write(_line(sample))
                        file.flush()
                        yield sample
                os.fsync(file.fileno())
        except OSError as error:
            raise LocalError(f"cannot write {shard}: {error.strerror}", "Make room there.") from error

    def _plan(self, request: Request, stack: ExitStack) -> str:
        """Run by the first process: check the folder against the request and divide the missing rows, as JSON."""
        run = Run(self.checkpoint, request)
        self._claim(stack)
        seed = self._check_settings(run, request.seed is None)
        existing = self._existing_rows()
        rows = [row for row in run.rows if row not in existing]
        batches: list[list[int]] = []
        for row in rows:
            if batches and batches[-1][1] < run.request.batch_size and sum(batches[-1]) == row:
                batches[-1][1] += 1
            else:
                batches.append([row, 1])
        return json.dumps({"seed": seed, "there": len(run.rows) - len(rows), "batches": batches})

    def _claim(self, stack: ExitStack) -> None:
        """Create and lock the folder: two runs would both draw the missing rows."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / SETTINGS).exists() and any(file.name != LOCK_FILE for file in self.folder.iterdir()):
                raise UsageError(f"{self.folder} holds other files", "Give a folder of its own with -o.")
            locked_by_us = stack.enter_context(file_lock(self.folder / LOCK_FILE))
        except OSError as error:
            raise SeddError(f"cannot write to {self.folder}: {error.strerror}", "Choose another place.") from error
        if not locked_by_us:
            raise UsageError(
                f"another run is writing to {self.folder}", "Wait until it ends, or give another folder with -o."
            )

    def _check_settings(self, run: Run, any_seed: bool) -> int:
        """Write the settings, or compare them with those of the folder; returns the seed."""
        settings = {key: value for key, value in run.request.settings().items() if key not in FREE}
        settings |= {"seed": run.request.seed, "length": len(run.canvas.ids), "full_canvas": self.full_canvas}
        settings |= {"checkpoint": self.checkpoint.hash, "precision": self.checkpoint.precision}
        path = self.folder / SETTINGS
        try:
            saved: dict[str, Any] = json.loads(path.read_bytes())["settings"]
        except FileNotFoundError:
            record = {"schema_version": 1, "model": self.checkpoint.name, "settings": settings}
            write_file(path, (json.dumps(record, ensure_ascii=False, indent=2) + "\n").encode())
            return run.request.seed
        except (ValueError, KeyError, TypeError) as error:
            raise NotLoadableError(f"{path} is damaged", "Give another folder with -o.") from error
        except OSError as error:
            raise SeddError(f"cannot write to {self.folder}: {error.strerror}", "Choose another place.") from error
        # Options that are newer than the folder were as they are by default.
        before = {entry.name: entry.default for entry in TABLE.values() if entry.name in settings} | saved
        differing = [key for key in settings.keys() | before.keys() if settings.get(key) != before.get(key)]
        if any_seed and "seed" in saved:
            differing = [key for key in differing if key != "seed"]
        if differing:
            raise UsageError(
                f"{self.folder} holds samples of other settings: {', '.join(sorted(differing))}",
                "Give the same settings to go on there, or another folder with -o.",
            )
        return int(saved["seed"])

    def _existing_rows(self) -> set[int]:
        """Rows that stand in shards, of which a last line that was cut short is dropped."""
        rows = set()
        for shard in sorted(self.folder.glob(SHARDS)):
            with shard.open("r+b") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        file.truncate(file.tell() - len(line))
                        break
                    try:
                        rows.add(int(json.loads(line)["row"]))
                    except (ValueError, KeyError, TypeError) as error:
                        raise NotLoadableError(
                            f"{shard} is damaged at line {number}", "Remove that line, or the shard: it is drawn again."
                        ) from error
        return rows


def _line(sample: Sample) -> bytes:
    record = {
        "row": sample.row,
        "seed": sample.seed,
        "nfe": sample.nfe,
        "text": sample.text,
        "ids": sample.ids.tolist(),
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"
