"""Answers as OpenAI's clients read them, whole or as events of a stream."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sedd_cli.serve.events import Begun, Delta, Done, Logprob, Revealed, Written

Json = dict[str, Any]


@dataclass
class Answer(ABC):
    """The answer of one request. `model`: the name of the checkpoint."""

    model: str
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    prefix: str = ""
    kind: str = ""
    chunk: str = ""

    def __post_init__(self) -> None:
        self.id = f"{self.prefix}{secrets.token_hex(12)}"

    @abstractmethod
    def choice(self, written: Written) -> Json:
        """A text of the whole answer."""

    @abstractmethod
    def first(self, begun: Begun) -> Iterator[Json]:
        """The choices of chunks that a stream begins with."""

    @abstractmethod
    def piece(self, index: int, text: str, reason: str | None, logprobs: Sequence[Logprob] | None) -> Json:
        """The choice of a chunk."""

    def whole(self, events: Sequence[object]) -> Json:
        """The answer that is not streamed; the last event is `Done`."""
        done = events[-1]
        assert isinstance(done, Done)
        written = sorted((event for event in events if isinstance(event, Written)), key=lambda event: event.index)
        choices = [self.choice(event) for event in written]
        return {**self._head(self.kind), "choices": choices, "usage": _usage(done), "sedd": _facts(done)}

    def chunks(self, event: object) -> Iterator[Json]:
        """The chunks of a stream that an event is sent as."""
        if isinstance(event, Begun):
            yield from (self._chunk(choice) for choice in self.first(event))
        elif isinstance(event, Delta):
            yield self._chunk(self.piece(event.index, event.text, None, None))
        elif isinstance(event, Revealed):
            canvas = {"index": event.index, "step": event.step, "steps": event.steps, "nfe": event.nfe}
            yield {**self._head(self.chunk), "choices": [], "sedd": {**canvas, "canvas": event.canvas}}
        elif isinstance(event, Written):
            yield self._chunk(self.piece(event.index, "", event.finish_reason, event.logprobs))
        elif isinstance(event, Done) and self.include_usage:
            yield {**self._head(self.chunk), "choices": [], "usage": _usage(event), "sedd": _facts(event)}

    def _chunk(self, choice: Json) -> Json:
        return {**self._head(self.chunk), "choices": [choice], **({"usage": None} if self.include_usage else {})}

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


@dataclass
class CompletionAnswer(Answer):
    """Of `/v1/completions`. `offset`: characters of the prompt, by which those of tokens are counted."""

    prefix: str = "cmpl-"
    kind: str = "text_completion"
    chunk: str = "text_completion"

    def choice(self, written: Written) -> Json:
        return self.piece(written.index, written.text, written.finish_reason, written.logprobs)

    def first(self, begun: Begun) -> Iterator[Json]:
        return iter(())

    def piece(self, index: int, text: str, reason: str | None, logprobs: Sequence[Logprob] | None) -> Json:
        tokens = None if logprobs is None else _completion_logprobs(logprobs)
        return {"text": text, "index": index, "logprobs": tokens, "finish_reason": reason}


@dataclass
class ChatAnswer(Answer):
    """Of `/v1/chat/completions`."""

    prefix: str = "chatcmpl-"
    kind: str = "chat.completion"
    chunk: str = "chat.completion.chunk"

    def choice(self, written: Written) -> Json:
        message = {"role": "assistant", "content": written.text, "refusal": None}
        end = {"logprobs": _chat_logprobs(written.logprobs), "finish_reason": written.finish_reason}
        return {"index": written.index, "message": message, **end}

    def first(self, begun: Begun) -> Iterator[Json]:
        for index in range(begun.texts):
            delta = {"role": "assistant", "content": ""}
            yield {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, reason: str | None, logprobs: Sequence[Logprob] | None) -> Json:
        delta = {"content": text} if text else {}
        return {"index": index, "delta": delta, "logprobs": _chat_logprobs(logprobs), "finish_reason": reason}


def _usage(done: Done) -> Json:
    total = done.prompt_tokens + done.completion_tokens
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": total,
    }


def _facts(done: Done) -> Json:
    """What OpenAI has no key for: by the seed, the same request writes the same text."""
    return {"seed": done.seed, "nfe": done.nfe, "settings_of_the_checkpoint": dict(done.taken)}


def _completion_logprobs(logprobs: Sequence[Logprob]) -> Json:
    offsets, at = [], 0
    for token in logprobs:
        offsets.append(at)
        at += len(token.text)
    return {
        "tokens": [token.text for token in logprobs],
        "token_logprobs": [token.logprob for token in logprobs],
        "top_logprobs": [{_characters(data): value for data, value in token.top} for token in logprobs],
        "text_offset": offsets,
    }


def _chat_logprobs(logprobs: Sequence[Logprob] | None) -> Json | None:
    if logprobs is None:
        return None
    return {
        "content": [
            {
                **_entry(token.data, token.logprob),
                "token": token.text,
                "top_logprobs": [_entry(*other) for other in token.top],
            }
            for token in logprobs
        ],
        "refusal": None,
    }


def _entry(data: bytes, logprob: float) -> Json:
    return {"token": _characters(data), "logprob": logprob, "bytes": list(data)}


def _characters(data: bytes) -> str:
    """The characters of a token; as OpenAI writes it, `bytes:\\xf0\\x9f` for a part of one."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
