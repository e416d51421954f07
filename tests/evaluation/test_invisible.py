"""What invisible characters cost: counted by kind, and named where they dominate."""

from pathlib import Path

import pytest

from sedd_cli import Checkpoint
from sedd_cli.evaluation.blocks import make_blocks
from sedd_cli.evaluation.invisible import invisible_nats, invisible_note
from sedd_cli.evaluation.likelihoods import LikelihoodEvaluation, LikelihoodRequest
from sedd_cli.render.heat import heat
from tests.conftest import Sedd

STORY = "One day, Max saw a big red ball under a tree.\nHe ran to the ball and barked.\n"


@pytest.mark.parametrize(
    ("pieces", "nats", "found"),
    [
        (["a", "\n", "b"], [1, 2, 3], {}),
        (["a", "\r", "\n", "\n", "b"], [1, 2, 3, 4, 5], {"line ends (CRLF)": 5}),
        (["a.\r\n", "\n"], [1, 2], {"line ends (CRLF)": 1}),
        # A character of several tokens costs what all of them do.
        (["", "", "\ufeff", "a"], [1, 2, 3, 4], {"byte order marks": 6}),
        (["a", "\u00a0", " ", "\u202fb"], [1, 2, 3, 4], {"no-break spaces": 6}),
        (["a\u200b", "\u00ad"], [1, 2], {"zero-width characters": 3}),
    ],
)
def test_nats_are_counted_by_kind(pieces: list[str], nats: list[float], found: dict[str, float]) -> None:
    assert invisible_nats(pieces, nats) == found


def test_a_note_is_for_what_matters() -> None:
    assert invisible_note("it", ["a", "\r", "\n"], [90, 5, 5]) is None
    note = invisible_note("it", ["a", "\r", "\n", "\ufeff", "\u200b"], [79.5, 5, 5, 10, 0.5])
    assert note == (
        "line ends (CRLF) cost 10% and byte order marks cost 10% of the 100 nats: it has hardly seen them in training"
    )
    assert invisible_note("it", ["\r"], [0.0]) is None


def test_the_heat_shows_what_nobody_sees() -> None:
    pieces = ["\ufeff", "a", "\r", "\n", "red\u00a0ball", "\u200b"]
    assert heat(pieces, [1.0] * 6).plain == "⟨BOM⟩a␍↵\nred⍽ball⟨U+200B⟩"


def test_score_says_what_nobody_sees(sedd: Sedd) -> None:
    marked = ("\ufeff" + STORY).encode()
    assert "warning: byte order marks cost " in sedd("score", "-", "--replicates", "2", stdin=marked).stderr
    assert " cost " not in sedd("score", "-", "--replicates", "2", stdin=STORY.encode()).stderr


def test_eval_says_it_too(sedd: Sedd, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes((STORY * 2).replace("\n", "\r\n").encode())
    args = ("eval", "perplexity", "--data", str(tmp_path / "a.txt"), "--length", "32", "--replicates", "2")
    assert "warning: a.txt: line ends (CRLF) cost " in sedd(*args).stderr


def test_tokens_add_up_to_the_nats_over_rounds(shallow: Checkpoint) -> None:
    assert shallow.tokenizer is not None
    blocks = make_blocks([STORY[:24], "caf\xe9 \U0001f30d"], shallow.tokenizer, 8, remainder="keep")
    evaluation = LikelihoodEvaluation([shallow], blocks, LikelihoodRequest(replicates=4))
    list(evaluation.calls())
    (likelihood,) = evaluation.results()
    assert likelihood.replicates == 4  # in two rounds
    assert float(sum(part.sum() for part in likelihood.per_token)) == pytest.approx(likelihood.nats)
    pieces = blocks.pieces(shallow.tokenizer)
    assert "".join(pieces) == f"{STORY[:24]}<|endoftext|>caf\xe9 \U0001f30d<|endoftext|>"
    assert len(pieces) == sum(part.numel() for part in likelihood.per_token)
