"""The one thread that runs the network: requests go in by a queue, messages come out.

It keeps no state of a run: branches do. To stop is to make the generation of a request stale; to go on is a new
request that starts at the branch's tip.
"""

import ctypes
import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from textual.message import Message

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.tui import messages

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch
    from sedd_cli.generation.job import Job

Question = tuple["Branch", int, tuple[int, int]]


class StaleError(Exception):
    """Work between steps for which nobody waits any more."""


class Engine:
    """Answers by `post`, which is called from the thread. `close` it."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._questions: deque[Question] = deque(maxlen=1)
        self._closed = False
        self.generation = 0
        """Of the latest request: steps of earlier ones are stale."""
        self._heeded: int | None = None
        """The generation of work that ends within a network call once it is stale."""
        self._loads = 0
        self._thread = Thread(target=self._work, name="sedd-engine", daemon=True)
        self._thread.start()

    def load(self, model: str | None, device: str) -> int:
        """Load a checkpoint: `Loading`, then `Loaded` or `NotLoaded`, each with the number that this gives."""
        self.stop()
        self._loads += 1
        number = self._loads
        self._tasks.put(lambda: self._load(number, model, device))
        return number

    def begin(self, make: "Callable[[], Job]", numbers: Sequence[int]) -> int:
        """Make a job and carry these texts of it to their end; the generation of what is posted about it."""
        self.generation += 1
        number = self.generation
        self._tasks.put(lambda: self._begin(number, make, numbers))
        return number

    def carry_on(self, branches: "Sequence[Branch]", limit: int | None = None) -> int:
        """Carry branches on to their end, or for so many steps; the generation of what is posted about it."""
        self.generation += 1
        number = self.generation
        self._tasks.put(lambda: self._guarded(number, lambda: self._carry(number, branches, limit)))
        return number

    def ask(self, branch: "Branch", at: int, place: tuple[int, int]) -> None:
        """What could stand there? `Answered`, between two steps if need be; a later question takes its place."""
        self._questions.append((branch, at, place))
        self._tasks.put(self._answer)

    def stop(self) -> None:
        """Stop what runs after the step that it is at; comparing, of lengths or candidates, in the midst of it."""
        self.generation += 1

    def close(self, timeout: float) -> bool:
        """Stop, and wait for the thread's end so long; whether it has ended."""
        self._closed = True
        self.stop()
        self._tasks.put(None)
        self._thread.join(timeout)
        return not self.alive

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None and not self._closed:
            task()

    def _say(self, message: Message) -> None:
        if not self._closed:
            self._post(message)

    def _load(self, number: int, model: str | None, device: str) -> None:
        if number != self._loads:
            return
        try:
            self._say(messages.Loading(number, "starting torch"))
            import torch

            from sedd_cli.diffusion.processes import Causal
            from sedd_cli.models.checkpoint import load_checkpoint

            # One core is the screen's, and so is the interpreter when it asks for it.
            sys.setswitchinterval(0.001)
            torch.set_num_threads(max(1, min(torch.get_num_threads(), _cores() - 1)))
            self._say(messages.Loading(number, "loading the checkpoint"))
            gc.unfreeze()
            checkpoint = load_checkpoint(model, device)
            for block in checkpoint.model.transformer.blocks:
                block.register_forward_pre_hook(self._heed)
            if isinstance(checkpoint.process, Causal):
                raise UsageError(
                    f"{checkpoint.name} is autoregressive: it has no canvas of noise to take hold of",
                    "sedd generate and sedd score take it.",
                )
            # Exports name the weights by it, also after a training run has put others in their place.
            _ = checkpoint.hash
            # What stands by now stays: to look through it for garbage would stop the screen for 0.2 s at a time.
            gc.collect()
            gc.freeze()
            self._say(messages.Loaded(number, checkpoint))
        except BaseException as error:
            self._say(messages.NotLoaded(number, _told(error)))

    def _guarded(self, number: int, work: Callable[[], None]) -> None:
        try:
            work()
        except StaleError:
            pass
        except BaseException as error:
            self._say(messages.Failed(number, _told(error)))
        self._say(messages.Stopped(number))
        _give_back()

    def _begin(self, number: int, make: "Callable[[], Job]", numbers: Sequence[int]) -> None:
        def work() -> None:
            from sedd_cli.generation.branches import Branch

            if number != self.generation:
                return
            with self._heeding(number):
                job = make()
            branches = tuple(Branch.begin(job, n) for n in numbers)
            self._say(messages.Begun(number, branches))
            self._carry(number, branches, None)
            self._rank(number, branches)

        self._guarded(number, work)

    def _carry(self, number: int, branches: "Sequence[Branch]", limit: int | None) -> None:
        made = 0
        for branch in branches:
            for step in branch.resume():
                if number != self.generation:
                    return
                branch.add(step)
                self._say(messages.Advanced(number, branch, branch.last))
                self._answer()
                made += 1
                if made == limit or number != self.generation:
                    return

    def _rank(self, number: int, branches: "Sequence[Branch]") -> None:
        from sedd_cli.generation.infill import Infilling, nats_of

        if len(branches) < 2 or not isinstance(branches[0].job, Infilling):
            return
        with self._heeding(number):
            for branch in branches:
                branch.nats = nats_of(branch.job.checkpoint, branch.tip.states)
        self._say(messages.Ranked(number))

    @contextmanager
    def _heeding(self, number: int) -> Iterator[None]:
        self._heeded = number
        try:
            yield
        finally:
            self._heeded = None

    def _heed(self, *_: object) -> None:
        if self._heeded not in (None, self.generation):
            raise StaleError

    def _answer(self) -> None:
        try:
            question = self._questions.pop()
        except IndexError:
            return
        from sedd_cli.generation.alternatives import alternatives

        branch, at, (canvas, position) = question
        try:
            found = alternatives(branch.job.checkpoint, branch.moments[at].states[canvas], position)
        except Exception as error:
            self._say(messages.Failed(self.generation, _told(error)))
        else:
            self._say(messages.Answered(branch, at, (canvas, position), found))


def _give_back() -> None:
    """Return freed memory to the system, where the C library can be asked to (glibc).

    The small tensors that moments keep lie between the large ones that a run has freed: without this, memory grew by
    2 MB a run.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(error: BaseException) -> SeddError:
    """An error as one that says what to do."""
    if isinstance(error, SeddError):
        return error
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return SeddError("not enough memory", "Choose a shorter canvas in the settings.")
    return SeddError(f"{type(error).__name__}: {error}", "This should not happen: please report it.")
