"""Lengths that a network with PAD draws: the law of length and text, each candidate's own, and no PAD anywhere."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import groupby, product
from pathlib import Path
from typing import cast

import pytest
import tokenizers
import torch
from torch import Tensor

from sedd_cli import Checkpoint, Gap, Request
from sedd_cli.diffusion.network import Scored
from sedd_cli.generation import padding
from sedd_cli.generation.filling import Filling
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.padding import elastic_gaps
from sedd_cli.generation.recording import parse
from sedd_cli.generation.trace import Tracer
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.gaps import Length
from sedd_cli.text.tokenizer import Tokenizer
from tests.diffusion.oracle import UNLIKELY, chi_square_p, rand

LETTERS, BAR, PAD, MASK = (0, 1), 2, 3, 4
"""Tokens of texts, the one around gaps, and the two that no text has."""
Texts = tuple[tuple[int, ...], ...]


def texts_up_to(slots: int, least: int = 0) -> list[tuple[int, ...]]:
    return [text for count in range(least, slots + 1) for text in product(LETTERS, repeat=count)]


class ElasticOracle(torch.nn.Module):
    """The true conditional of texts between bars, by enumeration; `weight` of every choice of texts, any positive."""

    device, autocast = torch.device("cpu"), None

    def __init__(self, slots: int, gaps: int, seed: int = 0) -> None:
        super().__init__()
        choices = list(product(texts_up_to(slots), repeat=gaps))
        self.weight: dict[Texts, float] = dict(zip(choices, rand(len(choices), seed=seed).tolist(), strict=True))
        self.conditional = cache(self._conditional)

    def probability(self, texts: Texts, asked: range) -> float:
        """Of texts whose lengths are drawn one after another, each given those before it, and then they themselves."""
        chance = self.weight[texts] / self._total([len(text) for text in texts])
        for i, text in enumerate(texts):
            before = [len(each) for each in texts[:i]]
            laws = {n: self._total([*before, n]) for n in asked}
            chance *= laws[len(text)] / sum(laws.values())
        return chance

    def _total(self, lengths: list[int]) -> float:
        """The weight of all texts of which the first have these lengths."""
        return sum(w for texts, w in self.weight.items() if [len(text) for text in texts[: len(lengths)]] == lengths)

    def _conditional(self, ids: tuple[int, ...]) -> Tensor:
        """(L,) -> (L, 4): an elastic gap ends with a PAD, others have as many tokens as they have."""
        places = [[i for i, _ in run] for bar, run in groupby(enumerate(ids), lambda pair: pair[1] == BAR) if not bar]
        elastic = [PAD in [ids[i] for i in place] for place in places]
        p = torch.zeros(len(ids), 4, dtype=torch.float64)
        for texts, weight in self.weight.items():
            filled = list(ids)
            for place, text, stretches in zip(places, texts, elastic, strict=True):
                padded = text + (PAD,) * (len(place) - len(text)) * stretches
                if len(padded) != len(place):
                    break
                for i, token in zip(place, padded, strict=True):
                    filled[i] = token
            else:
                if all(a in (b, MASK) for a, b in zip(ids, filled, strict=True)):
                    p[range(len(ids)), filled] += weight
        return p / p.sum(1, keepdim=True)

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        for row, ids in enumerate(x.tolist()):
            (position,) = where[row].nonzero(as_tuple=True)
            yield Scored(torch.full_like(position, row), position, self.conditional(tuple(ids))[position].log())


def checkpoint_of(oracle: ElasticOracle, folder: Path) -> Checkpoint:
    inner = tokenizers.Tokenizer(tokenizers.models.BPE({letter: i for i, letter in enumerate("abc")}, []))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    model = {"type": "ddit_wot", "hidden_size": 4, "length": 64, "n_blocks": 1, "n_heads": 1}
    config = Config.model_validate({"tokens": 4, "pad_id": PAD, "noise": {"type": "loglinear"}, "model": model})
    return Checkpoint("letters", folder, config, cast(ScoreNetwork, oracle), Tokenizer(inner))


def infilling(
    oracle: ElasticOracle, document: str, gaps: list[Gap], folder: Path = Path(), **options: object
) -> Infilling:
    return Infilling(checkpoint_of(oracle, folder), replace(Request(seed=1), **options), document, gaps)  # type: ignore[arg-type]


def filled(run: Infilling) -> Filling:
    list(run.steps())
    (filling,) = run.fillings()
    return filling


@pytest.mark.parametrize(
    ("document", "slots", "least", "rows"),
    [("cc", 3, 1, 400), pytest.param("cc", 3, 2, 400, marks=pytest.mark.slow), ("ccc", 2, 1, 600)],
)
def test_every_length_and_text_is_as_likely_as_it_is(
    document: str, slots: int, least: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one gap and of two, among the lengths asked for, in whatever order their tokens are written."""
    monkeypatch.setattr(padding, "SLOTS", (slots,))
    oracle = ElasticOracle(slots, len(document) - 1)
    gaps = [Gap(i, i, (least, slots)) for i in range(1, len(document))]
    run = infilling(oracle, document, gaps, num_samples=rows, row=1, sampler="first-hitting")
    list(run.steps())
    outcomes = list(product(texts_up_to(slots, least), repeat=len(gaps)))
    places = {tuple("".join("ab"[i] for i in text) for text in texts): i for i, texts in enumerate(outcomes)}
    fillings = run.fillings()
    found = [places[tuple(f.text[a:b] for a, b in f.spans)] for f in fillings]
    law = torch.tensor([oracle.probability(texts, range(least, slots + 1)) for texts in outcomes], dtype=torch.float64)
    assert float(law.sum()) == pytest.approx(1)
    assert chi_square_p(torch.bincount(torch.tensor(found), minlength=len(law)), law) > UNLIKELY
    assert all(drawn.error < 1e-12 for filling in fillings for drawn in run.drawn_lengths(filling.row))
    # A call for each length, and one for each token.
    assert all(f.nfe == len(gaps) + sum(f.tokens) for f in fillings)
    assert fillings[0].nats == pytest.approx(-float(law[found[0]].log()), abs=0.1)


