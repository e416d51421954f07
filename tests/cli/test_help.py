"""The pages of --help: whole words at every width, a placeholder for every value, commands in the order of use."""

from collections.abc import Callable
from typing import get_args

import pytest
from typer.testing import CliRunner

from sedd_cli.cli.commands import app
from sedd_cli.cli.main import GlobalOptions
from sedd_cli.generation.options import TABLE, CommandName

ORDER = [
    "generate",
    "infill",
    "proof",
    "tui",
    "serve",
    "score",
    "replay",
    "export",
    "train",
    "plot",
    "eval",
    "models",
    "download",
    "doctor",
]
GROUPS = {"eval": ["perplexity", "samples", "infill", "compare"], "models": ["list", "show", "path", "rm"]}
PAGES = ["", *ORDER, *(f"{group} {name}" for group, names in GROUPS.items() for name in names)]

Page = Callable[[str, int], str]


@pytest.fixture
def page() -> Page:
    def help_at(command: str, columns: int) -> str:
        # The shell of --show-completion is not looked for: a test runner need not descend from one.
        variables = {"COLUMNS": str(columns), "TERM": "dumb", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = CliRunner().invoke(app, [*command.split(), "--help"], obj=GlobalOptions(), env=variables)
        assert done.exit_code == 0, done.output
        return done.stdout

    return help_at


@pytest.mark.parametrize("command", PAGES)
def test_pages_fit_and_break_no_word(page: Page, command: str) -> None:
    pages = {columns: page(command, columns) for columns in (60, 80, 120)}
    for columns, text in pages.items():
        assert max(map(len, text.splitlines())) <= columns
    assert pages[60].split() == pages[80].split() == pages[120].split()


@pytest.mark.parametrize("command", PAGES)
def test_every_value_has_its_placeholder(page: Page, command: str) -> None:
    text = page(command, 80)
    assert "<" not in text and "VALUE" not in text.replace("KEY=VALUE", "") and "PATH" not in text
    for flag in ("--json", "--quiet", "--live/--no-live", "--help"):
        assert f"{flag} " not in text or f"{flag}  " in text


def test_commands_stand_in_the_order_of_use_after_two_examples(page: Page) -> None:
    text = page("", 80)
    examples, _, rest = text.partition("Commands\n")
    assert examples.count("\n  sedd ") == 2
    commands = rest.partition("\nOptions\n")[0].splitlines()
    assert [line.split()[0] for line in commands if line.startswith("  ") and line[2] != " "] == ORDER


def test_the_sampling_options_are_the_same_in_each_command(page: Page) -> None:
    sections = [page(c, 80).split("\nSampling\n")[1].split("\n\n")[0] for c in get_args(CommandName)]
    shared = [e for e in TABLE.values() if len(e.option.commands) == len(sections) and e.option.panel == "sampling"]
    for entry in shared:
        name = f"{(entry.option.flags or (f'--{entry.name}'.replace('_', '-'),))[-1]} {entry.option.metavar} "
        assert all(name in section for section in sections), name


def test_an_old_name_works_unseen(page: Page) -> None:
    text = page("eval samples", 80)
    assert "--full-canvas" in text and "whole" not in text
    done = CliRunner().invoke(
        app, ["eval", "samples", "--whole-canvas", "--conditional", "prefix"], obj=GlobalOptions()
    )
    assert "Leave out --full-canvas" in str(done.exception)
