"""Tasks of benchmarks: by name from a hub on loopback, from files, and what can be wrong with them."""

import gzip
import json
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, Request
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.infill import InfillEvaluation, InfillRequest
from sedd_cli.evaluation.infill_tasks import NAMES, REPOSITORY, read_tasks
from sedd_cli.evaluation.spans import cuts_of_tasks
from tests import hub as loopback
from tests.conftest import TASKS
from tests.hub import Hub, environment


def test_a_set_by_name_comes_from_the_hub_once(hub: Hub, tmp_path: Path) -> None:
    file = "data/HumanEval-SingleLineInfilling.jsonl"
    commit = hub.add(f"datasets/{REPOSITORY}", {file: TASKS.read_bytes(), "README.md": b"# about\n"})
    with loopback.variables(environment(hub, tmp_path)):
        found = read_tasks(NAMES[0])
        asked = len(hub.asked)
        again = read_tasks(NAMES[0])
    assert found is not None and found == again and asked == len(hub.asked)
    assert found.source == f"hub {REPOSITORY}, commit {commit}, {file}" and len(found.tasks) == 3


def test_a_file_is_of_tasks_if_its_first_record_is(tmp_path: Path) -> None:
    packed = tmp_path / "tasks.jsonl.gz"
    packed.write_bytes(gzip.compress(TASKS.read_bytes()))
    found = read_tasks(str(packed))
    assert found is not None and [task.kind for task in found.tasks] == ["single-line", "multi-line", "random-span"]
    for cut in cuts_of_tasks(found.tasks, 0):
        (task,) = (task for task in found.tasks if task.name == cut.source)
        assert cut.filled(cut.truth) == task.prompt + task.truth + task.suffix and cut.check == task.check
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "Once upon a time."}\n')
    assert read_tasks(str(texts)) is None and read_tasks(str(tmp_path)) is None and read_tasks("gone.jsonl") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suffix": 3}, r"tasks.jsonl:2 has no text 'suffix'"),
        ({"canonical_solution": "\n"}, r"tasks.jsonl:2: the canonical_solution is empty"),
        ({"test": 3}, r"tasks.jsonl:2 has no text 'test'"),
    ],
)
def test_what_is_no_task_is_told(change: dict[str, object], message: str, tmp_path: Path) -> None:
    first, second, _ = map(json.loads, TASKS.read_text().splitlines())
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, (first, second | change))))
    with pytest.raises(UsageError, match=message):
        read_tasks(str(tmp_path / "tasks.jsonl"))


def test_tasks_are_filled_and_their_true_texts_pass(shallow: Checkpoint) -> None:
    tasks = read_tasks(str(TASKS))
    assert tasks is not None
    request = InfillRequest(sampling=Request(steps=2, seed=1), lengths=("true", 2), num=4, nats=False, execute=True)
    evaluation = InfillEvaluation(shallow, request, [], [tasks])
    list(evaluation.run())
    assert [gap.outcome for gap in evaluation.gaps] == ["passed"] * 3 and evaluation.complete
    assert all(filling.outcome == "failed" for gap in evaluation.gaps for filling in gap.fillings)
    rows = evaluation.rows()
    assert [row.span_kind for row in rows[::2]] == ["single-line", "multi-line", "random-span"]
    assert all(row.passed is not None and row.passed.value == 0 and row.parses is not None for row in rows)
    (single,) = (gap for gap in evaluation.gaps if gap.cut.span_kind == "single-line")
    assert all("\n" not in filling.written for filling in single.fillings)
