"""Errors as OpenAI's clients read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sedd_cli.errors import SeddError, UsageError


@dataclass
class ApiError(Exception):
    """What a client is answered: `status` of HTTP, and the fields of OpenAI's error object.

    `param`: the key of the request at fault. `code`: a word for programs.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        names = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        return names.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")

    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def as_api_error(error: BaseException) -> ApiError:
    """The answer for an error of the library. Hints are left out: they name options of commands."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UsageError):
        return ApiError(400, error.message, code="invalid_request")
    if isinstance(error, SeddError):
        return ApiError(500, error.message, code="failed")
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return ApiError(400, "not enough memory: ask for a shorter text or fewer of them", code="out_of_memory")
    return ApiError(500, f"internal error: {type(error).__name__}", code="internal_error")
