"""Who may ask, and what may be asked: everything else is refused by an error as OpenAI's clients read it."""

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from sedd_cli import NotLoadableError, SeddError, UsageError
from sedd_cli.serve.limits import Limits
from sedd_cli.serve.server import Server, Settings
from tests.serve.local import Local, serving

if TYPE_CHECKING:
    from sedd_cli import Checkpoint
    from tests.conftest import Sedd

PATH = "/v1/completions"
KEY = {"Authorization": "Bearer secret"}
PAGE = "http://localhost:3000"
ASKED = {"max_tokens": 2, "steps": 2}


@pytest.fixture(scope="module")
def local(shallow: "Checkpoint") -> Iterator[Local]:
    limits = Limits(body=10_000, length=64)
    with serving(shallow, api_key="secret", origins=[PAGE], hosts=["box.lan"], limits=limits) as local:
        yield local


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "invalid_api_key"),
        ({"Authorization": "Bearer secre"}, "invalid_api_key"),
        ({"Authorization": "Bearer schlüssel"}, "invalid_api_key"),
        ({"Authorization": "Basic secret"}, "invalid_api_key"),
        ({**KEY, "Host": "attacker.example"}, "host_not_allowed"),
        ({**KEY, "Host": "127.0.0.1.attacker.example:8484"}, "host_not_allowed"),
        ({**KEY, "Host": ""}, "host_not_allowed"),
        ({**KEY, "Origin": "https://attacker.example"}, "origin_not_allowed"),
        ({**KEY, "Origin": "null"}, "origin_not_allowed"),
        ({**KEY, "Origin": "http://localhost:3001"}, "origin_not_allowed"),
    ],
)
def test_others_are_refused(local: Local, headers: dict[str, str], code: str) -> None:
    reply = local.post(PATH, ASKED, **headers)
    assert (reply.status, reply.json["error"]["code"]) == (401 if code == "invalid_api_key" else 403, code)
    assert reply.json["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:8484", "BOX.lan:80", "192.0.2.7"])
def test_those_that_are_named_are_let_in(local: Local, host: str) -> None:
    assert local.post(PATH, ASKED, **KEY, Host=host).status == 200
    assert local.get("/health", Host=host).json == {"status": "ok"}


