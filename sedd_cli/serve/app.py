"""The routes: HTTP in, a request to the engine, its events out."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sedd_cli.errors import SeddError
from sedd_cli.serve.answers import Answer, ChatAnswer, CompletionAnswer, EditAnswer, InfillAnswer
from sedd_cli.serve.api_error import ApiError, as_api_error
from sedd_cli.serve.bodies import Body, ChatBody, CompletionBody, EditBody, InfillBody
from sedd_cli.serve.engine import Engine, Failed, Ticket, Work
from sedd_cli.serve.events import Done
from sedd_cli.serve.guard import Guard, answer, read_body
from sedd_cli.serve.limits import Limits
from sedd_cli.text.gaps import Gap
from sedd_cli.text.offsets import from_units

if TYPE_CHECKING:
    from sedd_cli.models.checkpoint import Checkpoint

Make = Callable[["Checkpoint", Ticket], Work]
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass
class Endpoints:
    """The handlers of the routes, by one engine."""

    engine: Engine
    limits: Limits
    created: int

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/v1/health", self.health, methods=["GET"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/models/{name:path}", self.model, methods=["GET"]),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/edit", self.edit, methods=["POST"]),
            Route("/infill", self.infill, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """`status`: "loading", "ok" or "stopping"; 503 unless it is ok."""
        status = self.engine.status
        if status != "ok":
            return JSONResponse({"status": status}, 503, {"Retry-After": "1"})
        return JSONResponse({"status": status})

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        self._check_model(request.path_params["name"])
        return JSONResponse(self._model())

    def _model(self) -> dict[str, Any]:
        checkpoint = self.engine.checkpoint
        length = self.limits.length or checkpoint.length
        facts = {"object": "model", "created": self.created, "owned_by": "sedd", "max_model_len": length}
        return {"id": checkpoint.name, **facts}

    def _check_model(self, name: str | None) -> str:
        """The name of the checkpoint that is served. Raises `ApiError` for another: no request loads one."""
        served = self.engine.checkpoint.name
        if name and name != served:
            raise ApiError(404, f"this server has {served!r}, not {name!r}", "model", "model_not_found")
        return served

    async def completions(self, request: Request) -> Response:
        body = CompletionBody.parse(await read_body(request, self.limits.body))
        model = self._check_model(body.model)
        if body.echo and body.logprobs is not None:
            raise ApiError(
                400, "the prompt's tokens have no probabilities: leave out echo or logprobs", "echo", "unsupported"
            )
        from sedd_cli.serve.completion import Asked

        asked = Asked(
            options=body.options(),
            prompts=body.prompts,
            suffix=body.suffix or "",
            max_tokens=_count("max_tokens", body.max_tokens),
            stops=body.stops,
            num_top=body.logprobs,
            echo=bool(body.echo),
            pieces=bool(body.stream),
            canvases=body.canvases,
        )
        return await self._respond(
            request, body, partial(asked.begin, self.limits), CompletionAnswer(model, body.includes_usage)
        )

    async def chat(self, request: Request) -> Response:
        body = ChatBody.parse(await read_body(request, self.limits.body))
        model = self._check_model(body.model)
        from sedd_cli.serve.completion import Asked

        max_tokens = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
        asked = Asked(
            options=body.options(),
            messages=[message.plain() for message in body.messages],
            max_tokens=_count("max_tokens", max_tokens),
            stops=body.stops,
            num_top=(body.top_logprobs or 0) if body.logprobs else None,
            pieces=bool(body.stream),
            canvases=body.canvases,
        )
        return await self._respond(
            request, body, partial(asked.begin, self.limits), ChatAnswer(model, body.includes_usage)
        )

    async def edit(self, request: Request) -> Response:
        body = EditBody.parse(await read_body(request, self.limits.body))
        self._check_model(body.model)
        from sedd_cli.serve.filling import Edit

        document = body.document
        spans = from_units(document, [(gap.start, gap.end) for gap in body.gaps], body.offsets)
        gaps = [Gap(*span, gap.tokens, gap.one_line) for span, gap in zip(spans, body.gaps, strict=True)]
        asked = Edit(document=document, gaps=gaps, options=body.options(), nats=bool(body.nats), canvases=body.canvases)
        return await self._respond(request, body, partial(asked.begin, self.limits), EditAnswer())

    async def infill(self, request: Request) -> Response:
        """The name of the model is ignored, as llama.cpp's server does."""
        body = InfillBody.parse(await read_body(request, self.limits.body))
        answer = InfillAnswer(
            self.engine.checkpoint.name,
            body.tokens,
            [stop for stop in body.stop or [] if stop],
            body.n_indent or 0,
            body.response_fields,
        )
        if not body.tokens:
            # Editors send their extra text beforehand, for a cache that is not needed here.
            return JSONResponse(answer.whole([Done(0, 0, 0, 0, {})]))
        from sedd_cli.serve.filling import Edit

        at = len(body.before)
        asked = Edit(
            document=body.before + body.input_suffix,
            gaps=[Gap(at, at, body.tokens, one_line=body.within_line)],
            options=body.options(),
            seconds=None if (body.t_max_predict_ms or 0) <= 0 else (body.t_max_predict_ms or 0) / 1000,
        )
        return await self._respond(request, body, partial(asked.begin, self.limits), answer)

    async def _respond(self, request: Request, body: Body, make: Make, shape: Answer) -> Response:
        """The answer, whole or streamed. Raises `ApiError` for what cannot be begun."""
        events = self._events(request, make)
        # Its status is an error's, if there is one by then.
        first = await anext(events)
        if body.stream:
            return StreamingResponse(_server_sent(first, events, shape), 200, STREAM_HEADERS, "text/event-stream")
        async with aclosing(events):
            return JSONResponse(shape.whole([first, *[event async for event in events]]))

    async def _events(self, request: Request, make: Make) -> AsyncGenerator[object]:
        """Submit a request, and yield its events up to the last. It ends with the client: nobody would read them.

        Raises `ApiError` if it fails.
        """
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[object]()

        def post(event: object) -> None:
            # The loop may be closed by the time that a network call ends.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(queue.put_nowait, event)

        async def leave_with_client() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            queue.put_nowait(Failed(ApiError(499, "the client is gone")))

        ticket = self.engine.submit(make, post)
        watch = asyncio.create_task(leave_with_client())
        try:
            while True:
                event = await queue.get()
                if isinstance(event, Failed):
                    raise event.error
                yield event
                if isinstance(event, Done):
                    return
        finally:
            ticket.cancelled = True
            watch.cancel()


