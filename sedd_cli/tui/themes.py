"""A user's own colour themes: TOML files in the folder `themes` beside the settings."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from textual.color import Color, ColorParseError
from textual.css.errors import DeclarationError
from textual.css.parse import parse_declarations
from textual.css.tokenizer import TokenError
from textual.theme import BUILTIN_THEMES, Theme

COLOUR = 'a colour such as "#88c0d0" or "teal"'


def _colour(value: str) -> str:
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise ValueError(str(error)) from None
    return value


_Colour = Annotated[str, AfterValidator(_colour)]
_Optional = Annotated[_Colour | None, Field(None, description=COLOUR)]


class ThemeFile(BaseModel):
    """The fields of `textual.theme.Theme`; `description` is what messages call their values."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[\w.-]+$", description="letters, digits, - and _")
    primary: _Colour = Field(description=COLOUR)
    secondary: _Optional
    warning: _Optional
    error: _Optional
    success: _Optional
    accent: _Optional
    foreground: _Optional
    background: _Optional
    surface: _Optional
    panel: _Optional
    boost: _Optional
    dark: bool = Field(True, description="true or false")
    luminosity_spread: float = Field(0.15, ge=0, le=1, description="a number from 0 to 1")
    text_alpha: float = Field(0.95, ge=0, le=1, description="a number from 0 to 1")
    variables: dict[str, str] = Field({}, description='a table such as footer-key-foreground = "teal"')
    ansi: bool = Field(False, description="true or false")

    @field_validator("variables")
    @classmethod
    def _known_and_parsed(cls, variables: dict[str, str]) -> dict[str, str]:
        known = Theme("", "#000000").to_color_system().generate()
        for name, value in variables.items():
            if name not in known:
                raise ValueError(f"variables.{name} is no variable of a theme")
            if not _fits_style_sheet(name, value):
                style = 'a style such as "bold"' if "-style" in name else COLOUR
                raise ValueError(f"variables.{name} must be {style}, not {value!r}")
        return variables


def read_themes(folder: Path) -> tuple[list[Theme], list[str]]:
    """The themes in a folder, and what is wrong with the files that hold none. Raises nothing for either."""
    themes: dict[str, Theme] = {}
    faults: list[str] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            theme = _read(path)
            if theme.name in {*BUILTIN_THEMES, *themes}:
                raise ValueError(f"there is another theme with the name {theme.name}")
            themes[theme.name] = theme
        except (OSError, ValueError) as error:
            faults.append(f"themes/{path.name}: {'; '.join(_faults_of(error))}")
    return list(themes.values()), faults


def _read(path: Path) -> Theme:
    """The theme in a file, named as the file if it has no name. Raises `OSError` and `ValueError`."""
    values: dict[str, Any] = {"name": path.stem}
    values |= tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return Theme(**ThemeFile.model_validate(values).model_dump())


def _faults_of(error: Exception) -> Iterator[str]:
    if isinstance(error, OSError):
        yield error.strerror or str(error)
    elif isinstance(error, UnicodeDecodeError):
        yield "not UTF-8"
    elif not isinstance(error, ValidationError):
        yield str(error)
    else:
        for fault in error.errors()[:5]:
            yield _fault(fault["loc"], fault["type"], fault["msg"], fault["input"])


def _fault(where: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    name = ".".join(map(str, where))
    if kind == "extra_forbidden":
        return f"unknown key {name}; the keys are {', '.join(ThemeFile.model_fields)}"
    if kind == "missing":
        return f"{name} is missing"
    if name == "variables":
        return message.removeprefix("Value error, ")
    return f"{name} must be {ThemeFile.model_fields[str(where[0])].description}, not {value!r}"


def _fits_style_sheet(name: str, value: str) -> bool:
    """Whether a style sheet can use a variable: one that it cannot parse would end the session."""
    try:
        rules = parse_declarations(f"{'text-style' if '-style' in name else 'color'}: {value};", ("", "")).get_rules()
    except (DeclarationError, TokenError):
        return False
    return bool(rules) and not set(";{}$") & set(value)