def test_a_page_that_is_named_may_ask(local: Local) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    leave = local.ask("OPTIONS", PATH, headers=asked)
    assert leave.status == 200 and leave.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in leave.headers["access-control-allow-headers"]
    assert local.post(PATH, ASKED, **KEY, Origin=PAGE).headers["access-control-allow-origin"] == PAGE
    assert local.ask("OPTIONS", PATH, headers={**asked, "Origin": "http://a.b"}).status == 400


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"\xff{", 400, "invalid_json", None),
        (b'{"prompt": "\xff"}', 400, "invalid_json", None),
        (b'{"prompt": "\\ud800"}', 400, "invalid_json", None),
        (b"[" * 9_000, 400, "invalid_json", None),
        (b'{"logit_bias":' + b'{"a":' * 1_500, 400, "invalid_json", None),
        (b"", 400, "invalid_json", None),
        (b"[]", 400, "invalid_type", None),
        (b'{"prompt": ["a", 1]}', 400, "invalid_type", "prompt"),
        (b'{"prompt": "%s"}' % (b"a" * 10_000), 413, "too_large", None),
        (b'{"prompt": "%s"}' % (b"word " * 100), 400, "context_length_exceeded", None),
        (b'{"prompt": "%s"}' % (b"word " * 1_700), 400, "context_length_exceeded", None),
        (b'{"max_tokens": "2"}', 400, "invalid_type", "max_tokens"),
        (b'{"stream": "yes"}', 400, "invalid_type", "stream"),
        (b'{"max_tokens": 0}', 400, "out_of_range", "max_tokens"),
        (b'{"max_tokens": 1e400}', 400, "invalid_type", "max_tokens"),
        (b'{"temperature": NaN}', 400, "invalid_type", "temperature"),
        (b'{"temperature": -1}', 400, "invalid_request", None),
        (b'{"steps": 99999999999}', 400, "invalid_type", "steps"),
        (b'{"n": 1000}', 400, "invalid_type", "n"),
        (b'{"n": 40, "prompt": ["a", "b"]}', 400, "too_many", "n"),
        (b'{"prompt": []}', 400, "invalid_prompt", "prompt"),
        (b'{"sampler": "none"}', 400, "invalid_type", "sampler"),
        (b'{"stop": %s}' % json.dumps(["a"] * 17).encode(), 400, "too_many", "stop"),
        (b'{"max_token": 2}', 400, "unknown_parameter", "max_token"),
        (b'{"batch_size": 2}', 400, "unknown_parameter", "batch_size"),
        (b'{"presence_penalty": 1}', 400, "unsupported_parameter", "presence_penalty"),
        (b'{"echo": true, "logprobs": 1}', 400, "unsupported", "echo"),
        (b'{"model": "/etc/passwd"}', 404, "model_not_found", "model"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_request_is_named(local: Local, body: bytes, status: int, code: str, param: str | None) -> None:
    reply = local.ask("POST", PATH, body, KEY)
    assert (reply.status, reply.json["error"]["code"], reply.json["error"]["param"]) == (status, code, param)


def test_what_asks_for_nothing_is_let_pass(local: Local) -> None:
    neutral = {"presence_penalty": 0, "user": "me", "logit_bias": {}, "seed": -1, "top_k": 0, "stop": None, "model": ""}
    # Of llama.vscode.
    neutral |= {"cache_prompt": True, "samplers": "edkypmxt", "dynatemp_range": 0, "min_p": 0.05, "max_tokens": -1}
    assert local.post(PATH, {**ASKED, **neutral}, **KEY).status == 200


@pytest.mark.parametrize(
    ("gap", "code"),
    [
        ({"start": 0, "end": 99}, "invalid_request"),
        ({"start": 3, "end": 2}, "invalid_request"),
        ({"start": 0, "end": 1, "tokens": 10**12}, "invalid_request"),
        ({"start": 0, "end": 1, "tokens": "many"}, "invalid_type"),
        ({"start": 0}, "invalid_type"),
    ],
)
def test_a_gap_that_cannot_be_is_named(local: Local, gap: dict[str, object], code: str) -> None:
    reply = local.post("/v1/edit", {"document": "a🐶b", "gaps": [gap]}, **KEY)
    assert (reply.status, reply.json["error"]["code"]) == (400, code)
    half = local.post("/v1/edit", {"document": "a🐶b", "gaps": [{"start": 2, "end": 3}], "offsets": "utf16"}, **KEY)
    assert half.json["error"]["message"] == "the offset 2 is not between two characters of the document"


def test_what_only_the_engine_would_find_too_much_is_refused_before(local: Local) -> None:
    whole = {"document": "word " * 1_700, "gaps": [{"start": 0, "end": 8_400}]}
    many = {"document": "word " * 17, "gaps": [{"start": 5 * i, "end": 5 * i + 4} for i in range(17)], "n": 64}
    for body, code in ((whole, "context_length_exceeded"), (many, "too_many")):
        reply = local.post("/v1/edit", {**body, "steps": 1}, **KEY)
        assert (reply.status, reply.json["error"]["code"]) == (400, code)


def test_other_paths_and_methods_are_refused(local: Local) -> None:
    for method, path, status in [
        ("GET", PATH, 405),
        ("DELETE", "/infill", 405),
        ("GET", "/", 404),
        ("GET", "//x", 404),
    ]:
        assert local.ask(method, path, headers=KEY).json["error"].keys() == {"message", "type", "param", "code"}
        assert local.ask(method, path, headers=KEY).status == status
    # The connection may be closed before all is sent.
    with suppress(ConnectionError):
        assert local.get("/health", **{"X-Large": "a" * 200_000}).status == 400
    assert local.get("/health").status == 200


def test_requests_beyond_the_queue_are_refused_and_those_without_a_client_end(shallow: "Checkpoint") -> None:
    with serving(shallow, limits=Limits(requests=1)) as local:
        for stream in (True, False):
            connection = http.client.HTTPConnection("127.0.0.1", local.port, timeout=60)
            connection.request("POST", PATH, json.dumps({"n": 64, "correct": 9_999, "stream": stream}))
            while (refused := local.post(PATH, ASKED)).status == 200:
                pass
            assert (refused.status, refused.json["error"]["code"]) == (429, "queue_full")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            connection.close()
            # As soon as the engine has seen that nobody waits.
            while (reply := local.post(PATH, ASKED)).status == 429:
                pass
            assert reply.status == 200


def test_a_request_that_takes_too_long_fails(shallow: "Checkpoint") -> None:
    with serving(shallow, limits=Limits(seconds=0.05)) as local:
        for path, more in (
            (PATH, {}),
            ("/v1/edit", {"document": "a", "gaps": [{"start": 0, "end": 1, "tokens": 200}]}),
        ):
            reply = local.post(path, {"n": 64, "correct": 9_999, **more})
            assert (reply.status, reply.json["error"]["code"]) == (400, "time_limit")


def test_a_checkpoint_is_loaded_while_the_server_answers(shallow: "Checkpoint") -> None:
    loaded = Event()

    def load() -> "Checkpoint":
        assert loaded.wait(60)
        return shallow

    server = Server(Settings(port=0), load)
    thread = Thread(target=server.run)
    thread.start()
    local = Local(server)
    try:
        assert (local.get("/health").status, local.get("/health").json["status"]) == (503, "loading")
        early = local.post(PATH, ASKED)
        assert (early.status, early.json["error"]["code"], early.headers["retry-after"]) == (503, "loading", "1")
        loaded.set()
        while local.get("/health").status == 503:
            pass
        assert local.post(PATH, ASKED).status == 200
    finally:
        server.stop()
        thread.join(10)


def test_a_checkpoint_that_cannot_be_loaded_ends_the_server() -> None:
    def load() -> "Checkpoint":
        raise NotLoadableError("there is none")

    with pytest.raises(NotLoadableError, match="there is none"):
        Server(Settings(port=0), load).run()


def test_others_than_this_machine_need_a_key(
    sedd: "Sedd", tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="whoever reaches this machine"):
        Settings(host="0.0.0.0")
    empty = tmp_path_factory.mktemp("keys") / "key"
    empty.write_text("\n")
    for arguments, message in [
        (("--host", "0.0.0.0"), "whoever reaches this machine"),
        (("--host", "example.com"), "whoever reaches this machine"),
        (("--api-key-file", str(empty)), "holds no key"),
        (("--cors", "*"), "is no origin"),
    ]:
        refused = sedd("serve", *arguments)
        assert refused.code == 2 and message in refused.stderr
    assert sedd("serve", "--port", "0", "-m", "./none").code == 3
    monkeypatch.setenv("SEDD_API_KEY", "two words")
    assert sedd("serve").code == 2


def test_a_port_that_is_taken_is_named(shallow: "Checkpoint") -> None:
    with serving(shallow) as local, pytest.raises(SeddError, match=f"port {local.port}: Address already in use"):
        Server(Settings(port=local.port), lambda: shallow)
