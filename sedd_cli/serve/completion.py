"""Texts that begin with a prompt or a dialogue, row by row, in network calls shared with other requests."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from torch import Tensor

from sedd_cli.diffusion.randomness import fresh_seed
from sedd_cli.diffusion.samplers import Change
from sedd_cli.errors import NotLoadableError
from sedd_cli.generation.chat import dialogue_tokens, reply_canvas
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.generation.engine import Run
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.generation.request import Request, resolve, room_for
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.serve.api_error import ApiError
from sedd_cli.serve.canvases import texts_and_masks
from sedd_cli.serve.ends import first_stop
from sedd_cli.serve.engine import Call, Task, Ticket, Work
from sedd_cli.serve.events import Begun, Delta, Done, Logprob, Revealed, Written
from sedd_cli.serve.limits import LONGEST_TOKEN, MOST_ROWS, Limits
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer
from sedd_cli.text.words import encode_ends


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The texts that a request asks for: `prompts`, each with the rows of `options`, or the reply to `messages`.

    `stops` end a text. `num_top`: of the likeliest tokens to report, None for no probabilities. `pieces`: text is sent
    once all before it stands. `canvases` are sent after every network call.
    """

    options: Mapping[str, Any]
    prompts: Sequence[str] = ("",)
    messages: list[dict[str, str]] | None = None
    suffix: str = ""
    max_tokens: int | None = None
    stops: Sequence[str] = ()
    num_top: int | None = None
    echo: bool = False
    pieces: bool = False
    canvases: bool = False

    def begin(self, limits: Limits, checkpoint: Checkpoint, ticket: Ticket) -> Work:
        """The tasks that write them. Raises `ApiError` or `UsageError` for what cannot be written."""
        tokenizer = require_tokenizer(checkpoint.tokenizer, "it writes no texts")
        seed = self.options.get("seed")
        options = SamplingOptions(**{**self.options, "seed": fresh_seed() if seed is None else seed})
        defaulted = with_defaults(checkpoint, options, self.options.keys())
        if defaulted.options.num_samples * len(self.prompts) > MOST_ROWS:
            raise ApiError(400, f"more than {MOST_ROWS} texts", "n", "too_many")
        limit = limits.length or checkpoint.length
        if self.messages is not None:
            runs = [self._reply(checkpoint, defaulted.options, self.messages, limit)]
        else:
            runs = [self._continuation(checkpoint, tokenizer, defaulted.options, p, limit) for p in self.prompts]
        rows = [_Row(self, run, row, ticket) for run in runs for row in run.rows]
        for index, row in enumerate(rows):
            row.index = index
        taken = {name: getattr(defaulted.options, name) for name in defaulted.taken}
        ticket.post(Begun(len(rows)))
        return Work([row.task() for row in rows], partial(_result, runs, rows, taken))

    def _continuation(
        self, checkpoint: Checkpoint, tokenizer: Tokenizer, request: Request, prompt: str, limit: int
    ) -> Run:
        _check_characters(len(prompt) + len(self.suffix), limit)
        head, tail, _ = encode_ends(tokenizer, prompt, self.suffix)
        given = len(head) + len(tail) + (checkpoint.opening is not None and not head)
        request = replace(request, prompt=prompt, suffix=self.suffix)
        length = _length(given, self.max_tokens, resolve(request, checkpoint).length, limit)
        return Run(checkpoint, replace(request, length=length))

    def _reply(self, checkpoint: Checkpoint, request: Request, messages: list[dict[str, str]], limit: int) -> Run:
        _check_characters(sum(len(message["content"]) for message in messages), limit)
        try:
            ids = dialogue_tokens(checkpoint, messages)
        except NotLoadableError as error:
            # Templates refuse dialogues that they do not know, such as two turns of the user's.
            raise ApiError(400, error.message, "messages", "invalid_messages") from error
        length = _length(len(ids), self.max_tokens, room_for(len(ids), checkpoint.length), limit)
        return Run(checkpoint, request, reply_canvas(checkpoint, ids, length))


