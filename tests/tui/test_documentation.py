"""docs/tui.md: its tables are those of the program, and its examples are valid."""

import re
import runpy
import tomllib
from pathlib import Path

from sedd_cli.tui.commands import BY_ID
from sedd_cli.tui.settings import SETTINGS, checked
from sedd_cli.tui.themes import read_themes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "tui.md").read_text(encoding="utf-8")


def test_the_tables_are_those_that_the_program_makes() -> None:
    updated = runpy.run_path(str(DOCS / "tables.py"))["updated"]
    assert updated(PAGE) == PAGE, "run python docs/tables.py"
    names = set(re.findall(r"^\|.*`([\w.-]+)` \|$", PAGE, re.MULTILINE))
    assert names >= set(BY_ID) and all(f"| `{name}` |" in PAGE for name in SETTINGS if name != "keys")


def test_the_examples_are_valid(tmp_path: Path) -> None:
    settings, theme = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    read = checked(tomllib.loads(settings), "docs/tui.md")
    assert read.theme == "dusk" and set(read.keys) <= {*BY_ID, "dialog.close"}
    (tmp_path / "dusk.toml").write_text(theme)
    assert [t.name for t in read_themes(tmp_path)[0]] == ["dusk"] and not read_themes(tmp_path)[1]
