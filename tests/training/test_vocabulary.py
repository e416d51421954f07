from pathlib import Path

import pytest

from sedd_cli import NotLoadableError, UsageError
from sedd_cli.training.vocabulary import make_tokenizer


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
