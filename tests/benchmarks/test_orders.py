"""The comparison of orders: what a point is made of, what is made again, and what equal entropy means."""

import math
import sys
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, Run, UsageError
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeModel, Rating
from sedd_cli.evaluation.sample_metrics import EvaluatedText, SampleSet
from tests.judges import make_judge

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import frontier
import orders

LENGTH = 16


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> JudgeModel:
    return load_judge(str(make_judge(tmp_path_factory.mktemp("judge"), context=512)), torch.device("cpu"))


@pytest.mark.parametrize("way", orders.WAYS, ids=lambda way: way.name)
def test_every_way_makes_the_calls_that_are_asked(shallow: Checkpoint, way: orders.Way) -> None:
    for calls in (8,) if "remask" in way.options else (8, 64):
        run = Run(shallow, way.request(shallow, calls, 64))
        made = run.calls_needed() / orders.COUNTED
        assert abs(made - calls) <= 1 or way.chooses_calls or "revise" in way.options
        assert run.request.asked.correct == round(way.corrected * calls)


def test_points_are_kept_and_only_those_that_lack_are_made(
    shallow: Checkpoint,
    judge: JudgeModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(orders, "WAYS", (*orders.PLAIN[1:3], orders.Way("order margin", {"order": "margin"})))
    store = orders.Store(tmp_path, shallow, LENGTH)
    orders.make(store, [2], 8, None, judge)
    found, files = store.read(), {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert {point.way: len(each.texts) for point, each in found.items()} == dict.fromkeys(
        ("temperature 0.85", "temperature 0.7", "order margin"), 8
    )
    (lost,) = tmp_path.glob("order-margin*")
    lost.unlink()
    capsys.readouterr()
    orders.make(store, [2], 8, None, judge)
    assert capsys.readouterr().out.count("order margin") == 1
    again = store.read()
    assert {each.label: each.texts for each in again.values()} == {each.label: each.texts for each in found.values()}
    assert all(file.read_bytes() == was for file, was in files.items() if file != lost)
    (table,) = orders.tables(again, None)
    assert list(table.comparisons) == ["order margin"] and [row["NFE"] for row in table.rows()] == ["2.0"] * 3
    with pytest.raises(UsageError, match="another checkpoint, length or judge"):
        orders.Store(tmp_path, shallow, LENGTH + 1).read()


def made_up(entropy: int, nats: float, spread: float = 0.0) -> SampleSet:
    """Texts of as many different tokens, each of so many nats in the mean."""
    ratings = [Rating(10 * (nats + spread * (i % 2 - 0.5)), 10, None) for i in range(40)]
    return SampleSet("a", texts=[EvaluatedText(i, list(range(entropy)), [], "", 1, r) for i, r in enumerate(ratings)])


def test_equal_entropy_is_a_place_on_the_line_between_temperatures() -> None:
    plain = [made_up(16, 3.0), made_up(4, 1.0), made_up(8, 2.0)]
    on_the_line = frontier.compare(made_up(8, 2.0), plain)
    assert on_the_line.log_ratio == pytest.approx(0, abs=1e-9) and str(on_the_line).endswith("no difference shown")
    lower = frontier.compare(made_up(12, 2.0, spread=0.5), plain)
    # From 8 to 16 tokens the entropy grows by log 2, the nats by 1.
    assert lower.log_ratio == pytest.approx(2.0 - (2.0 + math.log(12 / 8) / math.log(2)))
    # Of 40 texts with half a nat between them, a standard deviation of a quarter.
    assert lower.error == pytest.approx(0.25 / 40**0.5, rel=0.1) and str(lower).endswith("lower")
    assert str(frontier.compare(made_up(12, 2.8), plain)).endswith("higher")
    assert frontier.compare(made_up(2, 0.5), plain).beyond
