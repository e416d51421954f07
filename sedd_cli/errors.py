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
