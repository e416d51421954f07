"""`/v1/edit` and `/infill`: documents are filled as the command does, and cursors in the shapes that editors send."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sedd_cli.models.pad_state import with_pad
from sedd_cli.serve.ends import up_to_dedent
from tests import json_page
from tests.serve.local import Local, serving

if TYPE_CHECKING:
    from sedd_cli import Checkpoint
    from tests.conftest import Sedd

DOCUMENT = "Lily had a 🐶 dog. They were happy.\r\nThe end."
VIM = {
    "input_prefix": "Lily had a dog.\n",
    "input_suffix": "\nThey went home.\n",
    "input_extra": [{"text": "There was a girl.", "time": [1, 2], "filename": "a.txt"}],
    "prompt": "The dog",
    "n_predict": 12,
    "stop": [],
    "n_indent": 0,
    "top_k": 40,
    "top_p": 0.9,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 60_000,
    "response_fields": ["content", "timings/predicted_n", "timings/prompt_ms", "truncated", "tokens_cached", "none"],
    "seed": 1,
}
"""What llama.vim sends."""
VSCODE = {key: value for key, value in VIM.items() if key not in ("stop", "n_indent", "response_fields")}
"""What llama.vscode sends."""


@pytest.fixture(scope="module")
def local(shallow: "Checkpoint") -> Iterator[Local]:
    with serving(shallow) as local:
        yield local


def test_an_edit_is_the_record_of_the_command(
    local: Local, sedd: "Sedd", shallow_by_default: object, tmp_path: Path
) -> None:
    file = tmp_path / "story.txt"
    file.write_bytes(DOCUMENT.encode())
    options = ("--seed", "4", "--steps", "4")
    printed = json.loads(sedd("infill", str(file), "--mask", "14:17", "--mask", "28:33", "--json", *options).stdout)
    request = {"document": DOCUMENT, "seed": 4, "steps": 4}
    record = local.post(
        "/v1/edit", {**request, "nats": True, "gaps": [{"start": 14, "end": 17}, {"start": 28, "end": 33}]}
    ).json
    assert json_page.faults(["infill"], {key: record[key] for key in record.keys() - {"usage", "sedd"}}) == []
    assert {key: record[key] for key in printed} == printed
    # As other editors count, and without the bound.
    for offsets, spans in {"utf8": [(17, 20), (31, 36)], "utf16": [(15, 18), (29, 34)]}.items():
        gaps = [{"start": start, "end": end} for start, end in spans]
        other = local.post("/v1/edit", {**request, "gaps": gaps, "offsets": offsets}).json
        assert other["gaps"] == record["gaps"]
        assert other["candidates"] == [{**c, "nats": None} for c in record["candidates"]]


def test_the_gaps_of_an_edit_are_shown_as_they_are_filled(local: Local) -> None:
    request = {"document": DOCUMENT, "gaps": [{"start": 14, "end": 17, "tokens": 5}], "seed": 4, "steps": 8}
    events = local.post("/v1/edit", {**request, "stream": True, "stream_options": {"canvas": True}}).events
    *shown, record = events
    masked = [sum(part for part in event["gaps"][0] if isinstance(part, int)) for event in shown]
    assert masked == sorted(masked, reverse=True) and masked[0] > 0
    assert record["candidates"] == local.post("/v1/edit", request).json["candidates"]


def test_llama_vim_gets_the_fields_that_it_reads(local: Local) -> None:
    reply = local.post("/infill", VIM).json
    assert reply.keys() == {"content", "timings/predicted_n", "timings/prompt_ms", "truncated", "tokens_cached"}
    assert reply["timings/predicted_n"] == 12 and reply["content"].strip()
    # Nothing behind the cursor's line is written, where text stands in it.
    short = local.post("/infill", {**VIM, "input_suffix": "ran.\n", "n_predict": 128}).json
    assert short["timings/predicted_n"] == 8 and "\n" not in short["content"]


def test_llama_vscode_gets_the_fields_that_it_reads(local: Local) -> None:
    reply = local.post("/infill", VSCODE).json
    assert reply["content"] == local.post("/infill", VIM).json["content"]
    assert reply["timings"].keys() >= {"prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", "predicted_ms"}
    ahead = {**VSCODE, "n_predict": 0, "prompt": "", "t_max_predict_ms": 1}
    assert local.post("/infill", ahead).json["content"] == ""
    stream = local.post("/infill", {**VSCODE, "stream": True}).events
    assert [(event["content"], event["stop"]) for event in stream] == [(reply["content"], False), ("", True)]


def test_less_time_takes_fewer_tokens_and_calls(local: Local) -> None:
    whole = local.post("/infill", VSCODE).json
    reply = local.post("/infill", {**VSCODE, "t_max_predict_ms": 1}).json
    assert reply["tokens_predicted"] == 6 < whole["tokens_predicted"] == 12
    assert reply["content"].strip() and "[[" not in reply["content"] and reply["sedd"]["nfe"] < whole["sedd"]["nfe"]


def test_what_is_written_ends_at_a_string_or_where_its_indent_ends(local: Local) -> None:
    whole = local.post("/infill", VSCODE).json["content"]
    cut = local.post("/infill", {**VSCODE, "stop": [whole[4:7]]}).json
    assert (cut["content"], cut["stop_type"]) == (whole[: whole.index(whole[4:7])], "word")
    assert up_to_dedent("a\n    b\n\n    c\n  d\n    e", 4) == "a\n    b\n\n    c"


def test_each_candidate_counts_the_tokens_that_the_network_gave_it(shallow: "Checkpoint") -> None:
    gap = {"start": 9, "end": 9, "tokens": [2, 6]}
    with serving(with_pad(shallow)) as local:
        body = {"document": "He saw a  and ran.", "gaps": [gap], "n": 4, "seed": 1, "steps": 4}
        reply = local.post("/v1/edit", body).json
    tokens = [number for candidate in reply["candidates"] for number in candidate["tokens"]]
    assert len(set(tokens)) > 1 and reply["usage"]["completion_tokens"] == sum(tokens)
    assert reply["sedd"]["nfe"] == sum(candidate["nfe"] for candidate in reply["candidates"])