def _count(key: str, value: int | None) -> int | None:
    """A number of tokens; none, as -1 asks for, is as many as there is room for. Raises `ApiError` for 0."""
    if value is None or value < 0:
        return None
    if value == 0:
        raise ApiError(400, f"{key} must be at least 1", key, "out_of_range")
    return value


async def _server_sent(first: object, events: AsyncGenerator[object], shape: Answer) -> AsyncIterator[str]:
    """Chunks as server-sent events, ended by `[DONE]` or by an error."""
    try:
        for chunk in shape.chunks(first):
            yield _data(chunk)
        async for event in events:
            for chunk in shape.chunks(event):
                yield _data(chunk)
        if shape.ends_with_done:
            yield "data: [DONE]\n\n"
    except ApiError as error:
        yield _data(error.body())
    finally:
        await events.aclose()


def _data(chunk: object) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def _on_api_error(request: Request, error: Exception) -> Response:
    return answer(as_api_error(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: f"there is no {request.url.path}", 405: f"{request.url.path} does not take {request.method}"}
    codes = {404: "not_found", 405: "method_not_allowed"}
    message = messages.get(error.status_code, error.detail)
    return answer(ApiError(error.status_code, message, code=codes.get(error.status_code), headers=error.headers or {}))


def make_app(
    engine: Engine,
    limits: Limits,
    *,
    created: int,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    api_key: str | None = None,
) -> ASGIApp:
    """The application. `hosts`, `origins`, `api_key`: see `Guard`; pages of `origins` may ask by CORS."""
    handlers: Any = {
        ApiError: _on_api_error,
        SeddError: _on_api_error,
        HTTPException: _on_http_error,
        Exception: _on_api_error,
    }
    app: ASGIApp = Starlette(routes=Endpoints(engine, limits, created).routes(), exception_handlers=handlers)
    guarded: ASGIApp = Guard(app, {host.lower() for host in hosts}, frozenset(origins), api_key)
    if not origins:
        return guarded
    # Outside of the guard: a browser asks for leave without the key.
    return CORSMiddleware(guarded, allow_origins=list(origins), allow_methods=["GET", "POST"], allow_headers=["*"])
