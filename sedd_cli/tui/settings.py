"""Settings, saved between sessions in a TOML file that users may edit."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from sedd_cli.atomic import write_file
from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.generation.options import TABLE, Entry
from sedd_cli.ranges import SHARE, RealRange, WholeRange
from sedd_cli.tui.folders import config_folder
from sedd_cli.tui.nested import leaves

if TYPE_CHECKING:
    from sedd_cli.diffusion.names import MaskedFirst

Shading = Literal["certainty", "order", "plain"]
"""What the colour of a token shows: how sure the network was of it, when it wrote it, or nothing."""
SHADINGS: tuple[Shading, ...] = get_args(Shading)

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")
_KEYS = re.compile(r"\s*[^\s,]+\s*(,\s*[^\s,]+\s*)*")
_BOUND = 'keys such as "escape,q" (the comma itself is "comma")'
MOST_FAULTS = 5


@dataclass(frozen=True)
class Setting:
    """What is known of a setting: its default, its type, and the values that it accepts, in words and as checks."""

    default: Any
    type: Any
    accepts: str
    range: WholeRange | RealRange | None = None
    check: Callable[[Any], bool] = lambda value: True

    @property
    def types(self) -> tuple[Any, ...]:
        """The types of its values: two if it may be unset."""
        return get_args(self.type) if get_origin(self.type) is not Literal and get_args(self.type) else (self.type,)

    def takes(self, value: object) -> bool:
        """Whether it can have a value. Strict: no text is a number, no number a switch."""
        if value is None:
            return NoneType in self.types
        if not any(_is_of(value, kind) for kind in self.types) or not self.check(value):
            return False
        try:
            if self.range is not None:
                self.range.check("", value)  # type: ignore[arg-type]
        except UsageError:
            return False
        return True


def _is_of(value: object, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return type(value) is kind or (kind is float and type(value) is int)


def _setting(default: Any, type: object, accepts: str, check: Callable[[Any], bool] = lambda value: True) -> Any:
    """A field of the settings."""
    return field(default=default, metadata={"setting": Setting(default, type, accepts, check=check)})


def _probability(default: float) -> Any:
    return field(default=default, metadata={"setting": Setting(default, float, str(SHARE), SHARE)})


_FIRST, _LAST = ("steps", "length", "sampler"), ("seed",)
SAMPLING = {
    name: TABLE[name]
    for name in dict.fromkeys([*_FIRST, *(n for n in TABLE if n not in _LAST), *_LAST])
    if TABLE[name].option.setting is not None
}
"""The sampling options that are settings, in the order of the form."""


def _sampling_field(entry: Entry) -> tuple[str, Any, Any]:
    """Name, type and field of a sampling option, as the table declares it."""
    setting, limits = entry.option.setting, entry.option.range
    assert setting is not None
    default, type_ = entry.default, setting.type or entry.type
    if setting.blank:
        default, type_ = None, type_ | None
    found = Setting(default, type_, setting.accepts or str(limits), limits)
    return entry.name, type_, field(default=default, metadata={"setting": found})


@dataclass(frozen=True, kw_only=True)
class _Machine:
    model: str | None = _setting(None, str | None, "the name or the folder of a checkpoint", bool)
    device: str = _setting("auto", str, "auto, cpu, cuda, cuda:N or mps", lambda v: bool(_DEVICE.fullmatch(v)))


if TYPE_CHECKING:

    @dataclass(frozen=True, kw_only=True)
    class _Sampling(_Machine):
        length: int | None = None
        seed: int | None = None
        strength: float = 1.0
        by: MaskedFirst = "random"

else:
    _Sampling = make_dataclass(
        "_Sampling", map(_sampling_field, SAMPLING.values()), bases=(_Machine,), frozen=True, kw_only=True
    )


@dataclass(frozen=True, kw_only=True)
class Settings(_Sampling):
    """Preferences; the file holds the same keys at its top level, and `keys` as a table.

    `exact`: whether the checkpoint's own settings are left out.
    `keys` binds ids of bindings to keys, as `"dialog.close" = "escape,q"`; `candidates`: fillings of a document's
    gaps to choose from; `one_line`: whether no line end is written in a gap, which within a line of .csv and the like
    none is in any case; `proof_below` and `unsure_below`: words less likely than these are named by proofreading, and
    masked as unsure; `shading`: what the colour of a token shows. The rest is as in `sedd generate`. What is
    constructed is not checked: what comes from outside is, by `checked` and `validation_error`.
    """

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling options that are set, by name; the others are the checkpoint's own, or as by default."""
        return {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}

    exact: bool = _setting(False, bool, "true or false")
    lock_seed: bool = _setting(False, bool, "true or false")
    candidates: int = _setting(3, int, "a whole number from 1 to 16", lambda v: 1 <= v <= 16)
    one_line: bool = _setting(False, bool, "true or false")
    proof_below: float = _probability(0.001)
    unsure_below: float = _probability(0.05)
    theme: str = _setting("textual-dark", str, "the name of a theme", bool)
    shading: Shading = _setting("certainty", Shading, "certainty, order or plain")  # noqa: RUF009 - it is a field
    keys: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"setting": Setting({}, dict, 'a table such as "dialog.close" = "escape,q"')},
    )


