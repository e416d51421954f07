from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import NotLoadableError, UsageError
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.packed import Packed, pack
from sedd_cli.training.vocabulary import make_tokenizer


@pytest.fixture(scope="module")
def by_bytes() -> Tokenizer:
    return make_tokenizer("bytes", ["a text"])


def test_documents_end_at_end_of_text_lines_else_at_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nstill one\n<|endoftext|>\ntwo\n")
    (tmp_path / "b.txt").write_bytes(b"three\r\nlines\r\n\r\n \t\n\nfour")
    (tmp_path / "c.jsonl").write_text('{"text": "five\\n\\nstill five"}\n\n{"text": " "}\n')
    (tmp_path / "ignored.bin").write_bytes(b"\xff")
    assert list(read_documents(tmp_path)) == ["one\n\nstill one", "two", "three\r\nlines", "four", "five\n\nstill five"]
    assert list(read_documents(tmp_path / "a.txt", "")) == ["one", "still one\n<|endoftext|>\ntwo"]
    assert list(read_documents(tmp_path / "b.txt", "lines")) == ["three", " \t\n\nfour"]


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


@given(documents=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=12), length=st.integers(2, 16))
def test_canvases_start_where_documents_do(
    documents: list[str], length: int, by_bytes: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("packed") / "train"
    pack(documents, by_bytes, path)
    packed = Packed(path, length, wrap=True)
    stream = [i for text in documents for i in [*by_bytes.encode(text), by_bytes.end_of_text_id]]
    assert packed.tokens == len(stream) and packed.documents == len(documents)
    assert packed.bytes == sum(len(text.encode()) for text in documents)
    canvases = packed.first(len(packed)).tolist()
    begin, number = 0, 0
    for text in documents:
        n = len(by_bytes.encode(text)) + 1
        for k in range(max(1, (n + length // 2) // length)):
            at = begin + k * length
            assert canvases[number] == [stream[(at + j) % len(stream)] for j in range(length)]
            number += 1
        begin += n
    assert number == len(packed)


def test_every_pass_sees_every_canvas_once_in_a_new_order(by_bytes: Tokenizer, tmp_path: Path) -> None:
    pack([f"{i:04d}" for i in range(50)], by_bytes, tmp_path / "train")
    packed = Packed(tmp_path / "train", 5)
    passes = [packed.batch(7, 50 * e, 50)[:, :4].numpy() for e in range(2)]
    for one in passes:
        assert len(np.unique(one, axis=0)) == 50
    assert not np.array_equal(passes[0], passes[1])
    assert np.array_equal(packed.batch(7, 30, 40)[:, :4], np.concatenate([passes[0][30:], passes[1][:20]]))


def test_a_corpus_shorter_than_a_canvas(by_bytes: Tokenizer, tmp_path: Path) -> None:
    pack(["short"], by_bytes, tmp_path / "train")
    with pytest.raises(UsageError, match="6 tokens, fewer than one canvas of 64"):
        Packed(tmp_path / "train", 64)


def test_tokenizers(tmp_path: Path) -> None:
    trained = make_tokenizer("bpe:300", ["the cat and the dog " * 20])
    assert trained.size <= 300 and len(trained.encode("the cat")) < 7 and trained.end_of_text_id == 0
    (tmp_path / "tokenizer.json").write_bytes(trained.save())
    assert make_tokenizer(str(tmp_path), []).encode("the cat") == trained.encode("the cat")
    for wanted in ("bpe:x", "bpe:10", "bpe"):
        with pytest.raises(UsageError, match="a BPE vocabulary"):
            make_tokenizer(wanted, [])
    with pytest.raises(NotLoadableError, match="no tokenizer at"):
        make_tokenizer(str(tmp_path / "none"), [])
    (tmp_path / "tokenizer.json").write_bytes(trained.save().replace(b"<|endoftext|>", b"<|end|>"))
    with pytest.raises(NotLoadableError, match=r"no <\|endoftext\|> token"):
        make_tokenizer(str(tmp_path), [])
