"""A download of a checkpoint beside the session: asked for, begun, stopped; on a thread of its own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import TYPE_CHECKING, Literal

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.models.hub import DownloadPlan

Phase = Literal["asking", "planned", "fetching", "checking", "done", "stopped", "failed"]
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class DownloadStopped(Exception):  # noqa: N818 - no error: a request
    """Ends the thread of a download that was stopped, at the next bytes."""


@dataclass(frozen=True)
class Progress:
    """How far a download is. `done`, `total`: bytes that came, and that come in all; `memory`: bytes once loaded."""

    phase: Phase
    done: int = 0
    total: int = 0
    memory: int = 0
    error: SeddError | None = None

    @property
    def running(self) -> bool:
        return self.phase in ("asking", "fetching", "checking")

    @property
    def percent(self) -> int:
        return int(100 * self.done / self.total) if self.total else 0

    @property
    def label(self) -> str:
        """Such as "37%, 210 of 570 MB"."""
        if self.phase == "fetching":
            return f"{self.percent}%, {amount_of(self.done, self.total)}"
        return {"asking": "asking the hub", "checking": "checking the files"}.get(self.phase, self.phase)


class Download:
    """One checkpoint. `ask` learns its size from the hub, `fetch` downloads it; both return at once.

    A thread that waits for the network cannot be ended: after `stop` it may linger until the next bytes or its
    timeout, and what it finds then is dropped. Files that are whole stay in the hub's cache.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.progress = Progress("stopped")
        self._plan: DownloadPlan | None = None
        self._lock = Lock()
        self._number = 0
        """Of the newest thread: only it may change `progress`."""
        self.thread: Thread | None = None

    def ask(self) -> None:
        """Ask the hub what there is to download: `asking`, then `planned` or `failed`."""
        self._begin(Progress("asking"), self._make_plan)

    def fetch(self) -> None:
        """Download what was planned: `fetching`, then `done` or `failed`."""
        assert self._plan is not None
        self._begin(replace(self.progress, phase="fetching", done=0), self._fetch_files)

    def stop(self) -> None:
        with self._lock:
            self._number += 1
            if self.progress.running or self.progress.phase == "planned":
                self.progress = replace(self.progress, phase="stopped")

    def _begin(self, progress: Progress, work: Callable[[int], None]) -> None:
        with self._lock:
            self._number += 1
            number, self.progress = self._number, progress
        self.thread = Thread(target=self._run, args=(number, work), name="sedd-download", daemon=True)
        self.thread.start()

    def _run(self, number: int, work: Callable[[int], None]) -> None:
        with suppress(DownloadStopped):
            try:
                work(number)
            except DownloadStopped:
                raise
            except SeddError as error:
                self._fail(number, error)
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                self._fail(number, SeddError(what, "This should not happen: please report it."))

    def _fail(self, number: int, error: SeddError) -> None:
        self._set(number, lambda progress: replace(progress, phase="failed", error=error))

    def _set(self, number: int, change: Callable[[Progress], Progress]) -> None:
        """Change the progress. Raises `DownloadStopped` if this thread is no longer the newest."""
        with self._lock:
            if number != self._number:
                raise DownloadStopped
            self.progress = change(self.progress)

    def _make_plan(self, number: int) -> None:
        from sedd_cli.models.hub import plan_download
        from sedd_cli.models.names import parse_hub_id

        plan = plan_download(*parse_hub_id(self.name))
        self._plan = plan
        self._set(number, lambda _: Progress("planned", 0, plan.bytes, plan.memory))

    def _fetch_files(self, number: int) -> None:
        from sedd_cli.models.hub import fetch, make_interruptible

        assert self._plan is not None

        def on_bytes(count: int) -> None:
            self._set(number, lambda progress: _grown(progress, count))

        make_interruptible()
        fetch(self._plan, on_bytes)
        self._set(number, lambda progress: replace(progress, phase="done", done=progress.total))


class Downloads:
    """The download of a session, at most one at a time."""

    def __init__(self) -> None:
        self.current: Download | None = None
        self.watched = False
        """Whether a dialog shows it."""

    @property
    def running(self) -> bool:
        return self.current is not None and self.current.progress.running

    def ask(self, name: str) -> Download:
        """Ask for a checkpoint; what was asked for or downloaded before is stopped."""
        self.stop()
        self.current = Download(name)
        self.current.ask()
        return self.current

    def of(self, name: str) -> Progress | None:
        """The progress of the current download if it is of this checkpoint."""
        return self.current.progress if self.current is not None and self.current.name == name else None

    def stop(self) -> None:
        if self.current is not None:
            self.current.stop()

    def close(self, timeout: float) -> None:
        """Stop, and wait up to `timeout` seconds until what is half done is deleted."""
        self.stop()
        if self.current is not None and self.current.thread is not None:
            self.current.thread.join(timeout)


def _grown(progress: Progress, count: int) -> Progress:
    # A connection that is resumed may count bytes again.
    done = max(0, min(progress.done + count, progress.total))
    return replace(progress, done=done, phase="checking" if done == progress.total else "fetching")


def amount_of(done: int, total: int) -> str:
    """Such as "210 of 570 MB", "0.2 of 1.7 GB": both in the unit of the total."""
    size, unit = next(((size, unit) for size, unit in UNITS if total >= size), (1.0, "bytes"))
    digits = 1 if total < 10 * size and size > 1 else 0
    return f"{done / size:.{digits}f} of {total / size:.{digits}f} {unit}"


def bytes_label(count: int) -> str:
    """Such as "570 MB"."""
    return amount_of(0, count).partition(" of ")[2]
