"""Answers as OpenAI's clients read them, whole or as events of a stream."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from sedd_cli.serve.ends import up_to_dedent, up_to_stop
from sedd_cli.serve.events import Begun, Delta, Done, GapsRevealed, Logprob, Revealed, Written

Json = dict[str, Any]


class Answer(ABC):
    """The answer of a request, by its events."""

    ends_with_done = True
    """Whether a stream ends with `[DONE]`."""

    @abstractmethod
    def whole(self, events: Sequence[object]) -> Json:
        """The answer that is not streamed; the last event is `Done`."""

    @abstractmethod
    def chunks(self, event: object) -> Iterator[Json]:
        """The chunks of a stream that an event is sent as."""


@dataclass
class OpenAIAnswer(Answer):
    """As OpenAI's clients read them. `model`: the name of the checkpoint."""

    model: str
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    prefix: ClassVar[str]
    kind: ClassVar[str]
    chunk: ClassVar[str]
    """What an id begins with, and the `object` of a whole answer and of a chunk."""

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
        done = events[-1]
        assert isinstance(done, Done)
        written = sorted((event for event in events if isinstance(event, Written)), key=lambda event: event.index)
        choices = [self.choice(event) for event in written]
        return {**self._head(self.kind), "choices": choices, "usage": _usage(done), "sedd": _facts(done)}

    def chunks(self, event: object) -> Iterator[Json]:
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


class CompletionAnswer(OpenAIAnswer):
    """Of `/v1/completions`."""

    prefix = "cmpl-"
    kind = "text_completion"
    chunk = "text_completion"

    def choice(self, written: Written) -> Json:
        return self.piece(written.index, written.text, written.finish_reason, written.logprobs)

    def first(self, begun: Begun) -> Iterator[Json]:
        return iter(())

    def piece(self, index: int, text: str, reason: str | None, logprobs: Sequence[Logprob] | None) -> Json:
        tokens = None if logprobs is None else _completion_logprobs(logprobs)
        return {"text": text, "index": index, "logprobs": tokens, "finish_reason": reason}


class ChatAnswer(OpenAIAnswer):
    """Of `/v1/chat/completions`."""

    prefix = "chatcmpl-"
    kind = "chat.completion"
    chunk = "chat.completion.chunk"

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


@dataclass
class EditAnswer(Answer):
    """Of `/v1/edit`: the record of `sedd infill --json`."""

    def whole(self, events: Sequence[object]) -> Json:
        done = events[-1]
        assert isinstance(done, Done)
        return {"schema_version": 1, **done.record, "usage": _usage(done), "sedd": _facts(done)}

    def chunks(self, event: object) -> Iterator[Json]:
        if isinstance(event, GapsRevealed):
            yield asdict(event)
        elif isinstance(event, Done):
            yield self.whole([event])


@dataclass
class InfillAnswer(Answer):
    """Of `/infill`, as llama.cpp's server has it: `tokens` at an editor's cursor.

    `stops` end the text, and so does a line that is indented by less than `indent`. `fields`: those of the answer that
    are wanted, None for all.
    """

    model: str
    tokens: int
    stops: Sequence[str] = ()
    indent: int = 0
    fields: Sequence[str] | None = None
    ends_with_done = False

    def whole(self, events: Sequence[object]) -> Json:
        done = events[-1]
        assert isinstance(done, Done)
        whole = done.record["candidates"][0]["written"][0] if self.tokens else ""
        text, stop = up_to_stop(up_to_dedent(whole, self.indent), self.stops)
        answer = {
            "content": text,
            "stop": True,
            "stop_type": "word" if stop else "limit",
            "stopping_word": stop,
            "model": self.model,
            "tokens_predicted": done.completion_tokens,
            "tokens_evaluated": done.prompt_tokens,
            "tokens_cached": 0,
            "truncated": False,
            "generation_settings": {"n_predict": self.tokens, "seed": done.seed, **done.record.get("settings", {})},
            "timings": _timings(done),
            "sedd": _facts(done),
        }
        return answer if self.fields is None else _chosen(answer, self.fields)

    def chunks(self, event: object) -> Iterator[Json]:
        if isinstance(event, Done):
            whole = self.whole([event])
            yield {"content": whole.get("content", ""), "stop": False}
            yield {**whole, "content": ""}


def _timings(done: Done) -> Json:
    prompt, predicted = (1000 * seconds for seconds in done.seconds)
    return {
        name: value
        for part, count, ms in (
            ("prompt", done.prompt_tokens, prompt),
            ("predicted", done.completion_tokens, predicted),
        )
        for name, value in (
            (f"{part}_n", count),
            (f"{part}_ms", ms),
            (f"{part}_per_token_ms", ms / count if count else 0.0),
            (f"{part}_per_second", 1000 * count / ms if ms else 0.0),
        )
    }


def _chosen(answer: Json, fields: Sequence[str]) -> Json:
    """Fields of an answer; `timings/prompt_n` is one of an object in it, and keeps that name."""
    chosen = {}
    for name in fields:
        first, _, rest = name.partition("/")
        inner = answer.get(first)
        if not rest and first in answer:
            chosen[name] = inner
        elif isinstance(inner, dict) and rest in inner:
            chosen[name] = inner[rest]
    return chosen


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