def _length(given: int, max_tokens: int | None, default: int, limit: int) -> int:
    """Tokens of a canvas that holds so many and at most `max_tokens` new ones. Raises `ApiError` without room."""
    if given >= limit:
        raise _no_room(str(given), limit)
    return min(limit, default if max_tokens is None else given + max_tokens)


def _check_characters(count: int, limit: int) -> None:
    """Raises `ApiError` for a text that cannot fit on a canvas, whatever its tokens."""
    if count > limit * LONGEST_TOKEN:
        raise _no_room(f"more than {limit}", limit)


def _no_room(tokens: str, limit: int) -> ApiError:
    message = f"a text of {tokens} tokens leaves no room on a canvas of {limit}"
    return ApiError(400, message, code="context_length_exceeded")


def _result(runs: Sequence[Run], rows: Sequence["_Row"], taken: Mapping[str, object]) -> Done:
    return Done(
        prompt_tokens=sum(int((~run.canvas.free).sum()) for run in runs),
        completion_tokens=sum(row.written for row in rows),
        seed=runs[0].request.seed,
        nfe=sum(row.nfe for row in rows),
        taken=taken,
    )


def shape_of(run: Run) -> Hashable:
    """What the sampler of a run depends on: canvases of one shape share network calls.

    Blocks are cut where the free positions are; otherwise their number is enough.
    """
    canvas, request = run.canvas, run.request
    free = tuple(canvas.free.tolist()) if request.asked.block or run.checkpoint.blocks else int(canvas.free.sum())
    asked = request.asked
    law = (asked.score, asked.logits_processor(canvas), asked.unmasking())
    return (len(canvas.ids), free, request.sampler, request.steps, *law)


def standing(run: Run, ids: Tensor) -> tuple[str, bool]:
    """The text before the first MASK of a canvas (L,), without the prompt; whether an end-of-text token ends it."""
    canvas, tokenizer = run.canvas, run.checkpoint.tokenizer
    assert tokenizer is not None
    low, high = _bounds(canvas)
    written = ids.tolist()[low:high]
    mask_id = run.checkpoint.mask_id
    stop = low + written.index(mask_id) if mask_id in written else high
    at_start = low == 0 and not canvas.prompt
    text = tokenizer.compose(ids[low:stop].tolist(), full_canvas=False, at_start=at_start)
    if canvas.prompt and canvas.space_positions:
        text = text.removeprefix(" ")
    return text, not canvas.suffix and run.end_of_text_position(ids) < stop


def _bounds(canvas: Canvas) -> tuple[int, int]:
    free = canvas.free.nonzero()
    return int(free[0]), int(free[-1]) + 1


