"""A checkpoint with more blocks and tokens: what `train/grow.py` makes computes the same at first."""

import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.vocabulary import make_tokenizer
from tests.conftest import PARITY

sys.path.insert(0, str(Path(__file__).parents[2] / "train"))
from grow import counts, deepen, new_tokens, spellings

TEXTS = ["Once upon a time there was a cat. The cat sat on a mat.", "Once there was a mat, and the cat sat there."] * 4


@pytest.fixture(scope="module")
def radd() -> Checkpoint:
    return load_checkpoint(PARITY / "radd")


def log_c(network: ScoreNetwork, x: torch.Tensor) -> torch.Tensor:
    """Of the real tokens at the masked positions of one canvas (L,)."""
    tokens = network.process.tokens
    return network.log_score(x[None], torch.ones(1))[0, x == tokens, :tokens].log_softmax(-1)


@torch.no_grad()
def test_more_blocks_compute_the_same_until_they_learn(radd: Checkpoint) -> None:
    table = radd.config.model_dump()
    old = table["model"]["n_blocks"]
    table["model"]["n_blocks"] = 2 * old
    deeper = ScoreNetwork(Config(**table)).eval()
    deeper.backbone.load_state_dict(deepen(radd.model.backbone.state_dict(), old, 2 * old))
    x = torch.arange(radd.length) % radd.config.tokens
    x[::2] = radd.config.tokens
    torch.testing.assert_close(log_c(deeper, x), log_c(radd.model, x), atol=1e-5, rtol=0)
    silent = [not block.attn_out.weight.any() for block in deeper.backbone.blocks]
    assert silent == [False, True] * old, "each new block follows the one that it is a copy of"


@torch.no_grad()
def test_a_new_token_has_the_share_of_its_first_piece_that_the_counts_say(radd: Checkpoint) -> None:
    """Tokens 0 and 1 stand 10 times each; 6 of the zeros are followed by a one, and become one new token."""
    tokens = radd.config.tokens
    pieces = [[token] for token in range(tokens)] + [[0, 1]]
    old_counts = torch.full((tokens,), 10.0, dtype=torch.float64)
    new_counts = torch.cat([old_counts, torch.tensor([6.0])])
    new_counts[:2] = 4.0
    table = radd.config.model_dump() | {"tokens": tokens + 1}
    larger = ScoreNetwork(Config(**table)).eval()
    larger.backbone.load_state_dict(new_tokens(radd.model.backbone.state_dict(), pieces, old_counts, new_counts))
    masked = torch.arange(radd.length) % 2 == 0
    visible = torch.arange(radd.length) % tokens
    theirs = log_c(radd.model, torch.where(masked, tokens, visible)).exp()
    ours = log_c(larger, torch.where(masked, tokens + 1, visible)).exp()
    torch.testing.assert_close(ours[:, 2:tokens] / ours[:, 2:3], theirs[:, 2:] / theirs[:, 2:3])
    torch.testing.assert_close(ours[:, tokens] / ours[:, 0], torch.full((len(ours),), 6.5 / 4.5))
    torch.testing.assert_close(ours[:, 0] / ours[:, 2], theirs[:, 0] / theirs[:, 2] * 4.5 / 10.5)


def test_new_tokens_are_spelt_by_old_ones() -> None:
    old, new = (Tokenizer.from_buffer(make_tokenizer(f"bpe:{size}", TEXTS).save()) for size in (262, 280))
    pieces = spellings(old, new)
    assert len(pieces) == 280 and max(map(len, pieces)) > 1
    for token, spelling in enumerate(pieces):
        assert new.id_to_token(token) == "".join(map(old.id_to_token, spelling))
    end = new.token_to_id("<|endoftext|>")
    assert pieces[end] == [old.token_to_id("<|endoftext|>")]
    assert int(counts(new, TEXTS).sum()) < int(counts(old, TEXTS).sum()) and counts(new, TEXTS)[end] == 0
