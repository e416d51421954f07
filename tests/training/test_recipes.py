"""The recipes that come with the program, and what they are said to cost."""

from pathlib import Path

import pytest
import torch

from sedd_cli.models.names import DEFAULT_CHECKPOINT
from sedd_cli.training.loop import make_network
from sedd_cli.training.optimisers import rate_factor
from sedd_cli.training.plan import plan_training
from sedd_cli.training.recipe import Phase, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "train").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_valid_and_name_no_data(path: Path) -> None:
    recipe = read_recipe(path, ["data.train=text.txt"])
    assert recipe.name in (path.stem, DEFAULT_CHECKPOINT) and recipe.data.train == "text.txt"
    assert read_recipe(path, []).data.train == ""


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(b"\xef\xbb\xbf" + RECIPES[0].read_bytes())
    assert read_recipe(tmp_path / "r.toml", []) == read_recipe(RECIPES[0], [])


def test_published_sizes() -> None:
    """424M is the paper's SEDD-medium with its embeddings; small as its checkpoint counts."""
    sizes = {p.stem: plan_training(read_recipe(p, []), torch.device("cpu")).parameters for p in RECIPES}
    assert sizes["sedd-medium"] == pytest.approx(424e6, rel=0.01)
    assert sizes["sedd-small"] == pytest.approx(170e6, rel=0.01)


def test_a_plan_counts_what_is_made() -> None:
    recipe = read_recipe(next(p for p in RECIPES if p.stem == "shakespeare"), [])
    cost = plan_training(recipe, torch.device("cpu"))
    network = make_network(recipe, cost.tokens, torch.device("cpu"))
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert cost.seconds == [75, 225] and cost.flops[0] > cost.flops[1]


def test_the_rate_warms_up_stays_and_decays() -> None:
    phase = Phase(objective="ao", steps=100, warmup=10, decay=0.25)
    rates = [rate_factor(phase, step, step / 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9:75] == pytest.approx([1.0] * 66)
    assert rates[76:] == sorted(rates[76:], reverse=True) and rates[-1] == pytest.approx(0.04)
