from pathlib import Path

import pytest

from sedd_cli import NotLoadableError, UsageError
from sedd_cli.text.corpus import read_documents, read_jsonl


def test_documents_end_at_end_of_text_lines_else_at_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nstill one\n<|endoftext|>\ntwo\n")
    (tmp_path / "b.txt").write_bytes(b"three\r\nlines\r\n\r\n \t\n\nfour")
    (tmp_path / "c.jsonl").write_text('{"text": "five\\n\\nstill five"}\n\n{"text": " "}\n')
    (tmp_path / "ignored.bin").write_bytes(b"\xff")
    assert list(read_documents(tmp_path)) == ["one\n\nstill one", "two", "three\r\nlines", "four", "five\n\nstill five"]
    assert list(read_documents(tmp_path / "a.txt", "")) == ["one", "still one\n<|endoftext|>\ntwo"]
    assert list(read_documents(tmp_path / "b.txt", "lines")) == ["three", " \t\n\nfour"]


def test_runs_and_what_is_hidden_are_no_texts_of_a_corpus(tmp_path: Path) -> None:
    for name in ("a.txt", "notes/b.txt", ".git/c.txt", "notes/.d.txt", "run/metrics.jsonl", "run/recipe.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(read_documents(tmp_path)) == ["a.txt", "notes/b.txt"]
    assert list(read_documents(tmp_path / ".git")) == [".git/c.txt"]


def test_a_corpus_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotLoadableError, match="no corpus"):
        list(read_documents(tmp_path / "none.txt"))
    with pytest.raises(NotLoadableError, match="holds no text"):
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


def test_json_lines_keep_empty_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n\n{"text": " a\\r\\nb "}\n')
    assert list(read_jsonl(tmp_path / "a.jsonl")) == ["", " a\r\nb "]
