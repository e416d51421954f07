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
class PositiveRange:
    """Finite numbers above 0, of at most `most`."""

    most: int | None = None

    def __str__(self) -> str:
        return "a number above 0" + ("" if self.most is None else f", at most {self.most}")

    @property
    def bounds(self) -> dict[str, Any]:
        """As keywords of a pydantic field."""
        return {"gt": 0} if self.most is None else {"gt": 0, "le": self.most}

    def check(self, name: str, value: float | None) -> float | None:
        """`value` as one of Python's numbers, or None. Raises `UsageError` if it is out of range."""
        if value is None:
            return None
        if self.most is None and not 0 < value < float("inf"):
            raise UsageError(f"{name} must be a number above 0, not {value}")
        if self.most is not None and not 0 < value <= self.most:
            raise UsageError(f"{name} must be above 0 and at most {self.most}, not {value}")
        return value if isinstance(value, int) else float(value)


FROM_0, FROM_1 = WholeRange(0), WholeRange(1)
POSITIVE, SHARE = PositiveRange(), PositiveRange(most=1)
