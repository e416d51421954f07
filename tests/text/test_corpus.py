import csv
import gzip
import json
import os
import subprocess
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from sedd_cli import NotLoadableError, UsageError
from sedd_cli.errors import SeddError
from sedd_cli.text.corpus import Corpus, read_documents
from sedd_cli.text.corpus_files import (
    BROKEN,
    HIDDEN,
    JSON_WITHOUT_TEXTS,
    NO_SUFFIX_OF_TEXT,
    READ_ALREADY,
    TABLE,
    TRAINING_RUN,
    Skipped,
)
from sedd_cli.text.json_documents import read_jsonl


def write(folder: Path, **files: str) -> None:
    """Write files named by their keys, in which `__` is a slash and `_` a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_documents_end_at_end_of_text_lines_else_at_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nstill one\n<|endoftext|>\ntwo\n")
    (tmp_path / "b.txt").write_bytes(b"three\r\nlines\r\n\r\n \t\n\nfour")
    (tmp_path / "c.jsonl").write_text('{"text": "five\\n\\nstill five"}\n\n{"text": " "}\n')
    (tmp_path / "ignored.bin").write_bytes(b"\xff")
    assert list(read_documents(tmp_path)) == ["one\n\nstill one", "two", "three\r\nlines", "four", "five\n\nstill five"]
    assert list(read_documents(tmp_path / "a.txt", "")) == ["one", "still one\n<|endoftext|>\ntwo"]
    assert list(read_documents(tmp_path / "b.txt", "lines")) == ["three", " \t\n\nfour"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    for name, text in (("a.txt", "<|endoftext|>\none\n<|endoftext|>\ntwo\n"), ("b.jsonl", '{"text": "three"}\n')):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert list(read_documents(tmp_path)) == ["one", "two", "three"]


def test_texts_of_a_folder_are_told_by_their_suffix_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, A_TXT="a", b_md="b", c_tex="c", d_Markdown="d", e_rst="e", f_org="f", g_adoc="g")
    write(tmp_path, h_JSONL='{"text": "h"}')
    (tmp_path / "i.Txt.GZ").write_bytes(gzip.compress(b"i"))
    assert list(read_documents(tmp_path)) == list("abcdefghi")


def test_packed_files_are_read_and_measured_unpacked(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one\n\ntwo"), ("b.json", '["three"]'), ("c.jsonl", '{"text": "four"}')):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    assert list(read_documents(tmp_path)) == ["one", "two", "three", "four"]
    assert Corpus(tmp_path / "a.txt.gz").size() == len("one\n\ntwo")


def test_links_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, x_txt="x")
    corpus = tmp_path / "corpus"
    write(corpus, z__y_txt="y")
    (corpus / "a").symlink_to(corpus / "z")  # before it in order, but a folder keeps its own name
    (corpus / "linked").symlink_to(elsewhere)
    (elsewhere / "cycle").symlink_to(corpus)
    (corpus / "lost.txt").symlink_to(tmp_path / "none")
    (corpus / "itself").symlink_to(corpus / "itself")
    assert list(read_documents(corpus)) == ["x", "y"]
    assert Corpus(corpus).survey().skipped == (
        Skipped("itself", BROKEN),
        Skipped("lost.txt", BROKEN),
        Skipped("a/", READ_ALREADY),
        Skipped("linked/cycle/", READ_ALREADY),
    )


def test_runs_and_what_is_hidden_are_no_texts_of_a_corpus(tmp_path: Path) -> None:
    for name in ("a.txt", "notes/b.txt", ".git/c.txt", "notes/.d.txt", "run/metrics.jsonl", "run/recipe.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(read_documents(tmp_path)) == ["a.txt", "notes/b.txt"]
    assert list(read_documents(tmp_path / ".git")) == [".git/c.txt"]
    assert set(Corpus(tmp_path).survey().skipped) == {
        Skipped(".git", HIDDEN),
        Skipped("notes/.d.txt", HIDDEN),
        Skipped("run/", TRAINING_RUN),
    }


def test_a_folder_with_a_recipe_is_no_run_for_that(tmp_path: Path) -> None:
    write(tmp_path, soups__recipe_json='{"serves": 4}', soups__leek_txt="Leeks.")
    assert list(read_documents(tmp_path)) == ["Leeks."]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"text": "one", "id": 1}\n\n{"text": "two"}\n', "JSON lines"),
        ('["one", "two"]', "JSON array"),
        ('[\n  {"text": "one"},\n  {"text": "two"}\n]\n', "JSON array"),
        (' [{"text": "one"}, "two"]', "JSON array"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt", "a"])
def test_json_is_told_by_its_content(tmp_path: Path, text: str, kind: str, name: str) -> None:
    (tmp_path / name).write_text(text)
    (reading,) = Corpus(tmp_path / name).readings()
    assert (reading.kind, list(reading.documents)) == (kind, ["one", "two"])


@pytest.mark.parametrize(
    "text", ["[1] A footnote.", '["Quoted] text."', '{"a": 1}', "{not JSON}", '[{"a": 1}, 2]', "[\n{\n", '"one"']
)
def test_text_in_brackets_is_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert list(read_documents(tmp_path / "a.txt")) == [text.strip("\n")]


def test_the_key_of_the_text_is_chosen_or_guessed(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl='{"title": "no", "story": "one"}\n', b_json='[{"title": "two", "body": "no"}]')
    first, second = Corpus(tmp_path).survey().files
    assert (first.label, second.label) == ('.jsonl (JSON lines, "story")', '.json (JSON array, "body")')
    assert list(read_documents(tmp_path, text_key="title")) == ["no", "two"]
    with pytest.raises(UsageError, match=r'a.jsonl:1 has no "name"\nIts keys are title, story: .*--text-key'):
        list(read_documents(tmp_path / "a.jsonl", text_key="name"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"serves": 4}', 'recipe.json:1 has no "text" or "content" or "story" or "body"'),
        ('{\n  "serves": 4\n}\n', "recipe.json is a single JSON object"),
        ("{\n  // comments\n}\n", "recipe.json:2 is not JSON"),
        ("[[1, 2]]", "recipe.json, item 1, has no"),
    ],
)
def test_json_without_texts_is_refused_alone_and_reported_in_a_folder(tmp_path: Path, text: str, error: str) -> None:
    write(tmp_path, recipe_json=text, a_txt="one")
    with pytest.raises(UsageError, match=error):
        list(read_documents(tmp_path / "recipe.json"))
    survey = Corpus(tmp_path).survey()
    assert list(read_documents(tmp_path)) == ["one"] and survey.documents == 1
    (skipped,) = survey.skipped
    assert (skipped.name, skipped.reason) == ("recipe.json", JSON_WITHOUT_TEXTS) and error in skipped.hint


def test_an_array_that_is_cut_short_is_refused_in_a_folder_too(tmp_path: Path) -> None:
    write(tmp_path, a_txt="one", b_json='["two",\n "thr')
    with pytest.raises(UsageError, match=r"b.json:2 is not JSON: Unterminated string"):
        list(read_documents(tmp_path))


ROWS = [{"id": "1", "text": 'One, "two".\nThree.'}, {"id": "2", "text": "Caf\xe9."}]


def table(path: Path) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, ["id", "text"], dialect="excel-tab" if path.suffix == ".tsv" else "excel")
            writer.writeheader()
            writer.writerows(ROWS)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_is_refused_with_the_command_that_converts_it(tmp_path: Path, suffix: str) -> None:
    file = table(tmp_path / f"data{suffix}")
    with pytest.raises(UsageError, match=r"is a table, not a text") as caught:
        list(read_documents(file))
    subprocess.run(["sh", "-ec", caught.value.hint.partition(": ")[2]], check=True)
    assert list(read_documents(file.with_suffix(".jsonl"))) == [row["text"] for row in ROWS]
    (skipped,) = Corpus(tmp_path).survey().skipped
    assert (skipped.name, skipped.reason, skipped.hint) == (file.name, TABLE, caught.value.hint)


def test_a_table_by_another_name_is_one(tmp_path: Path) -> None:
    file = table(tmp_path / "data.parquet").rename(tmp_path / "data")
    with pytest.raises(UsageError, match="is a table"):
        list(read_documents(file))


def test_a_corpus_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotLoadableError, match="no corpus"):
        list(read_documents(tmp_path / "none.txt"))
    with pytest.raises(NotLoadableError, match="holds no text"):
        list(read_documents(tmp_path))
    (tmp_path / "code.py").write_text("print()")
    with pytest.raises(
        NotLoadableError, match=rf"holds no text; left out: code.py \({NO_SUFFIX_OF_TEXT}\)\n.*any other suffix"
    ):
        list(read_documents(tmp_path))
    (tmp_path / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(NotLoadableError, match="byte 0xe9 at offset 8"):
        list(read_documents(tmp_path))
    (tmp_path / "latin.txt").unlink()
    (tmp_path / "bad.jsonl").write_text('{"text": "ok"}\n{"body": "no"}\n')
    with pytest.raises(UsageError, match=r'bad.jsonl:2 has no "text"'):
        list(read_documents(tmp_path))
    (tmp_path / "bad.jsonl").write_text('{"text": "ok"}\n{"text": "\\ud83d"}\n')
    with pytest.raises(UsageError, match=r"bad.jsonl:2 holds half a surrogate pair"):
        list(read_documents(tmp_path))
    (tmp_path / "bad.jsonl").write_text('{"text": "ok"}\n' + "[" * 100_000)
    with pytest.raises(SeddError, match=r"bad.jsonl:2 is not JSON"):
        list(read_documents(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read it")
def test_a_folder_that_may_not_be_read_is_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, a_txt="one", closed__b_txt="two")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(NotLoadableError, match=r"cannot read .*closed: Permission denied"):
            list(read_documents(tmp_path))
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_json_lines_keep_empty_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n\n{"text": " a\\r\\nb "}\n')
    assert list(read_jsonl(tmp_path / "a.jsonl")) == ["", " a\r\nb "]
    (tmp_path / "b.json").write_text(json.dumps(["", " ", "c"]))
    assert list(read_documents(tmp_path / "b.json")) == ["c"]
