"""The engine's thread outlives what a request does to it, or says why not."""

from queue import SimpleQueue
from typing import TYPE_CHECKING

from sedd_cli.errors import SeddError
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.serve.engine import Call, Engine, Failed, Task, Work
from sedd_cli.serve.limits import Limits

if TYPE_CHECKING:
    from sedd_cli import Checkpoint


def test_no_request_waits_for_an_answer_that_cannot_come(shallow: "Checkpoint") -> None:
    """Neither one without a result, nor those that wait when the thread ends."""
    failures: SimpleQueue[SeddError] = SimpleQueue()
    events: SimpleQueue[object] = SimpleQueue()
    engine = Engine(lambda: shallow, Limits(requests=2), on_failure=failures.put)

    def nothing() -> Task:
        yield None

    def waiting() -> Task:
        while True:
            yield None

    def unhashable(checkpoint: "Checkpoint") -> Task:
        run = Run(checkpoint, Request(length=4, steps=1, seed=1))
        yield Call([], run.sampler, run.start(0))

    def no_result() -> object:
        raise ValueError("no result")

    engine.start()
    while engine.status == "loading":
        pass
    try:
        engine.submit(lambda checkpoint, ticket: Work([nothing()], no_result), events.put)
        failed = events.get(timeout=60)
        assert isinstance(failed, Failed) and failed.error.code == "internal_error"
        engine.submit(lambda checkpoint, ticket: Work([waiting()], no_result), events.put)
        engine.submit(lambda checkpoint, ticket: Work([unhashable(checkpoint)], no_result), events.put)
        ended = [events.get(timeout=60), events.get(timeout=60)]
        assert [event.error.code for event in ended if isinstance(event, Failed)] == ["stopping", "stopping"]
        assert "TypeError" in failures.get(timeout=60).message and engine.status == "stopping"
    finally:
        assert engine.close(60)
