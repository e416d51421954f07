import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import Checkpoint
from sedd_cli.text.byte_level import bytes_to_token, token_to_bytes
from sedd_cli.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(built_in: Checkpoint) -> Tokenizer:
    assert built_in.tokenizer is not None
    return built_in.tokenizer


@given(text=st.text())
def test_every_text_decodes_to_itself(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert "".join(tokenizer.decode_each(ids)) == text
    assert b"".join(token_to_bytes(tokenizer.id_to_token(i)) for i in ids) == text.encode()
    assert [bytes_to_token(tokenizer.bytes_of(i)) for i in ids] == [tokenizer.id_to_token(i) for i in ids]


@given(ids=st.lists(st.one_of(st.none(), st.integers(0, 4095))))
def test_any_tokens_make_valid_text(tokenizer: Tokenizer, ids: list[int | None]) -> None:
    text = "".join(tokenizer.decode_each(ids)) + tokenizer.decode(i for i in ids if i is not None)
    assert "\ufffd" not in text
    text.encode()


def test_end_of_text_in_a_text_is_thirteen_characters(tokenizer: Tokenizer) -> None:
    assert tokenizer.end_of_text_id == 0
    ids = tokenizer.encode("a<|endoftext|>b")
    assert 0 not in ids and tokenizer.decode(ids) == "a<|endoftext|>b"


def test_a_character_over_several_tokens_belongs_to_the_last(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("🌍")
    assert len(ids) > 1
    assert tokenizer.decode_each(ids) == [""] * (len(ids) - 1) + ["🌍"]
    assert tokenizer.decode_each([*ids[:-1], None, *ids]) == [""] * len(ids) + [""] * (len(ids) - 1) + ["🌍"]


def test_what_a_file_asks_for_beyond_pieces_is_not_done(tokenizer: Tokenizer, tmp_path: Path) -> None:
    inner = tokenizers.Tokenizer.from_str(tokenizer.save().decode())
    inner.enable_truncation(2)
    inner.enable_padding(length=9)
    inner.add_tokens(["two words"])
    (tmp_path / "tokenizer.json").write_text(inner.to_str())
    loaded = Tokenizer.from_file(tmp_path / "tokenizer.json")
    assert loaded.decode(loaded.encode("Once upon a time two words")) == "Once upon a time two words"
    inner.normalizer = tokenizers.normalizers.Lowercase()
    (tmp_path / "tokenizer.json").write_text(inner.to_str())
    with pytest.raises(ValueError, match="without a normaliser"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")


def test_an_entry_that_spells_no_bytes_is_found_at_once(tokenizer: Tokenizer, tmp_path: Path) -> None:
    description = json.loads(tokenizer.save())
    description["model"]["vocab"]["日"] = tokenizer.size
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="entry 4096, '日', is not byte-level"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    # One that was added is a text of its own.
    description["added_tokens"].append(
        {**description["added_tokens"][0], "id": 4096, "content": "日", "special": False}
    )
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    assert Tokenizer.from_file(tmp_path / "tokenizer.json").decode([4096]) == "日"


def test_compose_ends_at_the_end_of_text_and_marks_masks(tokenizer: Tokenizer) -> None:
    a, b = tokenizer.encode("a") + tokenizer.encode("b")
    assert tokenizer.compose([a, 0, b], full_canvas=False, at_start=True) == "a"
    assert tokenizer.compose([a, 0, b], full_canvas=True, at_start=True) == "a\n<|endoftext|>\nb"
    assert tokenizer.compose([0, a, 0, b], full_canvas=False, at_start=True) == "a"
    assert tokenizer.compose([0, a], full_canvas=False, at_start=False) == ""
    assert tokenizer.compose([None, None, a, None], full_canvas=False, at_start=True) == "[[2]]a[[1]]"
