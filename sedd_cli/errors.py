"""What can go wrong, said once: every error a user can meet is a `SeddError` with an exit code."""


class SeddError(Exception):
    """Says what went wrong and with which input; `hint` says what to do about it.

    Exit codes: 1 failed, 2 usage, 3 not found or not loadable (130, interrupted, needs no error).
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(SeddError):
    """The request cannot be carried out as asked: a value out of range, a prompt that does not fit."""

    exit_code = 2


class NotLoadableError(SeddError):
    """A checkpoint or a trace is missing, incomplete, unsafe or inconsistent."""

    exit_code = 3


def check_integer(name: str, value: object, least: int, why: str = "") -> None:
    """Raises `UsageError` unless `value` is None or a whole number of at least `least`; `why` it must be so large."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise UsageError(f"{name} must be at least {least}{why}, not {value}")
