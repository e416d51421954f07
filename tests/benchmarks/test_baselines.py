"""The baselines of the report of speed: they follow our law, and run the network where they say they do."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, UsageError, generate, load_checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from tests.conftest import PARITY

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from baselines import Baseline, Canvases
from cached import BatchCached, RowCached
from original import Original

STEPS, LENGTH = 3, 2


@pytest.fixture(scope="module")
def few_states() -> Checkpoint:
    """A random network in RADD form over three tokens, far from indifferent between them."""
    network = {"type": "ddit_wot", "hidden_size": 16, "length": LENGTH, "n_blocks": 2, "n_heads": 2}
    config = Config.model_validate({"tokens": 3, "noise": {"type": "loglinear"}, "model": network})
    model = ScoreNetwork(config)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.8, generator=generator)
    return Checkpoint("few", Path(), config, model.eval().requires_grad_(False), tokenizer=None)


@pytest.fixture(scope="module")
def our_texts(few_states: Checkpoint) -> Counter[tuple[int, ...]]:
    samples = generate(few_states, length=LENGTH, steps=STEPS, seed=3, num_samples=2000, batch_size=500)
    return Counter(tuple(sample.ids.tolist()) for sample in samples)


# A batch is kept where no row of it has changed: only of small ones.
@pytest.mark.slow
@pytest.mark.parametrize(("way", "rows"), [(Original, 50), (RowCached, 50), (BatchCached, 4)])
def test_a_baseline_has_our_law(
    few_states: Checkpoint, our_texts: Counter[tuple[int, ...]], way: type[Baseline], rows: int
) -> None:
    baseline = way(few_states, STEPS)
    texts = torch.cat([baseline.sample(seed, rows, LENGTH) for seed in range(2000 // rows)])
    theirs = Counter(tuple(ids) for ids in texts.tolist())
    assert set(theirs) <= {(a, b) for a in range(3) for b in range(3)}
    distance = sum((theirs[ids] - our_texts[ids]) ** 2 / (theirs[ids] + our_texts[ids]) for ids in theirs | our_texts)
    # Of nine texts: chi-squared with 8 degrees of freedom, above 26.1 once in a thousand.
    assert distance < 26.1


@pytest.mark.parametrize(("way", "rows"), [(Original, [3, 3, 3]), (RowCached, [3, 1, 0]), (BatchCached, [3, 3, 0])])
def test_the_network_runs_on_stale_rows_alone(
    few_states: Checkpoint, monkeypatch: pytest.MonkeyPatch, way: type[Baseline], rows: list[int]
) -> None:
    baseline, ran = way(few_states, STEPS), []
    forward = baseline.forward
    monkeypatch.setattr(baseline, "forward", lambda x, call: ran.append(len(x)) or forward(x, call))
    canvases = baseline.start(0, 3, LENGTH)
    for changed in ([True] * 3, [False, True, False], [False] * 3):
        canvases = Canvases(canvases.x, torch.tensor(changed), canvases.generator, canvases.known)
        if bool(baseline.stale(canvases.changed).any()):
            baseline.consult(canvases, 0)
        else:
            ran.append(0)
    assert ran == rows


@pytest.mark.parametrize("way", [RowCached, BatchCached])
def test_caching_refuses_a_network_that_knows_the_time(way: type[Baseline]) -> None:
    with pytest.raises(UsageError, match="time"):
        way(load_checkpoint(PARITY / "absorb"), STEPS)
