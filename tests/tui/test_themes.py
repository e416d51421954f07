"""A user's own themes: read from files, and no fault in one keeps the session from starting."""

from dataclasses import fields
from pathlib import Path

import pytest
from textual.app import App
from textual.theme import Theme

from sedd_cli.tui.themes import ThemeFile, read_themes

DUSK = """
primary = "#5f87af"
background = "rgb(20, 20, 30)"
accent = "teal"
dark = true
[variables]
footer-key-foreground = "teal 80%"
block-cursor-text-style = "bold reverse"
"""


def test_a_theme_file_has_the_fields_of_a_theme() -> None:
    assert list(ThemeFile.model_fields) == [field.name for field in fields(Theme)]
    defaults = ThemeFile(name="x", primary="red").model_dump()
    assert Theme(**defaults) == Theme("x", "red")


@pytest.mark.asyncio
async def test_a_theme_is_named_as_its_file_and_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "dusk.toml").write_text(DUSK)
    (tmp_path / "b.toml").write_text(f'name = "Night_2"\n{DUSK}', encoding="utf-8-sig")
    (tmp_path / "notes.txt").write_text("no theme")
    themes, faults = read_themes(tmp_path)
    assert [theme.name for theme in themes] == ["Night_2", "dusk"] and not faults
    app: App[None] = App()
    async with app.run_test() as pilot:
        for theme in themes:
            app.register_theme(theme)
        app.theme = "dusk"
        await pilot.pause()
        assert app.get_css_variables()["accent"] == "#008080"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "primary is missing"),
        ('primary = "blu"', 'primary must be a colour such as "#88c0d0" or "teal", not \'blu\''),
        ("primary = 3", 'primary must be a colour such as "#88c0d0" or "teal", not 3'),
        ('primary = "red"\naccent = "$primary"', 'accent must be a colour such as "#88c0d0" or "teal", not'),
        ('primary = "red"\ncolour = "red"', "unknown key colour; the keys are name, primary, "),
        ('primary = "red"\nname = "a b"', "name must be letters, digits, - and _, not 'a b'"),
        ('primary = "red"\nname = "nord"', "there is another theme with the name nord"),
        ('primary = "red"\ndark = "no"', "dark must be true or false, not 'no'"),
        ('primary = "red"\ntext_alpha = nan', "text_alpha must be a number from 0 to 1, not nan"),
        ('primary = "red"\n[variables]\nborder = 1', "variables.border must be a table such as"),
        ('primary = "red"\n[variables]\nbord = "red"', "variables.bord is no variable of a theme"),
        ('primary = "red"\n[variables]\nborder = "blu"', "variables.border must be a colour such as"),
        ('primary = "red"\n[variables]\nborder = "red; x: y"', "variables.border must be a colour such as"),
        ('primary = "red"\n[variables]\nborder = ""', "variables.border must be a colour such as"),
        (
            'primary = "red"\n[variables]\nlink-style-hover = "blod"',
            'variables.link-style-hover must be a style such as "bold"',
        ),
        ("primary = ", "Invalid value"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_fault_names_file_and_key_and_the_other_themes_stay(tmp_path: Path, text: str | bytes, fault: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    (tmp_path / "dusk.toml").write_text(DUSK)
    themes, faults = read_themes(tmp_path)
    assert [theme.name for theme in themes] == ["dusk"]
    assert len(faults) == 1 and faults[0].startswith(f"themes/a.toml: {fault}")


def test_without_a_folder_there_are_no_themes(tmp_path: Path) -> None:
    assert read_themes(tmp_path / "themes") == ([], [])
