"""Ranges and counts of things, and their names in messages."""

from dataclasses import dataclass
from typing import Any

from sedd_cli.errors import UsageError, check_integer


def counted(number: int, thing: str) -> str:
    """Return "1 token", "2,000 tokens", "2 canvases"."""
    plural = "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}{plural if number != 1 else ''}"


@dataclass(frozen=True)
class WholeRange:
    """Whole numbers of at least `least`."""

    least: int

    def __str__(self) -> str:
        return f"a whole number, {self.least} or more"

    @property
    def bounds(self) -> dict[str, Any]:
        """As keywords of a pydantic field."""
        return {"ge": self.least}

    def check(self, name: str, value: object) -> int | None:
        """`value` as an int, or None. Raises `UsageError` if it is out of range."""
        return check_integer(name, value, self.least)


@dataclass(frozen=True)
class RealRange:
    """Finite numbers above 0, or from 0 on (`zero`), of at most `most`."""

    most: int | None = None
    zero: bool = False

    def __str__(self) -> str:
        if self.zero:
            return "a number, 0 or more" if self.most is None else f"a number from 0 to {self.most}"
        return "a number above 0" + ("" if self.most is None else f", at most {self.most}")

    @property
    def bounds(self) -> dict[str, Any]:
        """As keywords of a pydantic field."""
        return {"ge" if self.zero else "gt": 0} | ({} if self.most is None else {"le": self.most})

    def check(self, name: str, value: float | None) -> float | None:
        """`value` as one of Python's numbers, or None. Raises `UsageError` if it is out of range."""
        if value is None:
            return None
        inside = value < float("inf") if self.most is None else value <= self.most
        if isinstance(value, bool) or not (inside and (value > 0 or (self.zero and value == 0))):
            raise UsageError(f"{name} must be {self}, not {value}")
        return value if isinstance(value, int) else float(value)


FROM_0, FROM_1 = WholeRange(0), WholeRange(1)
POSITIVE, SHARE = RealRange(), RealRange(most=1)
NOT_NEGATIVE, SHARE_OR_0 = RealRange(zero=True), RealRange(most=1, zero=True)


def size_label(parameters: int) -> str:
    """A number of parameters as people write it: `36k`, `6.8M`, `170M`, `7.6B`."""
    if parameters >= 999.5e6:
        return f"{parameters / 1e9:.1f}B"
    if parameters < 999_500:
        return f"{parameters / 1e3:.0f}k"
    return f"{parameters / 1e6:.{1 if parameters < 99.95e6 else 0}f}M"
