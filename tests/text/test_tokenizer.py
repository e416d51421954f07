import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from sedd_cli import Checkpoint, NotLoadableError
from sedd_cli.models.formats.qwen import SPLIT
from sedd_cli.text.byte_level import BYTE_ALPHABET, bytes_to_token, token_to_bytes
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.vocabulary import make_tokenizer

Description = dict[str, Any]
Change = Callable[[Description], object]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


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
    with pytest.raises(NotLoadableError, match="BPE with the normaliser Lowercase"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")


def test_an_entry_that_spells_no_bytes_is_found_at_once(tokenizer: Tokenizer, tmp_path: Path) -> None:
    description = json.loads(tokenizer.save())
    description["model"]["vocab"]["日"] = tokenizer.size
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(NotLoadableError, match=f"entry {tokenizer.size}, '日', is not byte-level"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    # One that was added is a text of its own.
    description["added_tokens"].append(
        {**description["added_tokens"][0], "id": tokenizer.size, "content": "日", "special": False}
    )
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    assert Tokenizer.from_file(tmp_path / "tokenizer.json").decode([tokenizer.size]) == "日"


def load_changed(tmp_path: Path, change: Change) -> Tokenizer:
    """Load the tokenizer of single bytes after a change to its tokenizer.json."""
    description = json.loads(make_tokenizer("bytes", []).save())
    change(description)
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    return Tokenizer.from_file(tmp_path / "tokenizer.json")


def without(*lone: int) -> Change:
    return lambda description: [description["model"]["vocab"].pop(bytes_to_token(bytes([byte]))) for byte in lone]


def added(**flags: bool) -> Change:
    return lambda description: description["added_tokens"].append(
        {**description["added_tokens"][0], "id": 257, "content": "tag", "special": False, **flags}
    )


def splitting(by: Description) -> Change:
    return lambda d: d.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [by, BYTE_LEVEL]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without(*b"Z&"), r"2 of the 243 bytes of UTF-8 have no token \(Z, &\)"),
        (without(0xF4), r"1 of the 243 bytes of UTF-8 have no token \(0xF4\)"),
        (without(*b"!#%*+-/", *range(0x80, 0xC0)), r"71 of the 243 .* \(0xAA, .*, \.\.\.\)"),
        (splitting({"type": "WhitespaceSplit"}), "' upon' becomes 'upon'"),
        (lambda d: d["model"].update(end_of_word_suffix="q", unk_token="a"), "'Once' becomes"),
        (added(lstrip=True), "'a  tag  b' becomes 'atag  b'"),
    ],
    ids=["letters", "lead byte", "many", "blanks", "suffix", "added"],
)
def test_one_that_changes_texts_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(NotLoadableError, match=f"changes the text: {message}"):
        load_changed(tmp_path, change)


def test_bytes_that_no_text_has_need_no_token(tmp_path: Path) -> None:
    tokenizer = load_changed(tmp_path, without(0xC0, 0xC1, *range(0xF5, 0x100)))
    assert tokenizer.fault(["\U0010ffff"]) is None and not tokenizer.notes


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a sequence"])
def test_a_blank_before_every_text_is_not_added(tmp_path: Path, inside: bool) -> None:
    digits = splitting({"type": "Digits", "individual_digits": True})
    tokenizer = load_changed(tmp_path, digits if inside else lambda d: d.update(pre_tokenizer=BYTE_LEVEL))
    (note,) = tokenizer.notes
    assert "add_prefix_space" in note and tokenizer.decode(tokenizer.encode("Once 123")) == "Once 123"
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.save())
    assert not Tokenizer.from_file(tmp_path / "tokenizer.json").notes


def test_a_text_that_comes_back_changed_is_quoted(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert tokenizer.fault(["Once upon a time"]) is None
    # A character that no probe has.
    removed = {"type": "Split", "pattern": {"String": "ʘ"}, "behavior": "Removed", "invert": False}
    tricky = load_changed(tmp_path, splitting(removed))
    assert tricky.fault(["aʘb"]) == "'aʘb' becomes 'ab'"


def test_compose_ends_at_the_end_of_text_and_marks_masks(tokenizer: Tokenizer) -> None:
    a, b = tokenizer.encode("a") + tokenizer.encode("b")
    assert tokenizer.compose([a, 0, b], full_canvas=False, at_start=True) == "a"
    assert tokenizer.compose([a, 0, b], full_canvas=True, at_start=True) == "a\n<|endoftext|>\nb"
    assert tokenizer.compose([0, a, 0, b], full_canvas=False, at_start=True) == "a"
    assert tokenizer.compose([0, a], full_canvas=False, at_start=False) == ""
    assert tokenizer.compose([None, None, a, None], full_canvas=False, at_start=True) == "[[2]]a[[1]]"


def test_nfc_is_not_done_and_special_tokens_are_no_text(tmp_path: Path) -> None:
    """As Qwen's: composed and decomposed characters stay what they are, `<|im_start|>` typed by a user is text."""
    inner = tokenizers.Tokenizer(models.BPE({entry: i for i, entry in enumerate(BYTE_ALPHABET)}, []))
    inner.normalizer = tokenizers.normalizers.NFC()
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    inner.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(tmp_path / "tokenizer.json")
    text = "e\u0301 é <|im_start|>"
    assert tokenizer.decode(tokenizer.encode(text)) == text and 256 not in tokenizer.encode(text)
    assert tokenizer.special_ids == (256, 257) and tokenizer.end_of_text_id is None
    tokenizer.add_ends([257])
    assert tokenizer.end_of_text_id == 257
    assert tokenizer.compose([*tokenizer.encode("ab"), 257, 0], full_canvas=False, at_start=True) == "ab"


def test_sentencepiece_is_refused_by_name(tmp_path: Path) -> None:
    inner = tokenizers.Tokenizer(models.BPE({"a": 0}, []))
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    inner.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(NotLoadableError, match="SentencePiece"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")


def test_a_pair_of_files_is_cut_as_its_network_learnt(tmp_path: Path) -> None:
    """Qwen's pattern: a digit is a word, and words take the sign before them along."""
    vocabulary = [*BYTE_ALPHABET, "12", "!a"]
    (tmp_path / "vocab.json").write_text(json.dumps({entry: i for i, entry in enumerate(vocabulary)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n1 2\n! a\n")
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    assert len(Tokenizer.from_gpt2(*files).encode("12!a")) == 3
    qwen = Tokenizer.from_gpt2(*files, SPLIT, {"<|mask|>": 258})
    assert [vocabulary[i] for i in qwen.encode("12!a")] == ["1", "2", "!a"] and qwen.special_ids == (258,)
