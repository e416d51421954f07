"""Data sets by name, from a hub on loopback, and from files; what can be wrong with them."""

import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.evaluation.datasets import NAMES, Format, read_dataset
from tests import hub as loopback
from tests.hub import Hub, environment, sha256

WIKITEXT, PTB, LM1B = "Salesforce/wikitext", "ptb-text-only/ptb_text_only", "billion-word-benchmark/lm1b"
CONVERTED = "refs/convert/parquet"
ROWS = ["", " = Mills = \n", "", " A well @-@ lit mill . \n"]
Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def read(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Read:
    """Read data sets, each a name or a name with options, where the hub is this one. Nothing may be written past us."""

    def read_one(what: str, options: dict[str, Any]) -> dict[str, Any]:
        fetched: list[list[Any]] = []

        @contextmanager
        def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
            fetched.append([title, total, 0])

            def count(n: int) -> None:
                fetched[-1][2] += n

            yield count

        try:
            answer = asdict(read_dataset(what, **options, progress=progress))
        except SeddError as error:
            answer = {"code": error.exit_code, "error": error.message, "hint": error.hint}
        return dict(json.loads(json.dumps({**answer, "fetched": fetched})))

    def read(*wanted: str | tuple[str, dict[str, object]], **variables: str) -> list[dict[str, Any]]:
        with loopback.variables(environment(hub, tmp_path / "home") | variables):
            answers = [read_one(*((one, {}) if isinstance(one, str) else one)) for one in wanted]
        assert capfd.readouterr() == ("", "")
        return answers

    return read


def table(rows: Sequence[object], column: str = "text") -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": list(range(len(rows))), column: list(rows)}), stream)
    return stream.getvalue()


def add(hub: Hub, repository: str, file: str, data: bytes, ref: str = "main") -> str:
    return hub.add(f"datasets/{repository}", {file: data, "README.md": b"# about\n"}, ref)


def wikitext2(split: str = "test") -> str:
    return f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet"


def test_wikitext_is_fetched_once_and_keeps_its_empty_rows(hub: Hub, read: Read) -> None:
    data = table(ROWS)
    commit = add(hub, WIKITEXT, wikitext2(), data)
    first, again, raw = read("wikitext2", "wikitext2", ("wikitext2", {"detokenise": False}))
    assert first["documents"] == ["", " = Mills =\n", "", " A well-lit mill.\n"]
    assert first["source"] == f"hub {WIKITEXT}, commit {commit}, {wikitext2()}"
    assert (first["name"], first["split"], first["format"]) == ("wikitext2", "test", "wikitext")
    assert first["detokeniser"] == "wikitext" and first["notes"] == []
    assert first["fetched"] == [[f"{WIKITEXT}/{wikitext2()}", len(data), len(data)]]
    assert again == {**first, "fetched": []}
    assert raw["documents"] == ROWS and raw["detokeniser"] == "none"
    # What is in the cache needs no network.
    assert len(hub.gets("api/datasets")) == len(hub.gets("cdn")) == 1 and not hub.gets("README")


def test_each_name_has_its_place(hub: Hub, read: Read) -> None:
    add(hub, WIKITEXT, "wikitext-103-raw-v1/validation-00000-of-00001.parquet", table([" One , two . \n", ""]))
    add(hub, PTB, "penn_treebank/test/0000.parquet", table(["it does n't", "at N mills"], "sentence"), CONVERTED)
    add(hub, "EleutherAI/lambada_openai", "data/lambada_test.jsonl", b'{"text": " \xe2\x80\x9cOld.\xe2\x80\x9d"}\n')
    add(hub, LM1B, "plain_text/test/0000.parquet", table(["It 's old ."]), CONVERTED)
    wanted = [("wikitext103", {"split": "validation"}), "ptb", "lambada", "lm1b"]
    read_ = read(*wanted)
    assert [one["documents"] for one in read_] == [
        [" One, two.\n", ""],
        ["it doesn't", "at 1 mills"],
        ['\n"Old."'],
        ["It's old."],
    ]
    assert [one["split"] for one in read_] == ["validation", "test", "test", "test"]
    assert {"wikitext2", *(one["name"] for one in read_)} == set(NAMES)
    hub.asked.clear()
    *offline, missing = read(*wanted, "wikitext2", HF_HUB_OFFLINE="1")
    assert [one["source"] for one in offline] == [one["source"] for one in read_]
    assert missing["code"] == 3 and WIKITEXT in missing["error"] and "HF_HUB_OFFLINE" in missing["error"]
    assert hub.asked == []


def test_a_split_that_is_not_in_the_cache_is_fetched_beside_the_other(hub: Hub, read: Read) -> None:
    hub.add(f"datasets/{WIKITEXT}", {wikitext2(s): table([f"the {s}"]) for s in ("test", "train")})
    done = read("wikitext2", ("wikitext2", {"split": "train"}), "wikitext2")
    assert [one["documents"] for one in done] == [["the test"], ["the train"], ["the test"]]
    assert [len(one["fetched"]) for one in done] == [1, 1, 0]


def test_a_hub_that_has_it_not(hub: Hub, read: Read) -> None:
    add(hub, WIKITEXT, "wikitext-2-raw-v1/other.parquet", table(ROWS))
    hub.refusals[f"datasets/{LM1B}"] = (403, {"X-Error-Code": "GatedRepo"})
    moved, none, gated = read("wikitext2", "ptb", "lm1b")
    assert moved["error"] == f"the hub's data set {WIKITEXT} no longer holds {wikitext2()}"
    assert f"no repository {PTB}" in none["error"] and f"{hub.endpoint}/datasets/{PTB}" in none["hint"]
    assert f"{LM1B} is gated" in gated["error"] and f"/datasets/{LM1B}," in gated["hint"]
    assert [one["code"] for one in (moved, none, gated)] == [3, 3, 3]


def test_a_hub_out_of_reach(read: Read) -> None:
    (done,) = read("lm1b", HF_ENDPOINT="http://127.0.0.1:1")
    assert done["code"] == 1 and "http://127.0.0.1:1 cannot be reached" in done["error"]
    assert "HF_ENDPOINT" in done["hint"]


def test_a_damaged_file_is_refused_and_fetched_anew(hub: Hub, read: Read, tmp_path: Path) -> None:
    data = table(ROWS)
    add(hub, WIKITEXT, wikitext2(), data)
    read("wikitext2")
    (blob,) = (tmp_path / "home").rglob(f"blobs/{sha256(data)}")
    blob.write_bytes(data[:-1] + b"?")
    hub.damaged.add(sha256(data))
    in_cache, fetched = read("wikitext2", "wikitext2")
    for done in (in_cache, fetched):
        assert f"{wikitext2()} of {WIKITEXT} is damaged" in done["error"] and "try again" in done["hint"]
    assert not in_cache["fetched"] and fetched["fetched"] and len(hub.gets("cdn")) == 2
    assert not blob.exists()


def test_tables_that_are_no_data_sets(hub: Hub, read: Read) -> None:
    nothing = pyarrow.array([], pyarrow.string())
    files = {
        wikitext2("test"): (table(ROWS, "body"), "has no column 'text', but id, body"),
        wikitext2("validation"): (table(["one", None]), "row 2 of"),
        wikitext2("train"): (b"version https://git-lfs", "is not a Parquet file"),
        "penn_treebank/test/0000.parquet": (table([7], "sentence"), "row 1 of"),
        "penn_treebank/validation/0000.parquet": (table(nothing, "sentence"), "ptb holds no text"),
        "plain_text/test/0000.parquet": (table(["", " "]), "lm1b holds no text"),
    }
    for repository, ref in ((WIKITEXT, "main"), (PTB, CONVERTED), (LM1B, CONVERTED)):
        hub.add(f"datasets/{repository}", {name: data for name, (data, _) in files.items()}, ref)
    wanted = [(name, {"split": split}) for name in ("wikitext2", "ptb") for split in ("test", "validation")]
    wanted.insert(2, ("wikitext2", {"split": "train"}))
    for done, (file, (_, error)) in zip(read(*wanted, "lm1b"), files.items(), strict=True):
        assert error in done["error"] and done["hint"] and done["code"] in (2, 3)
        assert file in done["error"] or "holds no text" in error


def test_pyarrow_missing_is_said_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SeddError, match=r"needs pyarrow\nInstall sedd-cli\[eval\]"):
        read_dataset("ptb")