@dataclass(eq=False)
class _Row:
    """One text while it is written."""

    asked: Asked
    run: Run
    row: int
    ticket: Ticket
    index: int = 0
    nfe: int = 0
    written: int = 0
    """Tokens of the text."""
    sent: int = 0
    """Characters posted as pieces."""
    drawn: dict[int, tuple[float, list[tuple[int, float]]]] = field(default_factory=dict)
    """By position: the probability of its token, and the likeliest tokens with theirs."""

    def task(self) -> Task:
        sampler, shape = self.run.sampler, shape_of(self.run)
        state = replace(self.run.start(self.row), num_top=self.asked.num_top or 0)
        if self.asked.echo and self.asked.pieces:
            self.ticket.post(Delta(self.index, self.run.canvas.prompt))
        while not sampler.done(state):
            outcome = yield Call(shape, sampler, state)
            assert outcome is not None
            state, change = outcome
            self.nfe += 1
            self._record(change)
            if self.asked.canvases:
                between = state.ids[_bounds(self.run.canvas)[0] : self._end(state.ids)].tolist()
                pieces = texts_and_masks(self.run.checkpoint, between)
                self.ticket.post(Revealed(self.index, change.step + 1, sampler.num_updates, self.nfe, pieces))
            if self._stands_whole(state.ids):
                break
        self._finish(state.ids)

    @property
    def _keeps_what_stands(self) -> bool:
        """Whether a token that is written stays as it is."""
        asked = self.run.request.asked
        redrawn = asked.remask is not None or asked.correct or asked.revise
        return self.run.checkpoint.mask_id is not None and not redrawn

    def _stands_whole(self, ids: Tensor) -> bool:
        """Post what stands; whether the text has reached its end, whatever is masked behind that."""
        if not self._keeps_what_stands:
            return False
        text, ended = standing(self.run, ids)
        at = first_stop(text, self.asked.stops)
        if self.asked.pieces and at is None:
            # The characters at the end may be the first of a string to stop at.
            held = max((len(stop) - 1 for stop in self.asked.stops), default=0)
            self._send(text[: max(0, len(text) - held)])
        return ended or at is not None

    def _send(self, text: str) -> None:
        if len(text) > self.sent:
            self.ticket.post(Delta(self.index, text[self.sent :]))
            self.sent = len(text)

    def _finish(self, ids: Tensor) -> None:
        canvas = self.run.canvas
        (low, high), end = _bounds(canvas), self._end(ids)
        whole = self.run.text_of(ids)
        text = whole[len(canvas.prompt) : len(whole) - len(canvas.suffix)]
        at = first_stop(text, self.asked.stops)
        if at is not None:
            # What stands before it; the canvas behind it may hold MASK.
            text = text[: at[0]]
        positions = self._positions_of(ids, range(low, end), len(text), at is not None)
        self.written = len(positions)
        if self.asked.pieces:
            self._send(text)
        reason: Literal["stop", "length"] = "stop" if at is not None or end < high else "length"
        if self.asked.echo:
            text = canvas.prompt + text
        self.ticket.post(Written(self.index, text, reason, self._logprobs(ids, positions)))

    def _positions_of(self, ids: Tensor, free: range, size: int, cut: bool) -> list[int]:
        """The positions of the tokens that the first `size` characters of the text are from."""
        if not cut:
            return list(free)
        positions, length = [], 0
        for position, text in zip(free, self._decode(ids, free), strict=True):
            if length >= size:
                break
            positions.append(position)
            length += len(text)
        return positions

    def _decode(self, ids: Tensor, positions: Sequence[int]) -> list[str]:
        """The characters of each token."""
        tokenizer, mask_id = self.run.checkpoint.tokenizer, self.run.checkpoint.mask_id
        assert tokenizer is not None
        return tokenizer.decode_each([None if int(ids[i]) == mask_id else int(ids[i]) for i in positions])

    def _record(self, change: Change) -> None:
        if self.asked.num_top is None:
            return
        for n, position in enumerate(change.positions.tolist()):
            top: list[tuple[int, float]] = []
            if change.top is not None and self.asked.num_top:
                token, probability = (part[n, : self.asked.num_top].tolist() for part in change.top)
                top = list(zip(token, probability, strict=True))
            self.drawn[position] = (float(change.probability[n]), top)

    def _logprobs(self, ids: Tensor, positions: Sequence[int]) -> list[Logprob] | None:
        if self.asked.num_top is None:
            return None
        tokenizer, texts = self.run.checkpoint.tokenizer, self._decode(ids, positions)
        assert tokenizer is not None
        if texts and self.run.canvas.prompt and self.run.canvas.space_positions:
            # The prompt has it.
            texts[0] = texts[0].removeprefix(" ")
        return [
            Logprob(text, tokenizer.bytes_of(int(ids[i])), _log(p), [(tokenizer.bytes_of(t), _log(q)) for t, q in top])
            for i, text in zip(positions, texts, strict=True)
            for p, top in [self.drawn.get(i, (0.0, []))]
        ]

    def _end(self, ids: Tensor) -> int:
        """The position behind the text."""
        high = _bounds(self.run.canvas)[1]
        return high if self.run.canvas.suffix else min(high, self.run.end_of_text_position(ids))


def _log(probability: float) -> float:
    """JSON has no infinity: OpenAI's least value."""
    return math.log(probability) if probability > 0 else -9999.0
