"""Many clients at once, honest ones and others, and what each of them may be answered.

    python -m tests.serve.load [-m MODEL] [--clients 200] [--seconds 60]

starts `sedd serve` and prints what the clients saw. It fails where an answer is not what it should be.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from sedd_cli import generate, load_checkpoint
from tests.serve.process import process_of

PROMPTS = 24
"""Different requests, each with a text of its own."""
TOKENS = 8
"""Of a text, which is short: a few network calls."""
OPTIONS: Any = {"seed": 1, "steps": 4, "temperature": 1.0, "top_p": 1.0}
REQUESTS = 16
"""That the server runs or holds at a time."""
LARGEST = 1 << 20
"""Bytes of a body."""
PAUSE = 0.05
"""Seconds for which a client waits before it asks again, and a slow one between two reads."""

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """`whole` is False where the connection closed before the end."""

    status: int
    headers: Headers
    body: bytes
    whole: bool


class Connection:
    """One HTTP/1.1 request, written by hand so that it can be wrong."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def send(
        self,
        body: bytes = b"",
        path: str = "/v1/completions",
        method: str = "POST",
        size: int | None = None,
        more: Headers | None = None,
    ) -> None:
        """`size`: the length that the head names, where it is not the body's."""
        head = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body) if size is None else size)}
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in (head | dict(more or {})).items()),
        ]
        # A server that refuses a request may close before all of it is sent.
        with suppress(ConnectionError):
            self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await self.writer.drain()

    async def answer(self, pause: float = 0.0, at_once: int = 1 << 16) -> Answer:
        """Read an answer, so many bytes at once."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = bytearray()
        try:
            async for part in self._parts(headers, at_once):
                body += part
                await asyncio.sleep(pause)
        except asyncio.IncompleteReadError as error:
            return Answer(int(first.split()[1]), headers, bytes(body) + error.partial, whole=False)
        return Answer(int(first.split()[1]), headers, bytes(body), whole=True)

    async def _parts(self, headers: Headers, at_once: int) -> AsyncIterator[bytes]:
        if "content-length" in headers:
            async for part in self._exactly(int(headers["content-length"]), at_once):
                yield part
            return
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            async for part in self._exactly(size, at_once):
                yield part
            await self.reader.readexactly(2)

    async def _exactly(self, size: int, at_once: int) -> AsyncIterator[bytes]:
        for begin in range(0, size, at_once):
            yield await self.reader.readexactly(min(at_once, size - begin))


@dataclass
class Load:
    """Clients of one server. `texts`: what each prompt is continued with; `seen`: how often who was answered what."""

    port: int
    texts: Mapping[str, str]
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def run(self, clients: int, seconds: float) -> None:
        """Let clients ask for some seconds, half of them honest. Raises `ExceptionGroup` of what should not be."""
        end = asyncio.get_running_loop().time() + seconds
        honest, others = islice(cycle(HONEST), clients // 2), islice(cycle(ALLOWED), clients - clients // 2)
        async with asyncio.TaskGroup() as group:
            for number, kind in enumerate((*honest, *others)):
                group.create_task(self._ask(kind, number, end))

    async def _ask(self, kind: "Kind", number: int, end: float) -> None:
        prompts = list(self.texts)
        while asyncio.get_running_loop().time() < end:
            try:
                async with asyncio.timeout(60), Connection(self.port) as connection:
                    outcome = await kind(connection, prompts[number % PROMPTS], self.texts)
            except (ConnectionError, asyncio.IncompleteReadError):
                outcome = "closed"
            assert outcome in ALLOWED[kind] | {"503"}, f"{kind.__name__} saw {outcome}"
            self.seen[kind.__name__, outcome] += 1
            number += 1
            await asyncio.sleep(PAUSE)


Kind = Callable[[Connection, str, Mapping[str, str]], Awaitable[str]]


def body_of(prompt: str, *, stream: bool = False) -> bytes:
    return json.dumps({"prompt": prompt, "stream": stream, **OPTIONS, "max_tokens": TOKENS}).encode()


def outcome(answer: Answer) -> str:
    """What an answer says; an error must be one of OpenAI's form, but for that of too many connections."""
    if answer.status == 503:
        return "503"
    assert answer.whole and answer.headers["content-type"] == "application/json", answer
    assert answer.status == 200 or json.loads(answer.body)["error"]["message"], answer
    return str(answer.status)


