"""The one thread that runs the network: requests come by a bounded queue, their events go back to who asked.

A request is a list of tasks, generators that stop before each network call. Tasks of one shape share calls: a text
depends on its seed and row alone, whatever else is in the call.
"""

import logging
import math
import time
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread, current_thread
from typing import TYPE_CHECKING, Literal

from sedd_cli.errors import SeddError
from sedd_cli.serve.api_error import ApiError, as_api_error
from sedd_cli.serve.limits import Limits

if TYPE_CHECKING:
    from sedd_cli.diffusion.samplers import Change, Sampler, State
    from sedd_cli.models.checkpoint import Checkpoint


ON_CPU, ELSEWHERE = 4, 16
"""Rows of a network call. On a CPU few of them share what a call costs beside arithmetic; more only wait longer."""
LOGGER = logging.getLogger("sedd.serve")


@dataclass(frozen=True, eq=False)
class Call:
    """A network call that a task waits for. The samplers of one `shape` do the same."""

    shape: Hashable
    sampler: "Sampler"
    state: "State"


Outcome = tuple["State", "Change"]
Task = Generator[Call | None, Outcome | None, None]
"""Yields a `Call`, and is sent its outcome; or None: it makes the next call itself."""


@dataclass(frozen=True)
class Work:
    """What a request needs: `tasks`, and when all have ended its last event by `result`."""

    tasks: Sequence[Task]
    result: Callable[[], object]


@dataclass(eq=False)
class Ticket:
    """A request in the engine. Its thread calls `make`, and `post` with each event; the last is `Failed` or a result.

    `cancelled` is set by any thread: nobody waits any more.
    """

    make: "Callable[[Checkpoint, Ticket], Work]"
    post: Callable[[object], None]
    seconds: float
    started: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    ended: bool = False
    result: Callable[[], object] | None = None
    tasks_left: int = 0
    seconds_per_call: float | None = None
    """What a network call of a row took of late, when the request began; None: there was none yet."""

    @property
    def overdue(self) -> bool:
        return time.monotonic() > self.started + self.seconds

    @property
    def stale(self) -> bool:
        return self.cancelled or self.overdue


@dataclass(frozen=True)
class Failed:
    """The last event of a request that fails."""

    error: ApiError


@dataclass(eq=False)
class _Running:
    task: Task
    ticket: Ticket
    call: Call | None = None


def _goes_with(first: Call, other: Call) -> bool:
    """Whether two calls of one shape can be one."""
    return len(first.sampler.ready([first.state, other.state])) == 2


def _as_bug(error: BaseException) -> SeddError:
    return SeddError(f"{type(error).__name__}: {error}", "This is a bug: please report it.")


class Stale(Exception):  # noqa: N818 - no error: a request
    """Ends a network call that nobody waits for."""


