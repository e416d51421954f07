import json
from pathlib import Path
from typing import Any

import pytest

from sedd_cli import NotLoadableError, UsageError
from sedd_cli.training.preparation import CorpusReport
from sedd_cli.training.session import TrainingSession
from sedd_cli.training.vocabulary import make_tokenizer
from tests.training.test_session import CPU, finish, recipe


def write_bytes_tokenizer(folder: Path, *pre_tokenizers: dict[str, Any]) -> None:
    """A tokenizer of single bytes; `pre_tokenizers` come before the byte-level one, which adds a blank."""
    description = json.loads(make_tokenizer("bytes", []).save())
    byte_level = {**description["pre_tokenizer"], "add_prefix_space": True}
    description["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*pre_tokenizers, byte_level]}
    (folder / "tokenizer.json").write_text(json.dumps(description))


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


def test_a_tokenizer_without_every_byte_is_refused_before_and_after_training(text: Path, tmp_path: Path) -> None:
    lossy = json.loads(make_tokenizer("bytes", []).save())
    del lossy["model"]["vocab"]["q"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(lossy))
    with pytest.raises(NotLoadableError, match=r"1 of the 243 bytes of UTF-8 have no token \(q\)"):
        finish(TrainingSession(recipe(text, f"tokenizer={tmp_path}"), tmp_path / "run", CPU))
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU), stop_at=1)
    (tmp_path / "run" / "tokenizer.json").write_text(json.dumps(lossy))
    with pytest.raises(NotLoadableError, match=r"have no token \(q\)"):
        finish(TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True))


def test_a_blank_that_a_tokenizer_adds_is_noted_and_not_learnt(text: Path, tmp_path: Path) -> None:
    write_bytes_tokenizer(tmp_path)
    session = TrainingSession(recipe(text, f"tokenizer={tmp_path}"), tmp_path / "run", CPU)
    (corpus,) = [e for e in finish(session, stop_at=1) if isinstance(e, CorpusReport)]
    assert "add_prefix_space" in corpus.notes[0]
    assert session.data.tokens == session.data.bytes + session.data.documents


def test_a_corpus_that_the_tokenizer_changes_is_refused(text: Path, tmp_path: Path) -> None:
    write_bytes_tokenizer(
        tmp_path, {"type": "Split", "pattern": {"String": "ʘ"}, "behavior": "Removed", "invert": False}
    )
    text.write_text(f"ʘ {text.read_text()}")
    with pytest.raises(UsageError, match=rf"changes the text of {text}: 'ʘ .* becomes ' "):
        finish(TrainingSession(recipe(text, f"tokenizer={tmp_path}"), tmp_path / "run", CPU))