async def whole(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Ask for a text; it must be the prompt's own."""
    await connection.send(body_of(prompt))
    answer = await connection.answer()
    if answer.status == 200:
        assert json.loads(answer.body)["choices"][0]["text"] == texts[prompt], (prompt, answer.body)
    return outcome(answer)


async def streaming(
    connection: Connection, prompt: str, texts: Mapping[str, str], pause: float = 0.0, at_once: int = 1 << 16
) -> str:
    """Ask for a text in pieces; together they must be the prompt's own."""
    await connection.send(body_of(prompt, stream=True))
    answer = await connection.answer(pause, at_once)
    if answer.status == 200:
        events = [line.removeprefix("data: ") for line in answer.body.decode().splitlines() if line]
        assert events.pop() == "[DONE]"
        assert "".join(json.loads(event)["choices"][0]["text"] for event in events) == texts[prompt], (prompt, events)
        return "200"
    return outcome(answer)


async def slow(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """As `streaming`, a few bytes at a time."""
    return await streaming(connection, prompt, texts, PAUSE / 10, 64)


async def leaving(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Ask, and close without reading the answer."""
    await connection.send(body_of(prompt, stream=True))
    await asyncio.sleep(PAUSE)
    return "left"


async def cut_short(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Close before all of the body is sent."""
    await connection.send(body_of(prompt)[:20], size=1000)
    return "left"


async def too_large(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Send 10 MB."""
    await connection.send(b"x" * 10_000_000)
    return outcome(await connection.answer())


async def not_utf8(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Send bytes that are no text."""
    await connection.send(b'{"prompt": "\xff\xfe"}')
    return outcome(await connection.answer())


async def nested(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Send arrays within arrays."""
    await connection.send(b'{"prompt": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    return outcome(await connection.answer())


async def wrong_method(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Ask by another method."""
    await connection.send(body_of(prompt), method="DELETE")
    return outcome(await connection.answer())


async def many_headers(connection: Connection, prompt: str, texts: Mapping[str, str]) -> str:
    """Send a megabyte of headers."""
    await connection.send(body_of(prompt), more={f"X-{i}": "x" * 1000 for i in range(1000)})
    return str((await connection.answer()).status)


HONEST: Mapping[Kind, set[str]] = {whole: {"200", "429"}, streaming: {"200", "429"}}
ALLOWED: Mapping[Kind, set[str]] = HONEST | {
    slow: {"200", "429"},
    leaving: {"left"},
    cut_short: {"left"},
    too_large: {"413", "closed"},
    not_utf8: {"400"},
    nested: {"400"},
    wrong_method: {"405"},
    many_headers: {"400", "431", "closed"},
}
"""What each may see. "closed": the server does not read what it refuses, and TCP then drops the answer."""


def texts_of(model: str) -> dict[str, str]:
    """What the library continues each prompt with."""
    checkpoint = load_checkpoint(model)
    assert checkpoint.tokenizer is not None
    texts = {}
    for number in range(PROMPTS):
        prompt = f"Once upon a time {number} birds"
        length = len(checkpoint.tokenizer.encode(prompt)) + TOKENS
        sample = generate(checkpoint, prompt=prompt, length=length, **OPTIONS)[0]
        texts[prompt] = sample.text.removeprefix(prompt)
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default="tinystories")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    load = Load(0, texts_of(arguments.model))
    with process_of(arguments.model, "--requests", str(REQUESTS)) as server:
        load.port = server.port
        asyncio.run(load.run(arguments.clients, 5))
        before = server.resident
        asyncio.run(load.run(arguments.clients, arguments.seconds))
        print(f"memory: {before / 2**20:.0f} MiB after 5 s, {server.resident / 2**20:.0f} MiB at the end")
        for (who, what), count in sorted(load.seen.items()):
            print(f"{who:14} {what:8} {count:7,}")
        assert server.health == 200


if __name__ == "__main__":
    main()
