from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import UsageError
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.packed import PackedCorpus, pack
from sedd_cli.training.vocabulary import make_tokenizer


@pytest.fixture(scope="module")
def by_bytes() -> Tokenizer:
    return make_tokenizer("bytes", ["a text"])


@given(documents=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=12), length=st.integers(2, 16))
def test_canvases_start_where_documents_do(
    documents: list[str], length: int, by_bytes: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("packed") / "train"
    pack(documents, by_bytes, path)
    packed = PackedCorpus(path, length, wrap=True)
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
    packed = PackedCorpus(tmp_path / "train", 5)
    passes = [packed.batch(7, range(50 * e, 50 * e + 50))[:, :4].numpy() for e in range(2)]
    for one in passes:
        assert len(np.unique(one, axis=0)) == 50
    assert not np.array_equal(passes[0], passes[1])
    assert np.array_equal(packed.batch(7, range(30, 70))[:, :4], np.concatenate([passes[0][30:], passes[1][:20]]))


def test_a_corpus_shorter_than_a_canvas(by_bytes: Tokenizer, tmp_path: Path) -> None:
    pack(["short"], by_bytes, tmp_path / "train")
    with pytest.raises(UsageError, match="6 tokens, fewer than one canvas of 64"):
        PackedCorpus(tmp_path / "train", 64)
