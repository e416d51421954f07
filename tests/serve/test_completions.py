"""`/v1/completions`: the texts are those of the command and the library, whole or in pieces, alone or together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.serve.local import Local, serving

if TYPE_CHECKING:
    from sedd_cli import Checkpoint
    from tests.conftest import Sedd

PATH = "/v1/completions"
PROMPT = "Once upon a time"


@pytest.fixture(scope="module")
def local(shallow: "Checkpoint") -> Iterator[Local]:
    with serving(shallow, batch_size=3) as local:
        yield local


def test_the_text_of_a_seed_is_that_of_the_command(local: Local, sedd: "Sedd", shallow_by_default: object) -> None:
    for suffix in ("", " the end."):
        request = {"prompt": PROMPT, "suffix": suffix, "seed": 7, "max_tokens": 20, "n": 2, "steps": 16}
        reply = local.post(PATH, request)
        usage = reply.json["usage"]
        length = usage["prompt_tokens"] + 20
        arguments = ["--seed", "7", "-n", "2", "--steps", "16", "--length", str(length), "--suffix", suffix]
        printed = sedd("generate", PROMPT, *arguments).stdout.decode()
        texts = [f"{PROMPT}{choice['text']}{suffix}" for choice in reply.json["choices"]]
        assert "\n<|endoftext|>\n".join(texts) + "\n" == printed


def test_requests_together_get_the_texts_that_they_get_alone(local: Local) -> None:
    requests = [
        {"prompt": PROMPT, "seed": seed, "max_tokens": length, "steps": steps, "n": n, "temperature": temperature}
        for seed, (length, steps, n, temperature) in enumerate(
            [(12, 8, 1, 1), (12, 8, 2, 1), (12, 8, 1, 1), (9, 8, 1, 1), (12, 4, 1, 1), (12, 8, 1, 0.5)]
        )
    ]
    alone = [[c["text"] for c in local.post(PATH, request).json["choices"]] for request in requests]
    with ThreadPoolExecutor(len(requests)) as pool:
        replies = list(pool.map(lambda request: local.post(PATH, request), requests))
    assert [[c["text"] for c in reply.json["choices"]] for reply in replies] == alone


@pytest.mark.parametrize("options", [{}, {"block": 4}, {"order": "confidence"}, {"remask": "cap"}, {"correct": 2}])
def test_pieces_of_a_stream_make_up_the_text(local: Local, options: dict[str, object]) -> None:
    request = {"prompt": f"{PROMPT} ", "seed": 3, "max_tokens": 24, "steps": 12, "n": 2, **options}
    whole = local.post(PATH, request).json
    stream = local.post(PATH, {**request, "stream": True, "stream_options": {"include_usage": True}})
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.body.endswith(b"data: [DONE]\n\n")
    *chunks, last = stream.events
    for choice in whole["choices"]:
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == choice["index"]]
        assert "".join(c["text"] for c in mine) == choice["text"]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == [choice["finish_reason"]]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