SETTINGS: Mapping[str, Setting] = {
    item.name: item.metadata["setting"] for item in fields(Settings) if "setting" in item.metadata
}
"""The settings by name, in the order of the form."""


def settings_path() -> Path | None:
    """The user's settings file; None without a home folder."""
    folder = config_folder()
    return None if folder is None else folder / "settings.toml"


def read_settings(path: Path) -> Settings:
    """The settings in a file; the defaults where there is none.

    Raises `UsageError` for invalid content, `NotLoadableError` if it cannot be read.
    """
    try:
        values = _renamed(_parsed(_read(path)))
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, error) from None
    return checked(values, str(path))


def checked(values: Mapping[str, Any], where: str) -> Settings:
    """The settings of values that come from outside, `where` they stand. Raises `UsageError` for invalid ones."""
    values = dict(values)
    if isinstance(keys := values.get("keys"), Mapping):
        # TOML reads `dialog.close = "q"` without quotes as a table in a table; it means the same.
        values["keys"] = {".".join(path): leaf for path, leaf in leaves(keys)}
    faults = list(_faults(values))[:MOST_FAULTS]
    if faults:
        unknown = values.keys() - SETTINGS.keys()
        hint = f"The keys are {', '.join(SETTINGS)}." if unknown else "Correct it, or delete it."
        raise UsageError(f"{where}: {'; '.join(faults)}", hint)
    numbers = {n: float(v) for n, v in values.items() if type(v) is int and float in SETTINGS[n].types}
    return Settings(**values | numbers)


def validation_error(name: str, value: object) -> str | None:
    """Why a value is invalid for a setting; None if it is valid."""
    return None if SETTINGS[name].takes(value) else f"must be {SETTINGS[name].accepts}"


def write_settings(path: Path, settings: Settings, before: Settings) -> None:
    """Write the settings that differ from `before` into a file; the rest of it is unchanged.

    Changes made meanwhile, by its owner or by another session, are kept. Raises `UsageError` if the file is not TOML
    (it is then unchanged), `SeddError` if it cannot be written.
    """
    # Imported late: tomlkit would delay the first paint.
    from sedd_cli.tui.toml import updated

    text = _read(path)
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    try:
        changes = _changes(_values(settings), _values(before))
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


def _values(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if name in SETTINGS}


def _faults(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with values, those of settings in the order of the form."""
    for name, setting in SETTINGS.items():
        if name in values and not setting.takes(values[name]):
            yield f"{name} must be {setting.accepts}, not {values[name]!r}"
        elif name == "keys":
            for id, keys in values.get(name, {}).items():
                if not (isinstance(keys, str) and _KEYS.fullmatch(keys)):
                    yield f"keys.{id} must be {_BOUND}, not {keys!r}"
    for name in values.keys() - SETTINGS.keys():
        close = get_close_matches(name, SETTINGS, n=1)
        yield f"unknown key {name}" + (f", did you mean {close[0]}?" if close else "")