def write(folder: Path, name: str, data: str | bytes) -> str:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return str(folder / name)


def test_rows_of_files_are_those_of_the_original_scripts(tmp_path: Path) -> None:
    lines = " \n = Mills = \n\n One . \n\x85 Two \u2028 three . \n"
    expected = ("", " = Mills =\n", "", " One.\n", "\x85 Two \u2028 three.\n")
    for ending in ("\n", "\r\n", "\r"):
        path = write(tmp_path, "wiki.test.raw", lines.replace("\n", ending))
        assert read_dataset(path, format="wikitext").documents == expected
    # Stripped, and an empty line is a row there too; the end of the file is none.
    for format in ("ptb", "lm1b"):
        path = write(tmp_path, "rows.txt", " one mill \r\n\n\u00a0two mills\t")
        assert read_dataset(path, format=format).documents == ("one mill", "", "two mills")
    path = write(tmp_path, "rows.jsonl", '{"text": "One.\\n\\nTwo.", "id": 1}\n\n{"text": ""}\n')
    assert read_dataset(path, format="lambada").documents == ("\nOne.\n\nTwo.", "\n")
    assert read_dataset(path, format="lambada", detokenise=False).documents == ("One.\n\nTwo.", "")


def test_a_file_is_a_text_unless_said_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "One , two .\n\nThree .\n"
    read = read_dataset(write(tmp_path, "ptb", data))
    assert read.documents == ("One , two .", "Three .")
    assert (read.name, read.format, read.detokeniser, read.split, read.notes) == ("ptb", "text", "none", None, ())
    assert read.source == f"file ptb, sha256 {sha256(data.encode())}"
    monkeypatch.chdir(tmp_path)
    assert read_dataset("./ptb").documents == read.documents