def test_a_candidate_of_a_length_is_the_one_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No PAD is left of it; the first has the median, and a row is the same alone, in any batch and in a trace."""
    monkeypatch.setattr(padding, "SLOTS", (4,))
    oracle, gaps = ElasticOracle(4, 1), [Gap(1, 1, (1, 4))]
    (tmp_path / "model.safetensors").touch()  # a trace names its hash
    run = infilling(oracle, "cc", gaps, tmp_path, num_samples=12, batch_size=5)
    tracer = Tracer(run)
    lines = [tracer.header(), *(line for step in run.steps() for line in tracer.step(step))]
    fillings, recording = run.fillings(), parse(lines)
    law = run.drawn_lengths(0)[0].probability
    assert (
        sum(law[n] for n in law if n < fillings[0].tokens[0])
        < 0.5
        <= sum(law[n] for n in law if n <= fillings[0].tokens[0])
    )
    assert len({filling.tokens for filling in fillings}) > 1 and run.sized_gaps[0].tokens == fillings[0].tokens[0]
    for filling in fillings:
        sample = recording.sample(filling.row)
        assert sample.text(sample.at(sample.last)) == filling.text and len(sample.starts[0].ids) == len(filling.text)
        alone = filled(infilling(oracle, "cc", gaps, row=filling.row))
        fixed = filled(infilling(oracle, "cc", [Gap(1, 1, filling.tokens[0])], row=filling.row))
        assert (alone.text, alone.nfe, alone.nats) == (filling.text, filling.nfe, filling.nats)
        assert (fixed.text, fixed.nfe) == (filling.text, filling.nfe - 1)
        assert filling.nats == pytest.approx(fixed.nats - math.log(law[filling.tokens[0]]))


@pytest.mark.parametrize(
    ("tokens", "length", "lengths"),
    [
        ("auto", 64, range(1, 33)),
        ((2, 32), 41, range(2, 33)),
        ((2, 32), 40, None),
        ((2, 33), 64, None),
        ((3, 8), 17, range(3, 9)),
        (4, 64, None),
        (None, 64, None),
    ],
)
def test_where_pad_says_how_long(tokens: Length, length: int, lengths: range | None) -> None:
    """Elsewhere lengths are compared: of a wider range, and where the canvas has no room for the slots."""
    checkpoint = checkpoint_of(ElasticOracle(1, 1), Path())
    assert checkpoint.tokenizer is not None
    gap = Gap(1, 1, tokens)
    found = elastic_gaps(checkpoint, checkpoint.tokenizer, "cc", [gap], length)
    assert found == ({} if lengths is None else {gap: lengths})
