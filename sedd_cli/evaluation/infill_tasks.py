"""Tasks of infilling benchmarks: HumanEval-Infill's sets by name from the hub, or a file of its format.

A task is a record of openai/human-eval-infilling (arXiv 2207.14255): `prompt`, what is to be written
(`canonical_solution`), `suffix`, and a `test` that defines `check`, which is called with the object `entry_point`.
The hub's copy is loubnabnl/humaneval_infilling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sedd_cli.errors import UsageError
from sedd_cli.evaluation.execution import Check
from sedd_cli.evaluation.names import TaskKind
from sedd_cli.models.hub_datasets import TransferProgress, dataset_file, no_progress
from sedd_cli.text.corpus_files import suffix_of
from sedd_cli.text.json_documents import json_lines

REPOSITORY = "loubnabnl/humaneval_infilling"
_FILES = {
    "humaneval-single-line": "data/HumanEval-SingleLineInfilling.jsonl",
    "humaneval-multi-line": "data/HumanEval-MultiLineInfilling.jsonl",
    "humaneval-random-span": "data/HumanEval-RandomSpanInfilling.jsonl",
    "humaneval-random-span-light": "data/HumanEval-RandomSpanInfillingLight.jsonl",
}
NAMES = tuple(_FILES)
_KINDS: dict[str, TaskKind] = {
    "SingleLineInfilling": "single-line",
    "MultiLineInfilling": "multi-line",
    "RandomSpanInfilling": "random-span",
    "RandomSpanInfillingLight": "random-span",
}
"""By how the ids of tasks begin."""
TASKS_HINT = f"--data {NAMES[0]}, or a .jsonl file of such tasks"
_TEXTS = ("prompt", "suffix", "canonical_solution")
_FORMAT = f"A task has the texts {', '.join(_TEXTS)}; with --execute also test and entry_point."


@dataclass(frozen=True)
class Task:
    """A text to be written between two others. `check`: None if it has no test."""

    name: str
    kind: TaskKind
    prompt: str
    suffix: str
    truth: str
    check: Check | None


@dataclass(frozen=True)
class TaskSet:
    """Tasks in order; `source`: their origin in one line."""

    tasks: tuple[Task, ...]
    source: str


def read_tasks(what: str, progress: TransferProgress = no_progress) -> TaskSet | None:
    """The tasks of a set by its name (`NAMES`) or of a file of JSON lines; None if the first line of a file is no task.

    A set that the hub's cache lacks is downloaded, with `progress`. Raises `UsageError` for a record that is no task
    behind one that is, and as `dataset_file` does.
    """
    if what in _FILES:
        path, commit = dataset_file(REPOSITORY, _FILES[what], "main", progress)
        return TaskSet(_tasks(path), f"hub {REPOSITORY}, commit {commit}, {_FILES[what]}")
    path = Path(what)
    if suffix_of(path) not in (".jsonl", ".ndjson") or not path.is_file():
        return None
    _, first = next(json_lines(path), ("", None))
    if not (isinstance(first, dict) and first.keys() >= {*_TEXTS}):
        return None
    return TaskSet(_tasks(path), f"file {path.name}")


def require_checks(tasks: Sequence[Task]) -> None:
    """Raises `UsageError` if a task has no test."""
    without = [task.name for task in tasks if task.check is None]
    if without:
        raise UsageError(f"--execute: {without[0]} has no test and entry_point", "Leave --execute out, or add them.")


def _tasks(path: Path) -> tuple[Task, ...]:
    return tuple(_task(where, record) for where, record in json_lines(path))


def _task(where: str, record: object) -> Task:
    if not isinstance(record, dict):
        raise UsageError(f"{where} is no task", _FORMAT)
    name = str(record.get("task_id", where))
    prompt, suffix, truth = (_text(where, record, key) for key in _TEXTS)
    check = None
    if record.get("test") is not None and record.get("entry_point") is not None:
        check = Check(_text(where, record, "test"), _text(where, record, "entry_point"))
    if not truth.strip():
        raise UsageError(f"{where}: the canonical_solution is empty", _FORMAT)
    return Task(name, _KINDS.get(name.partition("/")[0], "task"), prompt, suffix, truth, check)


def _text(where: str, record: dict[str, object], key: str) -> str:
    text = record.get(key)
    if not isinstance(text, str):
        raise UsageError(f"{where} has no text {key!r}", _FORMAT)
    return text
