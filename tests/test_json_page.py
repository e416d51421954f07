"""docs/json.md as a schema. That records are as it says is checked wherever a test runs a command with --json."""

from collections.abc import Iterator

import pytest
import typer.main

from sedd_cli.cli.commands import app
from tests import json_page

OFFSETS = {"start": 0, "end": 3, "utf8": [0, 3], "utf16": [0, 3], "tokens": 1, "one_line": True, "window": 0}


def commands_with_json() -> Iterator[str]:
    pending = [("sedd", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop()
        if isinstance(command, typer.core.TyperGroup):
            # Commands are imported when they are asked for.
            context = typer.Context(command)
            pending += [
                (f"{name} {each}", command.get_command(context, each)) for each in command.list_commands(context)
            ]
        if any("--json" in option.opts for option in command.params):
            yield name


def test_every_command_that_prints_json_has_its_section() -> None:
    sections = {name.partition(",")[0] for name in json_page.schemas()} - {"JSON"}
    assert sections == set(commands_with_json())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"start": "0"}, ".gaps[].start is '0', not integer"),
        ({"one_line": 1}, ".gaps[].one_line is 1, not boolean"),
        ({"tokens": True}, ".gaps[].tokens is True, not integer"),
        ({"utf8": 3}, ".gaps[].utf8 is no array"),
        ({"new": 3}, ".gaps[].new is not in docs/json.md"),
        ({"window": ...}, ".gaps[].window is missing"),
    ],
)
def test_what_differs_from_the_page_is_found(change: dict[str, object], fault: str | None) -> None:
    gap = {key: value for key, value in {**OFFSETS, **change}.items() if value is not ...}
    model = {"name": "a", "sha256": "b", "precision": "float32"}
    record = {"schema_version": 1, "model": model, "settings": {}, "gaps": [gap]}
    record |= {"lengths_compared": [], "lengths_drawn": [], "candidates": []}
    found = json_page.faults(("infill", "FILE", "--json"), record)
    assert found == ([fault] if fault else [])


def test_what_may_be_missing_may_and_nothing_else() -> None:
    failed = {"file": "a.md", "error": {"message": "gone", "hint": ""}}
    record = {"schema_version": 1, "complete": True, "documents": [failed]}
    assert json_page.faults(("infill",), record) == []
    assert json_page.faults(("infill",), {"schema_version": 1, "documents": [failed]}) == [".complete is missing"]
