"""The table of sampling options reaches every place that is made from it."""

import re
from dataclasses import fields
from typing import get_args, get_type_hints

import numpy as np
import pytest
from typer.testing import CliRunner

from sedd_cli import Request, UsageError
from sedd_cli.cli.commands import app
from sedd_cli.cli.main import GlobalOptions
from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.generation.options import TABLE, CommandName, Entry, SamplingKeywords
from sedd_cli.generation.request import LAW_OPTIONS
from sedd_cli.ranges import WholeRange
from sedd_cli.text.canvas import Canvas

every_option = pytest.mark.parametrize("entry", TABLE.values(), ids=lambda entry: entry.name)


@pytest.mark.parametrize("command", get_args(CommandName))
def test_every_option_is_in_the_help_of_its_commands(command: str) -> None:
    result = CliRunner().invoke(
        app, [*command.split(), "--help"], obj=GlobalOptions(), env={"COLUMNS": "200", "TERM": "dumb"}, color=False
    )
    shown = " ".join(result.stdout.replace("│", " ").split())
    for entry in TABLE.values():
        flags = entry.option.flags or (f"--{entry.name.replace('_', '-')}",)
        declared = entry.option.commands.get(command)  # type: ignore[call-overload]
        for flag in flags:
            if declared is not None:
                assert re.search(rf"(?<![\w-]){flag}(?![\w-])", shown), flag
        if declared is not None:
            assert (declared.help or entry.option.help) in shown


def test_the_keywords_of_the_library_are_those_of_the_table() -> None:
    assert get_type_hints(SamplingKeywords) == {entry.name: entry.type for entry in TABLE.values()}


def test_a_request_has_the_options_of_the_table_in_their_order() -> None:
    assert [(f.name, f.default) for f in fields(Request)] == [(e.name, e.default) for e in TABLE.values()]


@pytest.mark.parametrize("entry", LAW_OPTIONS, ids=lambda entry: entry.name)
def test_options_that_change_the_law_reach_the_draws(entry: Entry) -> None:
    value = 1 if isinstance(entry.option.range, WholeRange) else 0.5
    processor = Request(**{entry.name: value}).logits_processor()
    assert getattr(processor, entry.name) == value and processor.changes_law


def test_draws_depend_on_the_options_of_the_table_and_on_the_canvas_alone() -> None:
    of_canvas = {field.name for field in fields(Canvas)}
    assert {field.name for field in fields(LogitsProcessor)} - of_canvas == {entry.name for entry in LAW_OPTIONS}


@every_option
def test_options_of_settings_are_described_and_defaults_are_in_range(entry: Entry) -> None:
    option = entry.option
    if option.range is not None:
        option.range.check(entry.label, entry.default)
        for shown in option.commands.values():
            option.range.check(entry.label, shown.default)
    if option.setting is not None:
        assert option.setting.sentence.endswith(".")
        assert option.setting.accepts or option.range


def test_numbers_of_numpy_are_numbers() -> None:
    """As Python's own: they are written as JSON."""
    numbers = {"length": np.int64(8), "seed": np.uint32(1), "top_k": np.int8(5), "row": np.int64(0)}
    request = Request(**numbers, temperature=np.float32(0.5))  # type: ignore[arg-type]
    assert request == Request(length=8, seed=1, top_k=5, temperature=0.5)
    assert {type(getattr(request, name)) for name in ("length", "seed", "top_k", "row")} == {int}
    assert type(request.temperature) is float and type(Request(temperature=1).temperature) is int
    with pytest.raises(UsageError, match="seed must be a whole number, not True"):
        Request(seed=True)
