"""The one thread that runs the network: requests go in by a queue, messages come out.

It keeps no state of a run: branches do. Stopping makes the id of a request stale; resuming is a new request that
starts at the branch's tip.
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
    from torch.utils.hooks import RemovableHandle

    from sedd_cli.evaluation.proofreading import Proofreading
    from sedd_cli.generation.branches import Branch
    from sedd_cli.generation.job import Job
    from sedd_cli.models.checkpoint import Checkpoint

GC_THRESHOLDS = (10_000, 10, 100)
"""Of `gc.set_threshold`. As what was there is frozen, full collections, 40 ms each, would come every second or so."""
AlternativesRequest = tuple["Branch", int, tuple[int, int]]


LoadCheckpoint = Callable[[str | None, str], "Checkpoint"]
"""Loads a checkpoint by name (None: the default) onto a device."""


class Cancelled(Exception):  # noqa: N818 - no error: a request
    """Ends work between steps whose run id is stale."""


class Engine:
    """Posts messages by `post`, which is called from the thread. Must be closed."""

    def __init__(self, post: Callable[[Message], object], load: "LoadCheckpoint | None" = None) -> None:
        self._send = post
        self._load_checkpoint = load or load_and_freeze
        self._hooks: list[RemovableHandle] = []
        """On the blocks of the checkpoint that was loaded last."""
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._alternatives_requests: deque[AlternativesRequest] = deque(maxlen=1)
        self._closed = False
        self.run_id = 0
        """Of the latest request: earlier ids are stale."""
        self._cancel_token: int | None = None
        """The run id of work that ends within a network call once the id is stale."""
        self._loads = 0
        self._thread = Thread(target=self._work, name="sedd-engine", daemon=True)
        self._thread.start()

    def load(self, model: str | None, device: str) -> int:
        """Load a checkpoint: `Loading`, then `Loaded` or `LoadFailed`, each with the load id returned."""
        self.stop()
        self._loads += 1
        load_id = self._loads
        self._tasks.put(lambda: self._load(load_id, model, device))
        return load_id

    def start(self, make: "Callable[[], Job]", numbers: Sequence[int]) -> int:
        """Make a job and run these texts of it to their end. Returns the run id of its messages."""
        self.run_id += 1
        run_id = self.run_id
        self._tasks.put(lambda: self._start(run_id, make, numbers))
        return run_id

    def resume(
        self, branches: "Sequence[Branch]", limit: int | None = None, candidates: "Sequence[Branch]" = ()
    ) -> int:
        """Continue branches to their end, or for `limit` steps; then compare `candidates`, which may be among them.

        Returns the run id of their messages.
        """
        self.run_id += 1
        run_id = self.run_id

        def work() -> None:
            self._advance(run_id, branches, limit)
            if run_id == self.run_id:
                self._rank(run_id, candidates)

        self._tasks.put(lambda: self._run_task(run_id, work))
        return run_id

    def proofread(self, make: "Callable[[], Proofreading]") -> int:
        """Read the words of a text: `WordsRead` now and then, and at last `Stopped`. Returns the run id of these."""
        self.run_id += 1
        run_id = self.run_id

        def work() -> None:
            if run_id != self.run_id:
                return
            proofreading = make()
            steps = proofreading.steps()
            while True:
                with self._cancellable(run_id):
                    done = next(steps, None)
                if done is None:
                    return
                findings = tuple(proofreading.findings())
                self._post(messages.WordsRead(run_id, done, len(proofreading.words), findings))
                self._compute_alternatives()

        self._tasks.put(lambda: self._run_task(run_id, work))
        return run_id

    def request_alternatives(self, branch: "Branch", at: int, position: tuple[int, int]) -> None:
        """Request `AlternativesReady` for a token, also between two steps of a run; a later request replaces it."""
        self._alternatives_requests.append((branch, at, position))
        self._tasks.put(self._compute_alternatives)

    def check_distribution(self, checkpoint: "Checkpoint", text: str) -> None:
        """Post `OutOfDistribution` if a text is unlike what a checkpoint was trained on.

        This waits for the run in progress, and begins again behind one that is started meanwhile.
        """
        self._tasks.put(lambda: self._check_distribution(checkpoint, text))

    def stop(self) -> None:
        """Stop the run after its current step; a comparison of lengths or candidates stops within it."""
        self.run_id += 1

    def close(self, timeout: float) -> bool:
        """Stop and wait up to `timeout` seconds for the thread. Returns whether it has ended."""
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
        self._remove_hooks()

    def _remove_hooks(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _post(self, message: Message) -> None:
        if not self._closed:
            self._send(message)

    def _load(self, load_id: int, model: str | None, device: str) -> None:
        if load_id != self._loads:
            return
        try:
            # The interpreter switches quickly to the thread of the screen.
            sys.setswitchinterval(0.001)
            from sedd_cli.tui.start import checkpoint_facts

            facts = checkpoint_facts(model)
            self._post(messages.Loading(load_id, f"loading {facts.label}", facts))
            import torch

            # One core is left to the screen.
            torch.set_num_threads(max(1, min(torch.get_num_threads(), _cores() - 1)))
            checkpoint = self._load_checkpoint(model, device)
            self._remove_hooks()
            for block in checkpoint.model.backbone.blocks:
                self._hooks.append(block.register_forward_pre_hook(self._check_cancelled))
            if checkpoint.autoregressive:
                raise UsageError(
                    f"{checkpoint.name} is autoregressive: it has no canvas of noise to take hold of",
                    "sedd generate and sedd score take it.",
                )
            self._post(messages.Loaded(load_id, checkpoint))
        except BaseException as error:
            self._post(messages.LoadFailed(load_id, _as_sedd_error(error)))
        finally:
            # Starting is faster without: `sedd_cli.cli.session` disables it.
            gc.enable()
            gc.set_threshold(*GC_THRESHOLDS)

    def _run_task(self, run_id: int, work: Callable[[], None]) -> None:
        try:
            work()
        except Cancelled:
            pass
        except BaseException as error:
            self._post(messages.Failed(run_id, _as_sedd_error(error)))
        self._post(messages.Stopped(run_id))
        _release_memory()

    def _start(self, run_id: int, make: "Callable[[], Job]", numbers: Sequence[int]) -> None:
        def work() -> None:
            from sedd_cli.generation.branches import Branch

            if run_id != self.run_id:
                return
            with self._cancellable(run_id):
                job = make()
                # What a strength below 1 keeps may be told by the network.
                branches = tuple(Branch.begin(job, n) for n in numbers)
            self._post(messages.Started(run_id, branches))
            self._advance(run_id, branches, None)
            if run_id == self.run_id:
                self._rank(run_id, branches)

        self._run_task(run_id, work)

    def _advance(self, run_id: int, branches: "Sequence[Branch]", limit: int | None) -> None:
        made = 0
        for branch in branches:
            for step in branch.resume():
                if run_id != self.run_id:
                    return
                branch.add(step)
                self._post(messages.Advanced(run_id, branch, branch.last))
                self._compute_alternatives()
                made += 1
                if made == limit or run_id != self.run_id:
                    return

    def _rank(self, run_id: int, branches: "Sequence[Branch]") -> None:
        from sedd_cli.generation.filling import nats_of
        from sedd_cli.generation.infill import Infilling

        finished = tuple(branch for branch in branches if branch.finished and isinstance(branch.job, Infilling))
        if len(finished) < 2:
            return
        with self._cancellable(run_id):
            for branch in finished:
                if branch.nats is None:
                    drawn = branch.job.length_nats(branch.number)  # type: ignore[attr-defined]  # it is an Infilling
                    branch.nats = drawn + nats_of(branch.job.checkpoint, branch.tip.states)
        self._post(messages.Ranked(run_id, finished))

    @contextmanager
    def _cancellable(self, run_id: int) -> Iterator[None]:
        self._cancel_token = run_id
        try:
            yield
        finally:
            self._cancel_token = None

    def _check_cancelled(self, *_: object) -> None:
        if self._cancel_token not in (None, self.run_id):
            raise Cancelled

    def _check_distribution(self, checkpoint: "Checkpoint", text: str) -> None:
        from sedd_cli.generation.warnings import is_unlike

        try:
            with self._cancellable(self.run_id):
                if is_unlike(checkpoint, text):
                    self._post(messages.OutOfDistribution(checkpoint))
        except Cancelled:
            self.check_distribution(checkpoint, text)
        except Exception as error:
            self._post(messages.Failed(self.run_id, _as_sedd_error(error)))

    def _compute_alternatives(self) -> None:
        try:
            request = self._alternatives_requests.pop()
        except IndexError:
            return
        from sedd_cli.generation.alternatives import alternatives
        from sedd_cli.text.vocabulary import vocabulary_of

        branch, at, (canvas, position) = request
        try:
            result = alternatives(branch.job.checkpoint, branch.moments[at].states[canvas], position)
            self._post(messages.AlternativesReady(branch, at, (canvas, position), result))
            # Whoever asks for these may search next: of a large vocabulary, making ready for that takes 0.3 s once.
            vocabulary_of(branch.job.checkpoint.tokenizer, len(result.law))
        except Exception as error:
            self._post(messages.Failed(self.run_id, _as_sedd_error(error)))


def load_and_freeze(model: str | None, device: str) -> "Checkpoint":
    """Load a checkpoint and exempt all objects that exist by then from garbage collection.

    Collecting them again would stop the screen for 0.2 s at a time.
    """
    from sedd_cli.models.checkpoint import load_checkpoint

    gc.unfreeze()
    checkpoint = load_checkpoint(model, device)
    # Exports name the weights by their hash, also after a training run has replaced the files.
    _ = checkpoint.hash
    gc.collect()
    gc.freeze()
    return checkpoint


def _release_memory() -> None:
    """Return freed memory to the system, where the C library can be asked to (glibc).

    The small tensors of moments lie between the large ones that a run frees: without this, memory grows by
    2 MB a run.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _as_sedd_error(error: BaseException) -> SeddError:
    """An error as a `SeddError` with a hint."""
    if isinstance(error, SeddError):
        return error
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return SeddError("not enough memory", "Choose a shorter canvas in the settings.")
    return SeddError(f"{type(error).__name__}: {error}", "This should not happen: please report it.")
