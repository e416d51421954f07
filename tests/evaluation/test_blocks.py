"""Blocks: every token once, in order, by the papers' protocol unless asked otherwise."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli import UsageError, load_checkpoint
from sedd_cli.evaluation.blocks import make_blocks
from sedd_cli.text.tokenizer import Tokenizer


def built_in() -> Tokenizer:
    tokenizer = load_checkpoint().tokenizer
    assert tokenizer is not None
    return tokenizer


TOKENIZER = built_in()


@pytest.fixture
def tokenizer() -> Tokenizer:
    return TOKENIZER


DOCUMENTS = ["Once upon a time there was a dog.", "", "He liked to play.\n", "naïve 🙂"]


def test_documents_end_with_end_of_text_and_are_cut_without_overlap(tokenizer: Tokenizer) -> None:
    end = tokenizer.end_of_text_id
    stream = [i for text in DOCUMENTS for i in (*tokenizer.encode(text), end)]
    blocks = make_blocks(DOCUMENTS, tokenizer, 8)
    assert torch.cat([group.flatten() for group in blocks.groups]).tolist() == stream[: len(blocks) * 8]
    assert (blocks.documents, len(blocks), blocks.dropped) == (4, len(stream) // 8, len(stream) % 8)
    assert blocks.dropped > 0, "the case must drop something"


def test_a_kept_remainder_is_a_shorter_block_and_all_bytes_count(tokenizer: Tokenizer) -> None:
    blocks = make_blocks(DOCUMENTS, tokenizer, 8, remainder="keep")
    assert [len(group) for group in blocks.groups] == [len(blocks) - 1, 1] and blocks.dropped == 0
    # The text's bytes, and one for each end of text.
    assert blocks.num_bytes == sum(len(text.encode()) for text in DOCUMENTS) + len(DOCUMENTS)
    assert blocks.num_tokens == sum(len(tokenizer.encode(text)) + 1 for text in DOCUMENTS)


def test_without_a_separator_documents_run_into_each_other(tokenizer: Tokenizer) -> None:
    blocks = make_blocks(DOCUMENTS, tokenizer, 1, separator="none")
    assert blocks.num_bytes == sum(len(text.encode()) for text in DOCUMENTS)
    assert blocks.groups[0].flatten().tolist() == [i for text in DOCUMENTS for i in tokenizer.encode(text)]


@given(st.integers(1, 40), st.integers(1, 12), st.sampled_from(["drop", "keep"]))
def test_the_first_blocks_are_the_first_blocks(count: int, length: int, remainder: str) -> None:
    whole = make_blocks(DOCUMENTS, TOKENIZER, length, remainder=remainder)
    first = whole.first(count)
    assert len(first) == min(count, len(whole))
    rows = [row.tolist() for group in whole.groups for row in group]
    assert [row.tolist() for group in first.groups for row in group] == rows[:count]


def test_what_cannot_be_cut_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match=r"hold \d tokens, fewer than one block of 256") as caught:
        make_blocks(["one"], tokenizer, 256)
    assert "--remainder keep" in caught.value.hint
    assert make_blocks(["one"], tokenizer, 256, remainder="keep").num_tokens > 0
    with pytest.raises(UsageError, match="hold 0 tokens") as caught:
        make_blocks([], tokenizer, 4, remainder="keep")
    assert "nothing" in caught.value.hint
    for wrong in ({"separator": "eos"}, {"remainder": "pad"}, {"length": 0}):
        with pytest.raises(UsageError, match=str(next(iter(wrong)))):
            make_blocks(DOCUMENTS, tokenizer, **{"length": 4, **wrong})
