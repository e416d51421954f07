"""Who may ask: the addresses, pages and keys that are let in, and how large a request may be."""

import asyncio
import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sedd_cli.serve.api_error import ApiError

OPEN_PATHS = ("/health",)
"""What is answered without a key."""
BODY_SECONDS = 20.0
"""In which a body must have arrived."""


def is_loopback(host: str) -> bool:
    """Whether an address, or a name that means one, is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Guard:
    """An ASGI application before another, which lets in what it should.

    A page of the web can make a browser ask this machine: by a name of its own that leads here (DNS rebinding), so the
    `Host` must be an address or one of `hosts`; or by ours, which the browser tells in `Origin`, so that must be one of
    `origins`. `api_key`: what `Authorization: Bearer` must hold, None for no key.
    """

    app: ASGIApp
    hosts: Collection[str]
    origins: Collection[str]
    api_key: str | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self.check(Headers(scope=scope), scope["path"])
            except ApiError as error:
                await answer(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def check(self, headers: Headers, path: str) -> None:
        """Raises `ApiError` for a request that is not let in."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            raise ApiError(403, "this server is not known by the name in Host", code="host_not_allowed")
        if any(origin not in self.origins for origin in headers.getlist("origin")):
            raise ApiError(403, "pages of this Origin may not ask: sedd serve --cors", code="origin_not_allowed")
        if self.api_key is not None and path not in OPEN_PATHS:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            given, expected = key.strip().encode(), self.api_key.encode()
            if not hmac.compare_digest(given, expected) or scheme.lower() != "bearer":
                header = {"WWW-Authenticate": "Bearer"}
                raise ApiError(401, "wrong or missing API key", code="invalid_api_key", headers=header)

    def _is_ours(self, host: str) -> bool:
        name, bracket, _ = host.partition("]")
        name = name.removeprefix("[") if bracket else host.rpartition(":")[0] or host
        if name.lower() in self.hosts or is_loopback(name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        # A page cannot make an address of its own lead here. Where only this machine is served, none but ours do.
        return self.api_key is not None


def answer(error: ApiError) -> JSONResponse:
    """The response of an error."""
    return JSONResponse(error.body(), error.status, dict(error.headers))


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request. Raises `ApiError` if it is larger than `limit` bytes, or does not arrive."""
    close = {"Connection": "close"}
    too_large = ApiError(413, f"the body is larger than {limit} bytes", code="too_large", headers=close)
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > limit:
                    raise too_large
    except TimeoutError:
        raise ApiError(408, "the body does not arrive", code="timeout", headers=close) from None
    except ClientDisconnect:
        raise ApiError(400, "the body is cut off", code="cut_off") from None
    return bytes(data)
