"""The table of objectives: complete, importable without torch, and equal to what the documents list."""

import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from sedd_cli.training import objective_table
from sedd_cli.training.objective_table import DEFAULT_OBJECTIVES, OBJECTIVES
from train.compare_objectives import ARMS, D3PM, RADD

ROOT = Path(__file__).parents[2]


def first_column(document: str, header: str) -> list[tuple[str, str]]:
    """First and second cell of each row of the table that begins with `header`."""
    table = (ROOT / document).read_text(encoding="utf-8").partition(header)[2].partition("\n\n")[0]
    cells = (row.split("|") for row in table.splitlines()[2:])
    return [(row[1].strip(), row[2].strip()) for row in cells]


def test_each_entry_names_a_function() -> None:
    for info in OBJECTIVES.values():
        assert callable(getattr(import_module(info.module), info.function)) and info.description
    assert get_args(objective_table.ObjectiveName) == tuple(OBJECTIVES)


def test_each_parameterization_has_one_default() -> None:
    assert DEFAULT_OBJECTIVES == {
        "autoregressive": "autoregressive",
        "RADD": "simple",
        "SEDD": "dwdse",
        "D3PM": "d3pm-hybrid",
    }
    assert len(DEFAULT_OBJECTIVES) == sum(info.default_for is not None for info in OBJECTIVES.values())


def test_the_recipes_readme_lists_all() -> None:
    listed = {}
    for names, process in first_column("train/README.md", "| objective | process |"):
        listed |= dict.fromkeys(re.findall(r"`([^`]+)`", names), process)
    assert listed.keys() == OBJECTIVES.keys()
    for name, info in OBJECTIVES.items():
        expected = "causal" if info.autoregressive else "absorb" if info.absorbing_only else "absorb, uniform"
        assert listed[name] == expected, name


@pytest.mark.parametrize("source", ["docs/objectives.md", "train/compare_objectives.py"])
def test_the_comparison_has_all_but_the_implicit_ones(source: str) -> None:
    if source.endswith(".md"):
        names = {cell.partition(",")[0] for cell, _ in first_column(source, "| objective and process |")}
    else:
        names = {arm.name.rpartition("-")[0] for arm in ARMS}
    assert names == {name for name, info in OBJECTIVES.items() if not info.implicit}


def test_the_families_of_the_comparison() -> None:
    assert set(RADD) == {name for name, info in OBJECTIVES.items() if info.absorbing_only}
    assert set(D3PM) == {name for name, info in OBJECTIVES.items() if info.has_chain}
