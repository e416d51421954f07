"""`/v1/completions`: the texts are those of the command and the library, whole or in pieces, alone or together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serve.dialogues import save_dialogues
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


def test_rows_share_network_calls(local: Local, shallow: "Checkpoint") -> None:
    calls = []
    hook = shallow.model.backbone.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    nfe = local.post(PATH, {"prompt": PROMPT, "seed": 1, "max_tokens": 12, "steps": 8, "n": 3}).json["sedd"]["nfe"]
    hook.remove()
    assert len(calls) < nfe


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


@pytest.mark.parametrize(
    "options",
    [{"prompt": ""}, {"block": 4}, {"order": "confidence", "stop": "the "}, {"remask": "cap"}, {"correct": 2}],
)
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


def test_a_stream_shows_canvases_to_who_asks(local: Local) -> None:
    request = {"prompt": PROMPT, "seed": 3, "max_tokens": 12, "steps": 6, "stream": True}
    canvases = [
        e["sedd"] for e in local.post(PATH, {**request, "stream_options": {"canvas": True}}).events if "sedd" in e
    ]
    masked = [sum(part for part in c["canvas"] if isinstance(part, int)) for c in canvases]
    assert masked == sorted(masked, reverse=True) and masked[-1] == 0 < masked[0]
    assert [c["nfe"] for c in canvases] == list(range(1, len(canvases) + 1))
    assert ["".join(canvases[-1]["canvas"])] == [local.post(PATH, {**request, "stream": False}).text]
    assert not any("sedd" in event for event in local.post(PATH, request).events)


def test_a_text_ends_at_a_string_to_stop_at(local: Local) -> None:
    request = {"prompt": PROMPT, "seed": 5, "max_tokens": 24, "steps": 12}
    whole = local.post(PATH, request).json
    text, stop = whole["choices"][0]["text"], whole["choices"][0]["text"][10:13]
    cut = local.post(PATH, {**request, "stop": [stop, "\0"]}).json
    assert (cut["choices"][0]["text"], cut["choices"][0]["finish_reason"]) == (text[: text.index(stop)], "stop")
    assert cut["usage"]["completion_tokens"] < whole["usage"]["completion_tokens"] == 24
    pieces = local.post(PATH, {**request, "stop": stop, "stream": True}).events
    assert "".join(event["choices"][0]["text"] for event in pieces) == cut["choices"][0]["text"]


def test_tokens_have_the_probability_that_they_were_drawn_with(local: Local) -> None:
    request = {"prompt": [PROMPT, "A dog"], "seed": 2, "max_tokens": 8, "steps": 8, "temperature": 0}
    for choice in local.post(PATH, {**request, "logprobs": 2}).json["choices"]:
        tokens = choice["logprobs"]
        assert "".join(tokens["tokens"]) == choice["text"]
        assert [choice["text"][at : at + len(t)] for at, t in zip(tokens["text_offset"], tokens["tokens"], strict=True)]
        for token, value, top in zip(tokens["tokens"], tokens["token_logprobs"], tokens["top_logprobs"], strict=True):
            assert top[token] == pytest.approx(value) == pytest.approx(max(top.values())) and len(top) == 2
    echoed = local.post(PATH, {**request, "echo": True}).json["choices"]
    assert [c["text"].startswith(p) for c, p in zip(echoed, request["prompt"], strict=True)] == [True, True]


def test_a_reply_is_that_of_the_command(tmp_path: Path, sedd: "Sedd") -> None:
    from sedd_cli import load_checkpoint

    folder = save_dialogues(tmp_path / "dialogues")
    length = ["--length", "120", "--steps", "8", "--seed", "1"]
    printed = sedd("generate", "--chat", "Say it", "--system", "Be kind.", "-m", str(folder), *length)
    messages = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Say it"}]},
    ]
    with serving(load_checkpoint(folder)) as local:
        path, request = "/v1/chat/completions", {"messages": messages, "steps": 8, "seed": 1}
        tokens = local.post(path, {**request, "max_tokens": 1}).json["usage"]["prompt_tokens"]
        request["max_completion_tokens"] = 120 - tokens
        reply = local.post(path, {**request, "logprobs": True, "top_logprobs": 1}).json["choices"][0]
        stream = local.post(path, {**request, "stream": True}).events
        (folder / "chat_template.jinja").write_text("{{ raise_exception('Two turns of one role') }}")
        refused = local.post(path, request)
    assert refused.status == 400 and refused.json["error"]["param"] == "messages"
    assert reply["message"]["content"] + "\n" == printed.stdout.decode()
    assert len(reply["logprobs"]["content"]) > 1
    deltas = [event["choices"][0]["delta"] for event in stream]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == reply["message"]["content"]


def test_a_checkpoint_without_a_template_says_so(local: Local) -> None:
    reply = local.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
    assert (reply.status, reply.json["error"]["message"]) == (400, "shallow has no chat template")


def test_the_model_is_listed(local: Local) -> None:
    (model,) = local.get("/v1/models").json["data"]
    assert model["id"] == "shallow" and local.get("/v1/models/shallow").json == model
    assert local.get("/v1/models/other").status == 404
