"""Errors. Every error that a user can meet is a `SeddError` with an exit code."""

import operator


class SeddError(Exception):
    """`message`: what went wrong and with which input; `hint`: what to do.

    Exit codes: 1 failed, 2 usage, 3 not found or not loadable (130, interrupted, has no error).
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(SeddError):
    """The request is invalid: a value out of range, a prompt that does not fit."""

    exit_code = 2


class NoGapError(UsageError):
    """A document has nothing of what is to be rewritten."""


class NotLoadableError(SeddError):
    """A checkpoint or a trace is missing, incomplete, unsafe or inconsistent."""

    exit_code = 3


def to_integer(name: str, value: object) -> int:
    """A whole number of any kind, such as numpy's, as an int. Raises `UsageError` for anything else."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # type: ignore[arg-type]  # a TypeError is what is asked for
    except TypeError:
        pass
    raise UsageError(f"{name} must be a whole number, not {value!r}")


def check_integer(name: str, value: object, minimum: int, why: str = "") -> int | None:
    """`value` as an int, or None. Raises `UsageError` below `minimum`, and for what is no whole number.

    `why` is added to the message.
    """
    if value is None:
        return None
    number = to_integer(name, value)
    if number < minimum:
        raise UsageError(f"{name} must be at least {minimum}{why}, not {number}")
    return number
