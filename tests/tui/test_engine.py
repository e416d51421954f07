"""The engine alone: what it was asked for and nobody waits for any more ends within a network call."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest
from textual.message import Message

from sedd_cli import Checkpoint, Gap
from sedd_cli.evaluation.proofreading import Proofreading, ProofRequest
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.request import Request
from sedd_cli.tui import messages
from sedd_cli.tui.engine import Engine

DOCUMENT = "One day a little dog went home. The dog was happy."


class Seen:
    """An engine with a checkpoint, all that it says, and how often it has run the network."""

    def __init__(self) -> None:
        self.calls = 0
        self.said: list[Message] = []
        self.queue: SimpleQueue[Message] = SimpleQueue()
        self.on_call: Callable[[], None] = lambda: None
        self.engine = Engine(self._heard)
        self.engine.load(None, "cpu")
        loaded = self.until(messages.Loaded, messages.LoadFailed)
        assert isinstance(loaded, messages.Loaded)
        self.checkpoint: Checkpoint = loaded.checkpoint
        self.checkpoint.model.backbone.blocks[0].register_forward_pre_hook(self._called)

    def _heard(self, message: Message) -> None:
        self.said.append(message)
        self.queue.put(message)

    def _called(self, *_: object) -> None:
        self.calls += 1
        self.on_call()

    def until(self, *kinds: type[Message]) -> Message:
        while not isinstance(message := self.queue.get(timeout=120), kinds):
            pass
        return message

    def fill(self, gap: Gap, count: int) -> None:
        request = Request(steps=4, length=32, seed=0, num_samples=count)
        self.engine.start(lambda: Infilling(self.checkpoint, request, DOCUMENT, [gap]), range(count))
        self.until(messages.Stopped)


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    yield seen
    assert seen.engine.close(60)


def said(seen: Seen, kind: type[Message]) -> bool:
    return any(isinstance(message, kind) for message in seen.said)


def test_a_comparison_of_lengths_is_left(seen: Seen) -> None:
    def third() -> None:
        if seen.calls == 3:
            seen.engine.stop()

    seen.on_call = third
    seen.fill(Gap(17, 20, tokens=(1, 6)), 1)
    assert seen.calls == 3 and not said(seen, messages.Started) and not said(seen, messages.Failed)
    seen.on_call = lambda: None
    seen.fill(Gap(17, 20, tokens=(1, 6)), 1)
    assert said(seen, messages.Started) and seen.calls >= 3 + 6


def test_proofreading_is_left(seen: Seen) -> None:
    def third() -> None:
        if seen.calls == 3:
            seen.engine.stop()

    seen.on_call = third
    for text, calls in ((DOCUMENT, 3), ("", 3)):
        seen.engine.proofread(lambda text=text: Proofreading(seen.checkpoint, text, ProofRequest(length=32)))  # type: ignore[misc]
        seen.until(messages.Stopped)
        assert seen.calls == calls and not said(seen, messages.WordsRead)
        assert said(seen, messages.Failed) is (text == "")


def test_a_ranking_is_left(seen: Seen) -> None:
    def first_of_ranking() -> None:
        begun = next(message for message in seen.said if isinstance(message, messages.Started))
        if all(branch.finished for branch in begun.branches):
            seen.engine.stop()
            seen.on_call = lambda: None
            seen.calls = 0

    seen.on_call = first_of_ranking
    seen.fill(Gap(17, 20), 2)
    assert seen.calls == 0 and not said(seen, messages.Ranked) and not said(seen, messages.Failed)
    seen.fill(Gap(17, 20), 2)
    assert said(seen, messages.Ranked)
