"""The command as a process, and clients that people use: OpenAI's package and curl."""

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serve.local import Local, serving
from tests.serve.process import process_of

if TYPE_CHECKING:
    from sedd_cli import Checkpoint
    from tests.conftest import Sedd

ENDLESS = {"n": 64, "steps": 10_000, "correct": 10_000, "stream": True, "stream_options": {"canvas": True}}


@pytest.fixture(scope="module")
def local(shallow: "Checkpoint") -> Iterator[Local]:
    with serving(shallow) as local:
        yield local


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signals", "drained", "code"),
    [
        ([signal.SIGTERM], True, 0),
        ([signal.SIGTERM, signal.SIGTERM], False, 0),
        ([signal.SIGINT, signal.SIGINT], False, 130),
    ],
    ids=["drained", "at once", "Ctrl-C"],
)
def test_a_signal_ends_it(shallow: "Checkpoint", signals: list[signal.Signals], drained: bool, code: int) -> None:
    with (
        process_of(str(shallow.folder)) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection,
    ):
        connection.request("POST", "/v1/completions", json.dumps(ENDLESS))
        with connection.getresponse() as response:
            # It has begun, and does not end by itself.
            assert response.readline().startswith(b"data: ")
            for number in signals:
                server.process.send_signal(number)
                # Two of a kind may be one to a process that has not seen the first.
                with suppress(ConnectionError):
                    while server.health:
                        pass
            try:
                data = response.read()
            except http.client.IncompleteRead as error:
                data = error.partial
        assert (b'"code":"stopping"' in data) == drained
        assert server.process.wait(20) == code
        assert server.said.splitlines()[1:] == ["shallow is loaded"]


@pytest.mark.slow
def test_candidates_of_an_edit_are_ranked(local: Local) -> None:
    request = {"document": "Lily had a dog.", "gaps": [{"start": 11, "end": 14, "tokens": "auto"}], "seed": 1, "n": 4}
    record = local.post("/v1/edit", request).json
    ranks = [(candidate["text"] == request["document"], candidate["nats"]) for candidate in record["candidates"]]
    assert ranks == sorted(ranks) and len(set(ranks)) > 1 and record["lengths_compared"]


@pytest.mark.slow
def test_clients_of_openai_are_served(local: Local) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{local.server.url}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["shallow"]
        request = {"model": "shallow", "prompt": "Once", "seed": 1, "max_tokens": 8, "n": 2, "suffix": " end."}
        whole = client.completions.create(**request, logprobs=1, extra_body={"steps": 4})
        assert whole.usage.completion_tokens == 16 and whole.sedd["seed"] == 1
        options = {"include_usage": True, "canvas": True}
        texts, shown = ["", ""], 0
        for chunk in client.completions.create(**request, stream=True, stream_options=options, extra_body={"steps": 4}):
            shown += hasattr(chunk, "sedd")
            for choice in chunk.choices:
                texts[choice.index] += choice.text
        assert texts == [choice.text for choice in whole.choices] and shown > 2
        with pytest.raises(openai.NotFoundError, match="this server has 'shallow'"):
            client.completions.create(model="gpt-4o", prompt="Once")
        with pytest.raises(openai.BadRequestError, match="no chat template"):
            client.chat.completions.create(model="shallow", messages=[{"role": "user", "content": "Hi"}])
        with pytest.raises(openai.BadRequestError, match="temperature") as refused:
            client.completions.create(model="shallow", prompt="Once", temperature=-1)
        assert refused.value.code == "invalid_request"


def test_curl_is_served(local: Local) -> None:
    if not (curl := shutil.which("curl")):
        pytest.skip("needs curl")
    body = json.dumps({"prompt": "Once", "max_tokens": 4, "seed": 1})
    command = [curl, "-s", "-N", "--fail-with-body", f"{local.server.url}/v1/completions", "-d"]
    whole = subprocess.run([*command, body], capture_output=True, check=True, timeout=60).stdout
    assert json.loads(whole)["choices"][0]["text"] == local.post("/v1/completions", json.loads(body)).text
    refused = subprocess.run([*command, "{"], capture_output=True, timeout=60)
    assert refused.returncode == 22 and json.loads(refused.stdout)["error"]["code"] == "invalid_json"


@pytest.mark.slow
def test_the_page_shows_what_works(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "serve.md").read_text(encoding="utf-8")
    page = page.replace("http://127.0.0.1:8484", local.server.url).replace('"tinystories"', '"shallow"')
    commands = re.findall(r"^\$ (curl .*)$", page, re.MULTILINE)
    for command in commands:
        printed = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=120).stdout
        assert printed.startswith((b"{", b"data: ")) and b'"error"' not in printed
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program)
    assert len(commands) == 4 and capsys.readouterr().out.strip()


def test_the_extra_that_is_missing_is_named(sedd: "Sedd", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sedd_cli.serve.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    failed = sedd("serve")
    assert failed.code == 1 and "Install sedd-cli[serve]" in failed.stderr
