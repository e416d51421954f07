"""`sedd infill` of several documents: one that fails does not stop the others, and the checkpoint is loaded once."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import typer

from sedd_cli.atomic import STDOUT
from sedd_cli.cli.infill_output import check_in_place, diff_of, write_in_place
from sedd_cli.cli.infill_run import Filled, Prepared, Task, begin, finish, summarise
from sedd_cli.cli.output import Output, as_json, check_outputs
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import NoGapError, SeddError, UsageError
from sedd_cli.generation.infill_record import as_record
from sedd_cli.ranges import counted
from sedd_cli.text.document import Document, read_document, read_file
from sedd_cli.text.in_place import check_writable

Outcome = Literal["changed", "not changed", "without a gap", "failed", "not reached"]
OUTCOMES: tuple[Outcome, ...] = ("changed", "not changed", "without a gap", "failed", "not reached")


def distinct_files(files: Sequence[str]) -> list[str]:
    """The files, each once: one that is named twice would be rewritten twice."""
    distinct: dict[str, str] = {}
    for file in files:
        distinct.setdefault(file if file == "-" else os.path.realpath(file), file)
    return list(distinct.values())


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many files came to what: `12 files: 9 changed, 2 without a gap, 1 failed`."""
    counts = Counter(outcomes)
    parts = [f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]]
    return f"{counted(len(outcomes), 'file')}: {', '.join(parts)}"


def fill_each(files: Sequence[str], task: Task, output: Path | None, trace: Path | None, terminal: Terminal) -> None:
    """Fill documents one after another, and sum up. Raises `typer.Exit`: 1 if one failed, 130 if interrupted.

    What is wrong with the request itself raises `UsageError` before any document is read.
    """
    _check(files, task, output, trace)
    with ExitStack() as stack:
        out = stack.enter_context(Output(output)) if task.prints else None
        prepared = _prepare(task, terminal)
        documents = _Documents(task, prepared, terminal)
        finished = documents.fill(files)
        if out is not None and not finished:
            out.save_partial(terminal)
        if out is not None and task.json:
            out.write(as_json({"complete": finished, "documents": documents.records}))
        elif out is not None:
            out.show(documents.changes, task.color, wrap=True)
        terminal.info(summary(documents.outcomes))
    if not finished or "failed" in documents.outcomes:
        raise typer.Exit(1 if finished else 130)


def _check(files: Sequence[str], task: Task, output: Path | None, trace: Path | None) -> None:
    if not (task.in_place or task.json or task.diff):
        place = "stdout" if output is None else str(output)
        raise UsageError(
            f"{len(files)} documents would run into each other in {place}",
            "Use --in-place, which writes each to its own file, or --diff or --json.",
        )
    if trace is not None:
        raise UsageError("a trace records one document", "Leave out --trace, or name one document.")
    if task.in_place and "-" in files:
        check_in_place("-")
    if task.prints:
        check_outputs({"the documents": STDOUT} if output is None else {"-o": output}, files)
    task.asked.check()


def _prepare(task: Task, terminal: Terminal) -> Prepared:
    """As the task does, with one seed for all documents, and settings that are in range."""
    from sedd_cli.diffusion.randomness import fresh_seed
    from sedd_cli.generation.request import Request

    Request(**asdict(task.sampling))
    prepared = task.prepare(terminal)
    seed = fresh_seed() if prepared.sampling.seed is None else prepared.sampling.seed
    return replace(prepared, sampling=replace(prepared.sampling, seed=seed))


class _Documents:
    """Documents being filled: the outcome of each, and what is printed of it, as records and as changes."""

    def __init__(self, task: Task, prepared: Prepared, terminal: Terminal) -> None:
        self._task, self._prepared, self._terminal = task, prepared, terminal
        self._begun = False
        self.outcomes: list[Outcome] = []
        self.records: list[dict[str, object]] = []
        self.changes: list[tuple[str, str]] = []

    def fill(self, files: Sequence[str]) -> bool:
        """Fill them. Returns False if interrupted."""
        for number, file in enumerate(files):
            self._terminal.info(f"{file}:")
            try:
                self.outcomes.append(self._outcome(file))
            except KeyboardInterrupt:
                self._terminal.info(f"stopped: {file} was left as it is" if self._task.in_place else "stopped")
                self.outcomes += ["not reached"] * (len(files) - number)
                return False
        return True

    def _outcome(self, file: str) -> Outcome:
        try:
            return self._fill(file)
        except NoGapError as error:
            self._terminal.info("no gap")
            self._add_error(file, error)
            return "without a gap"
        except SeddError as error:
            message = error.message if file in error.message else f"{file}: {error.message}"
            self._terminal.error(SeddError(message, error.hint))
            self._add_error(file, error)
            return "failed"

    def _fill(self, file: str) -> Outcome:
        """Fill one document. Raises `SeddError` if that fails, `KeyboardInterrupt` if it was stopped."""
        from sedd_cli.cli.watch import run_job

        task, terminal = self._task, self._terminal
        if task.in_place:
            check_in_place(file)
        # An empty file among others is one without a gap.
        document = read_document(file) if file == "-" else read_file(Path(file))
        if task.in_place:
            check_writable(document)
        started = time.monotonic()
        infilling = begin(self._prepared, document, task.asked, terminal, again=self._begun)
        self._begun = True
        finished = run_job(infilling, terminal, None)
        filled = finish(infilling, finished, started, with_nats=task.json)
        summarise(filled, terminal)
        if not filled.finished:
            raise KeyboardInterrupt
        changed = filled.fillings[0].text != document.text
        if task.in_place:
            write_in_place(filled.fillings[0].text, document, printed=True, terminal=terminal)
        self._add(file, filled, document)
        return "changed" if changed else "not changed"

    def _add(self, file: str, filled: Filled, document: Document) -> None:
        if self._task.json:
            record = as_record(filled.infilling, filled.fillings, filled.nats)
            self.records.append({"file": file, "error": None, **record})
        elif self._task.diff:
            self.changes += diff_of(filled, document)

    def _add_error(self, file: str, error: SeddError) -> None:
        if self._task.json:
            self.records.append({"file": file, "error": {"message": error.message, "hint": error.hint}})
