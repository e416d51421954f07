"""Many clients at once, and a server that dies among them."""

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from tests.serve.load import REQUESTS, Connection, Load, body_of, texts_of
from tests.serve.process import process_of

if TYPE_CHECKING:
    from sedd_cli import Checkpoint

CLIENTS, SECONDS = 200, 12.0
BOUNDED = 48 * 2**20
"""Bytes by which memory may grow: buffers of 200 clients, as many as there ever are."""


@pytest.mark.slow
def test_many_clients_are_each_answered_what_they_asked(shallow: "Checkpoint") -> None:
    model = str(shallow.folder)
    load = Load(0, texts_of(model))
    with process_of(model, "--requests", str(REQUESTS)) as server:
        load.port = server.port
        asyncio.run(load.run(CLIENTS, SECONDS / 4))
        before = server.resident
        asyncio.run(load.run(CLIENTS, SECONDS))
        assert server.resident < before + BOUNDED
        assert load.seen["whole", "200"] > REQUESTS and load.seen["streaming", "200"] > REQUESTS
        assert load.seen["whole", "429"] and load.seen["leaving", "left"]
        assert server.health == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.slow
def test_a_client_of_a_server_that_is_killed_sees_no_half_an_answer(shallow: "Checkpoint") -> None:
    async def until_it_dies(port: int, kill: asyncio.Event) -> int:
        whole = 0
        while True:
            try:
                async with Connection(port) as connection:
                    await connection.send(body_of("Once upon a time"))
                    answer = await connection.answer()
            except (ConnectionError, asyncio.IncompleteReadError):
                return whole
            # An answer that breaks off is not taken for one: its head tells how long it is.
            if not answer.whole:
                return whole
            assert answer.status in (200, 429) and answer.body.endswith(b"}")
            whole += 1
            if whole > 2:
                kill.set()

    async def kill_among(server_port: int) -> list[int]:
        kill = asyncio.Event()
        clients = [asyncio.create_task(until_it_dies(server_port, kill)) for _ in range(8)]
        await kill.wait()
        server.process.kill()
        return await asyncio.gather(*clients)

    model = str(shallow.folder)
    with process_of(model) as server:
        answered = asyncio.run(kill_among(server.port))
    assert sum(answered) > 2
    # The next one has the same address at once.
    with process_of(model, port=server.port) as again:
        assert again.port == server.port and again.health == 200
