"""Settings, saved between sessions in a TOML file that users may edit."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from sedd_cli.atomic import write_file
from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.generation.options import TABLE, Entry
from sedd_cli.tui.folders import config_folder
from sedd_cli.tui.nested import leaves

if TYPE_CHECKING:
    from sedd_cli.diffusion.names import NoiseSampler
    from sedd_cli.generation.options import SamplingOptions

Shading = Literal["certainty", "order", "plain"]
"""What the colour of a token shows: how sure the network was of it, when it wrote it, or nothing."""
SHADINGS: tuple[Shading, ...] = get_args(Shading)

_DEVICE = r"^(auto|cpu|mps|cuda(:[0-9]+)?)$"
_BOUND = 'keys such as "escape,q" (the comma itself is "comma")'
_Keys = Annotated[str, Field(pattern=r"^\s*[^\s,]+\s*(,\s*[^\s,]+\s*)*$")]


_FIRST, _LAST = ("steps", "length", "sampler"), ("seed",)
SAMPLING = {
    name: TABLE[name]
    for name in dict.fromkeys([*_FIRST, *(n for n in TABLE if n not in _LAST), *_LAST])
    if TABLE[name].option.setting is not None
}
"""The sampling options that are settings, in the order of the form."""


class _Machine(BaseModel, frozen=True):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())

    model: str | None = Field(None, min_length=1, description="the name or the folder of a checkpoint")
    device: str = Field("auto", pattern=_DEVICE, description="auto, cpu, cuda, cuda:N or mps")


def _field(entry: Entry) -> tuple[Any, Any]:
    """Type and field of a sampling option; `description` is what messages and the form call its values."""
    setting, limits = entry.option.setting, entry.option.range
    assert setting is not None
    default = entry.default if setting.default is None else setting.default
    described = setting.accepts or str(limits)
    return setting.type or entry.type, Field(default, description=described, **(limits.bounds if limits else {}))


if TYPE_CHECKING:

    class _Sampling(_Machine, SamplingOptions, frozen=True):
        sampler: NoiseSampler = "tweedie"

else:
    _Sampling = create_model("_Sampling", __base__=_Machine, **{n: _field(entry) for n, entry in SAMPLING.items()})


class Settings(_Sampling, frozen=True):
    """Preferences; the file holds the same keys at its top level, and `keys` as a table.

    `exact`: whether the checkpoint's own settings are left out.
    `keys` binds ids of bindings to keys, as `"dialog.close" = "escape,q"`; `candidates`: fillings of a document's
    gaps to choose from; `one_line`: whether no line end is written in a gap, which within a line of .csv and the like
    none is in any case; `shading`: what the colour of a token shows. The rest is as in `sedd generate`.
    """

    exact: bool = Field(False, description="true or false")
    lock_seed: bool = Field(False, description="true or false")
    candidates: int = Field(3, ge=1, le=16, description="a whole number from 1 to 16")
    one_line: bool = Field(False, description="true or false")
    theme: str = Field("textual-dark", min_length=1, description="the name of a theme")
    shading: Shading = Field("certainty", description="certainty, order or plain")
    keys: dict[str, _Keys] = Field({}, description='a table such as "dialog.close" = "escape,q"')

    @field_validator("keys", mode="before")
    @classmethod
    def _without_tables(cls, value: object) -> object:
        """TOML reads `dialog.close = "q"` without quotes as a table in a table; it means the same."""
        return {".".join(path): leaf for path, leaf in leaves(value)} if isinstance(value, Mapping) else value


def settings_path() -> Path | None:
    """The user's settings file; None without a home folder."""
    folder = config_folder()
    return None if folder is None else folder / "settings.toml"


def read_settings(path: Path) -> Settings:
    """The settings in a file; the defaults where there is none.

    Raises `UsageError` for invalid content, `NotLoadableError` if it cannot be read.
    """
    text = _read(path)
    try:
        return Settings.model_validate(_renamed(_parsed(text)))
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, error) from None
    except ValidationError as error:
        errors = error.errors()[:5]
        faults = "; ".join(_fault(e["loc"], e["type"], e["input"]) for e in errors)
        unknown = any(e["type"] == "extra_forbidden" for e in errors)
        hint = f"The keys are {', '.join(Settings.model_fields)}." if unknown else "Correct it, or delete it."
        raise UsageError(f"{path}: {faults}", hint) from None


def validation_error(name: str, value: object) -> str | None:
    """Why a value is invalid for a setting; None if it is valid."""
    try:
        Settings.model_validate({name: value})
    except ValidationError:
        return f"must be {Settings.model_fields[name].description}"
    return None


def write_settings(path: Path, settings: Settings, before: Settings) -> None:
    """Write the settings that differ from `before` into a file; the rest of it is unchanged.

    Changes made meanwhile, by its owner or by another session, are kept. Raises `UsageError` if the file is not TOML
    (it is then unchanged), `SeddError` if it cannot be written.
    """
    # Imported late: tomlkit would delay the first paint.
    from sedd_cli.tui.toml import updated

    text = _read(path)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    try:
        changes = _changes(settings.model_dump(), before.model_dump())
        values = _parsed(text)
        if (renamed := _renamed(values)) is not values:
            changes = {"heat": None, "shading": renamed["shading"], **changes}
        new = updated(text, changes, defaults)
    except ValueError as error:
        raise _not_toml(path, error) from None
    if new != text:
        _write(path, new.encode())


def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix("\ufeff"))


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """The values under today's names: `shading` was `heat`, on or off, in version 0.1.0."""
    if not isinstance(heat := values.get("heat"), bool):
        return values
    shading: Shading = "certainty" if heat else "plain"
    return {"shading": shading, **{name: value for name, value in values.items() if name != "heat"}}


def _changes(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from `before`, in tables too; None for a removed one."""
    return {
        name: _changes(value, before[name]) if isinstance(value, dict) else value
        for name in {**before, **values}
        if (value := values.get(name)) != before.get(name)
    }


def _read(path: Path) -> str:
    try:
        # As bytes: text mode would hide line endings.
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise _not_toml(path, error) from None
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise NotLoadableError(f"cannot read {path}: {reason}", "It holds the settings of `sedd tui`.") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise SeddError(f"cannot write {path}: {reason}", "The settings are not saved.") from error
    write_file(path, data)


def _not_toml(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} is not TOML: {error}", "Correct it, or delete it to start from the defaults.")


def _fault(where: tuple[int | str, ...], kind: str, value: object) -> str:
    name = ".".join(map(str, where))
    if kind == "extra_forbidden":
        close = get_close_matches(name, Settings.model_fields, n=1)
        return f"unknown key {name}" + (f", did you mean {close[0]}?" if close else "")
    allowed = _BOUND if len(where) > 1 else Settings.model_fields[name].description
    return f"{name} must be {allowed}, not {value!r}"