def test_json_is_a_text_whose_key_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '\ufeff[{"title": "A", "story": "One , two ."}]')
    read = read_dataset(path)
    assert (read.documents, read.notes) == (("One , two .",), ('documents are the "story" of JSON array',))
    assert read_dataset(path, text_key="title").documents == ("A",)
    with pytest.raises(UsageError, match=r"fixed by its format\n--text-key is for format text"):
        read_dataset(path, format="lambada", text_key="story")


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    for format in ("text", "wikitext"):
        data = gzip.compress(b" One .\n")
        read = read_dataset(write(tmp_path, "a.txt.gz", data), format=format, detokenise=False)
        assert [text.strip("\n") for text in read.documents] == [" One ."] and sha256(data) in read.source


def test_what_differs_from_the_papers_wikitext_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path, "wiki.txt", " = Mills = \n The <unk> mill . \n")
    empty, unknown = read_dataset(path, format="wikitext").notes
    assert "no empty rows" in empty and "not the raw WikiText" in unknown
    assert read_dataset(write(tmp_path, "wiki.txt", " \n = Mills = \n"), format="wikitext").notes == ()


@pytest.mark.parametrize(
    ("name", "data", "format", "error"),
    [
        ("a.jsonl", '{"text": "a"}\n{"body": "b"}\n', "lambada", r'a.jsonl:2 has no "text"'),
        ("a.txt", "\nOne mill.\n", "lambada", r"a.txt:2 is not JSON"),
        ("a.jsonl", '{"text": "a"}\n', "ptb", r"a.jsonl:1 is a JSON object, not a row of ptb\n.*lambada"),
        ("a.txt", "", "wikitext", r"a.txt is empty"),
        ("a.txt", "\n \n", "wikitext", r"a.txt holds no text"),
        ("a.txt", "\n \n", "text", r"a.txt holds no text"),
        ("a.jsonl", "\n", "lambada", r"a.jsonl holds no text"),
        ("a.txt", "one\n", "csv", r"unknown format 'csv'\nOne of text, wikitext"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, name: str, data: str, format: Format, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        read_dataset(write(tmp_path, name, data), format=format)


@pytest.mark.parametrize("format", ["text", "wikitext", "ptb", "lambada", "lm1b"])
def test_files_that_are_not_text(tmp_path: Path, format: Format) -> None:
    with pytest.raises(NotLoadableError, match=r"latin.txt is not UTF-8: byte 0xe9 at offset 8"):
        read_dataset(write(tmp_path, "latin.txt", b"{}      \xe9\n"), format=format)
    with pytest.raises(NotLoadableError, match=r"nul.txt is a binary file: byte 0x00 at offset 6\n"):
        read_dataset(write(tmp_path, "nul.txt", b"{}    \0"), format=format)
    with pytest.raises(SeddError, match=r"table is (a table, not a text\nConvert it .*parquet|a binary file)"):
        read_dataset(write(tmp_path, "table", table(ROWS)), format=format)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder, not a file"):
        read_dataset(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe or device, not a file"):
        read_dataset(str(tmp_path / "pipe"))
    with pytest.raises(NotLoadableError, match=r"cannot read .*name too long"):
        read_dataset("a" * 1000)
    for what in ("wikitext-2", "WikiText2"):
        with pytest.raises(
            NotLoadableError, match=rf"no data set '{what}', and no such file\nDid you mean wikitext2\?"
        ):
            read_dataset(what)
    with pytest.raises(
        NotLoadableError, match="and no such file\nBy name there are wikitext2, wikitext103, ptb, lambada"
    ):
        read_dataset(str(tmp_path / "none.txt"))


def test_choices_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lambada has no split 'train'\nIt has: test"):
        read_dataset("lambada", split="train")
    with pytest.raises(UsageError, match=r"ptb is of format ptb, not wikitext\n.*\./ptb"):
        read_dataset("ptb", format="wikitext")
    with pytest.raises(UsageError, match="has no splits"):
        read_dataset(write(tmp_path, "a.txt", "one"), split="test")