class Engine:
    """Loads the checkpoint by `load`, then runs requests. `on_failure` is called, in its thread, if it cannot.

    `batch_size`: rows of one call (None: `ON_CPU` or `ELSEWHERE`). Must be started, and closed.
    """

    def __init__(
        self,
        load: "Callable[[], Checkpoint]",
        limits: Limits,
        batch_size: int | None = None,
        on_failure: Callable[[SeddError], None] = lambda _: None,
    ) -> None:
        self._load, self._limits, self._batch_size, self._on_failure = load, limits, batch_size, on_failure
        self._checkpoint: Checkpoint | None = None
        self._places = BoundedSemaphore(limits.requests)
        self._arrivals: SimpleQueue[Ticket | None] = SimpleQueue()
        self._groups: dict[Hashable, list[_Running]] = {}
        """By shape; the first has the next turn."""
        self._current: Sequence[_Running] = ()
        """Whose network call is being made."""
        self._hooks = ExitStack()
        """On the blocks of the network."""
        self._closed = False
        self._usual_seconds = 1.0
        """Of a request, the recent ones more."""
        self._seconds_per_call: float | None = None
        self._thread = Thread(target=self._work, name="sedd-engine", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    @property
    def status(self) -> Literal["loading", "ok", "stopping"]:
        return "stopping" if self._closed else "ok" if self._checkpoint else "loading"

    @property
    def checkpoint(self) -> "Checkpoint":
        """The checkpoint. Raises `ApiError` while it is not there."""
        if self._checkpoint is None or self._closed:
            reason = "the server is stopping" if self._closed else "the checkpoint is being loaded"
            raise ApiError(503, reason, code=self.status, headers={"Retry-After": "1"})
        return self._checkpoint

    def submit(self, make: "Callable[[Checkpoint, Ticket], Work]", post: Callable[[object], None]) -> Ticket:
        """Queue a request. Raises `ApiError` if the queue is full, or the checkpoint is not there."""
        _ = self.checkpoint
        if not self._places.acquire(blocking=False):
            raise ApiError(
                429,
                f"{self._limits.requests} requests run or wait already",
                code="queue_full",
                headers={"Retry-After": str(min(60, max(1, math.ceil(self._usual_seconds))))},
            )
        ticket = Ticket(make, post, self._limits.seconds)
        self._arrivals.put(ticket)
        return ticket

    def close(self, timeout: float) -> bool:
        """Fail what runs or waits, and wait up to `timeout` seconds for the thread. Returns whether it has ended."""
        self._closed = True
        self._arrivals.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        with self._hooks:
            if not self._loaded():
                return
            try:
                self._serve()
            except BaseException as error:
                # Without its thread the server would let everyone wait.
                self._on_failure(_as_bug(error))
            finally:
                self._closed = True
                self._end_waiting()

    def _serve(self) -> None:
        while not self._closed:
            self._take_in()
            self._drop_stale()
            if self._groups and not self._closed:
                self._turn()

    def _end_waiting(self) -> None:
        stopping = Failed(ApiError(503, "the server is stopping", code="stopping"))
        waiting = [running.ticket for group in (*self._groups.values(), self._current) for running in group]
        with suppress(Empty):
            while True:
                waiting += filter(None, [self._arrivals.get_nowait()])
        for ticket in waiting:
            self._end(ticket, stopping)

    def _loaded(self) -> bool:
        try:
            from sedd_cli.generation.chat import name_ends

            checkpoint = self._load()
            name_ends(checkpoint)
            for block in checkpoint.model.backbone.blocks:
                self._hooks.callback(block.register_forward_pre_hook(self._check_stale).remove)
            self._batch_size = self._batch_size or (ON_CPU if checkpoint.device.type == "cpu" else ELSEWHERE)
            self._checkpoint = checkpoint
        except SeddError as error:
            self._on_failure(error)
        except BaseException as error:
            self._on_failure(_as_bug(error))
        return self._checkpoint is not None

    def _check_stale(self, *_: object) -> None:
        # Others may use the network too.
        stale = self._current and all(running.ticket.stale for running in self._current)
        if current_thread() is self._thread and (self._closed or stale):
            raise Stale

    def _take_in(self) -> None:
        """Begin what has arrived; wait for something if nothing runs."""
        while not self._closed:
            try:
                ticket = self._arrivals.get(block=not self._groups)
            except Empty:
                return
            if ticket is not None and not ticket.cancelled:
                self._begin(ticket)
            elif ticket is not None:
                self._end(ticket)

    def _begin(self, ticket: Ticket) -> None:
        assert self._checkpoint is not None
        ticket.seconds_per_call = self._seconds_per_call
        try:
            work = ticket.make(self._checkpoint, ticket)
        except Exception as error:
            self._fail(ticket, error)
            return
        ticket.result, ticket.tasks_left = work.result, len(work.tasks)
        for task in work.tasks:
            running = _Running(task, ticket)
            if self._advance(running):
                self._groups.setdefault(running.call.shape if running.call else running, []).append(running)

    def _advance(self, running: _Running, outcome: Outcome | None = None) -> bool:
        """Run a task up to its next network call. Returns whether it has one."""
        ticket, self._current = running.ticket, (running,)
        if ticket.ended:
            return False
        try:
            running.call = running.task.send(outcome)
            return True
        except StopIteration:
            self._end_task(ticket)
        except Stale:
            self._end_stale(ticket)
        except Exception as error:
            self._fail(ticket, error)
        return False

    def _end_task(self, ticket: Ticket) -> None:
        ticket.tasks_left -= 1
        if ticket.tasks_left == 0 and ticket.result is not None:
            try:
                event = ticket.result()
            except Exception as error:
                self._fail(ticket, error)
            else:
                self._end(ticket, event)

    def _drop_stale(self) -> None:
        for shape, group in list(self._groups.items()):
            for running in group:
                if running.ticket.stale:
                    self._end_stale(running.ticket)
            self._keep(shape, group)

    def _keep(self, shape: Hashable, group: Sequence[_Running]) -> None:
        """Leave of a group the tasks whose requests have not ended."""
        self._groups[shape] = [running for running in group if not running.ticket.ended]
        if not self._groups[shape]:
            del self._groups[shape]

    def _turn(self) -> None:
        """One network call, for the shape whose turn it is. Within a shape the earliest go first."""
        shape, started = next(iter(self._groups)), time.monotonic()
        group = self._groups[shape] = self._groups.pop(shape)
        if group[0].call is None:
            over = [running for running in group[:1] if not self._advance(running)]
        else:
            over = self._call_together(group[: self._batch_size])
        self._keep(shape, [running for running in group if running not in over])
        seconds = (time.monotonic() - started) / max(1, len(self._current))
        self._seconds_per_call = 0.8 * (self._seconds_per_call or seconds) + 0.2 * seconds

    def _call_together(self, batch: Sequence[_Running]) -> list[_Running]:
        """One call for the first of a batch, and those that can share it. Returns the tasks that have ended."""
        assert self._checkpoint is not None
        calls = [(running, running.call) for running in batch if running.call]
        _, first = calls[0]
        # Not `ready` of all: it may prefer those that came last, and the first would wait as long as others come.
        calls = [(running, call) for running, call in calls if call is first or _goes_with(first, call)]
        self._current = together = [running for running, _ in calls]
        try:
            outcomes = first.sampler.advance([call.state for _, call in calls], self._checkpoint.model)
        except Stale:
            return []
        except Exception as error:
            for running in together:
                self._fail(running.ticket, error)
            return together
        ended = [r for r, outcome in zip(together, outcomes, strict=True) if not self._advance(r, outcome)]
        self._current = together
        return ended

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        answer = as_api_error(error)
        if answer.status >= 500:
            LOGGER.error("a request failed", exc_info=error)
        self._end(ticket, Failed(answer))

    def _end_stale(self, ticket: Ticket) -> None:
        message = f"it takes more than {ticket.seconds:g} seconds: ask for fewer tokens, texts or steps"
        late = Failed(ApiError(400, message, code="time_limit"))
        stopping = Failed(ApiError(503, "the server is stopping", code="stopping"))
        self._end(ticket, None if ticket.cancelled else late if ticket.overdue else stopping)

    def _end(self, ticket: Ticket, event: object = None) -> None:
        """Post the last event of a request, and free its place."""
        if ticket.ended:
            return
        ticket.ended = True
        self._usual_seconds += 0.2 * (time.monotonic() - ticket.started - self._usual_seconds)
        self._places.release()
        if event is not None:
            ticket.post(event)
