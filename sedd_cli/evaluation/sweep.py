"""Sweeps over sampling options: each combination of their values is a setting."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, get_args

from sedd_cli.errors import UsageError
from sedd_cli.generation.options import TABLE, Entry, SamplingOptions

Setting = Mapping[str, Any]
SWEPT = {
    name.replace("_", "-"): entry
    for name, entry in TABLE.items()
    if "eval samples" in entry.option.commands and name not in ("length", "num_samples", "seed", "batch_size")
}
"""The options of `sedd eval samples` that say how texts are drawn, not which and how many."""
NONE = "none"


def parse_sweep(texts: Sequence[str]) -> dict[str, tuple[object, ...]]:
    """The values by option of texts like `top-p=0.8,none`; `none` is an option left out.

    Raises `UsageError` for an unknown option, one that is named twice, and a value that is no number where one is due.
    """
    sweep: dict[str, tuple[object, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        entry = SWEPT.get(name)
        if entry is None or not equals:
            raise UsageError(
                f"--sweep {text!r} is no option and its values",
                f"For example: --sweep temperature=0.7,1. It takes {', '.join(SWEPT)}.",
            )
        if entry.name in sweep:
            raise UsageError(f"--sweep names {name} twice", f"Put all values in one: --sweep {name}=A,B.")
        sweep[entry.name] = tuple(_value(name, entry, value.strip()) for value in values.split(","))
    return sweep


def check_sweep(sweep: Mapping[str, Sequence[object]], sampling: SamplingOptions) -> None:
    """Raises `UsageError` for values that are given twice, and for options that `sampling` sets too."""
    for name, values in sweep.items():
        label = name.replace("_", "-")
        if not values or len(set(values)) < len(values):
            raise UsageError(f"the values of the sweep's {label} must be distinct, at least one")
        if getattr(sampling, name) not in (TABLE[name].default, *values):
            raise UsageError(f"{label} is swept, and given by itself too", f"Leave out --{label}.")


def settings_of(sweep: Mapping[str, Sequence[object]]) -> list[Setting]:
    """Every combination of the values; without a sweep the one that sets nothing."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def described(setting: Setting) -> str:
    """Returns "temperature 0.7, order random"."""
    return ", ".join(f"{name.replace('_', '-')} {shown(value)}" for name, value in setting.items())


def shown(value: object) -> str:
    return NONE if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(name: str, entry: Entry, text: str) -> object:
    kinds = get_args(entry.type) or (entry.type,)
    if text == NONE and type(None) in kinds:
        return None
    # Names are checked where they are used.
    number = int if int in kinds else float if float in kinds else str
    try:
        return number(text)
    except ValueError:
        kind = "whole number" if number is int else "number"
        raise UsageError(f"--sweep {name}: {text!r} is no {kind}", f"It takes {entry.option.range}.") from None
