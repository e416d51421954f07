"""Documents whose gaps are filled: of an editor's cursor, or as `sedd infill` does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sedd_cli.diffusion.randomness import fresh_seed
from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.generation.engine import Step
from sedd_cli.generation.filling import ranked
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.infill_record import as_record
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.serve.api_error import ApiError
from sedd_cli.serve.canvases import texts_and_masks
from sedd_cli.serve.engine import Task, Ticket, Work
from sedd_cli.serve.events import Begun, Done, GapsRevealed
from sedd_cli.serve.limits import LONGEST_TOKEN, MOST_FILLED, Limits
from sedd_cli.text.gaps import Gap

LEAST, TOKENS_PER_CALL = 6, 1.5
"""Tokens of a gap whatever the time; and what is written in a network call without too much harm to the text."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A document and its gaps, in code points.

    `seconds`: if there is not the time for it, gaps are shorter and steps fewer. `nats`: compute the bound also of a
    single candidate. `canvases` are sent after every network call.
    """

    document: str
    gaps: Sequence[Gap]
    options: Mapping[str, Any]
    seconds: float | None = None
    nats: bool = False
    canvases: bool = False

    def begin(self, limits: Limits, checkpoint: Checkpoint, ticket: Ticket) -> Work:
        """The task that fills the gaps. Raises `ApiError` or `UsageError` for what cannot be filled."""
        limit = limits.length or checkpoint.length
        if (self.options.get("length") or 0) > limit:
            raise ApiError(400, f"length is at most {limit}", "length", "out_of_range")
        if any(gap.end - gap.start > limit * LONGEST_TOKEN for gap in self.gaps if gap.tokens in (None, "auto")):
            raise ApiError(400, f"a gap has more than {limit} tokens", "gaps", "context_length_exceeded")
        seed = self.options.get("seed")
        given = {"length": limits.length, **self.options, "seed": fresh_seed() if seed is None else seed}
        defaulted = with_defaults(checkpoint, SamplingOptions(**given), self.options.keys(), filling=True)
        if defaulted.options.num_samples * len(self.gaps) > MOST_FILLED:
            raise ApiError(400, f"more than {MOST_FILLED} gaps in all candidates", "n", "too_many")
        filler = _Filler(self._in_time(ticket.seconds_per_call), checkpoint, defaulted.options, ticket)
        filler.taken = {name: getattr(defaulted.options, name) for name in defaulted.taken}
        return Work([filler.task()], filler.result)

    def _in_time(self, seconds_per_call: float | None) -> "Edit":
        """The same with gaps in which there is a network call for every other token or so, as far as can be told."""
        if self.seconds is None or seconds_per_call is None:
            return self
        most = max(LEAST, int(TOKENS_PER_CALL * self.seconds / seconds_per_call))
        gaps = [replace(g, tokens=min(g.tokens, most)) if isinstance(g.tokens, int) else g for g in self.gaps]
        return replace(self, gaps=gaps)


@dataclass(eq=False)
class _Filler:
    """An edit while it is made."""

    asked: Edit
    checkpoint: Checkpoint
    request: Request
    ticket: Ticket
    taken: Mapping[str, object] = field(default_factory=dict)
    nfe: int = 0
    done: Done | None = None

    def result(self) -> Done:
        assert self.done is not None
        return self.done

    def task(self) -> Task:
        """Network calls of its own: to compare lengths, to fill, and to rank."""
        started = time.monotonic()
        infilling = Infilling(self.checkpoint, self.request, self.asked.document, self.asked.gaps, differs=True)
        self.ticket.post(Begun(len(infilling.rows)))
        begun = time.monotonic()
        states: dict[int, State] = {}
        calls = infilling.steps()
        while (step := next(calls, None)) is not None:
            states[step.row] = step.state
            self._report(infilling, step)
            if steps := self._steps_in_time(infilling, states, started, begun):
                infilling = self._in_steps(infilling, steps)
                calls = infilling.resume([_afresh(state) for state in self._all_states(infilling, states)])
            yield None
        filled = time.monotonic()
        fillings = infilling.fillings()
        if len(fillings) > 1 or self.asked.nats:
            for filling in fillings:
                _ = filling.nats
                yield None
        nats = {f.row: f.nats for f in fillings if len(fillings) > 1 or self.asked.nats}
        record = as_record(infilling, ranked(fillings, infilling.document), nats)
        kept = sum(int((~window.canvas.free).sum()) for window in infilling.windows)
        self.done = Done(
            prompt_tokens=kept,
            completion_tokens=sum(sum(filling.tokens) for filling in fillings),
            seed=infilling.request.seed,
            nfe=self.nfe + sum(len(infilling.drawn_lengths(filling.row)) for filling in fillings),
            # A hurried edit leaves some of them out.
            taken={n: value for n, value in self.taken.items() if getattr(infilling.request.asked, n) == value},
            record=record,
            seconds=(begun - started, filled - begun),
        )

    def _report(self, infilling: Infilling, step: Step) -> None:
        self.nfe += 1
        if self.asked.canvases:
            candidate, window = divmod(step.row, len(infilling.windows))
            ids = step.ids.tolist()
            places = infilling.window_of(step.row).gap_positions
            gaps = [texts_and_masks(self.checkpoint, ids[place.start : place.stop]) for place in places]
            number = candidate - infilling.rows.start
            self.ticket.post(GapsRevealed(number, window, step.step, self.nfe, gaps))

    def _steps_in_time(
        self, infilling: Infilling, states: Mapping[int, State], started: float, begun: float
    ) -> int | None:
        """The steps in which the rest must be written to be in time; None: it is, or no more can be saved."""
        # The uniform process has no MASK to count; the first call is slower than those that follow.
        if self.asked.seconds is None or self.checkpoint.mask_id is None or self.nfe < 2:
            return None
        now = time.monotonic()
        left, each = started + self.asked.seconds - now, (now - begun) / self.nfe
        needed = sum(infilling.sampler_of(s.row).calls_left(s) for s in self._all_states(infilling, states))
        # A run of one step has two calls, the denoising step's among them.
        return None if needed <= max(2, left / each) else max(1, int(left / each) - 1)

    def _all_states(self, infilling: Infilling, states: Mapping[int, State]) -> list[State]:
        rows = [index for row in infilling.rows for index in infilling.rows_of(row)]
        return [states.get(row) or infilling.start(row) for row in rows]

    def _in_steps(self, infilling: Infilling, steps: int) -> Infilling:
        """The same with so many steps, in the same order, without corrections or the like."""
        asked = SamplingOptions(**{**_law_of(infilling.request.asked), "steps": steps, "seed": infilling.request.seed})
        gaps = [Gap(gap.start, gap.end, gap.tokens, gap.one_line, gap.without) for gap in infilling.sized_gaps]
        return Infilling(self.checkpoint, Request(**asdict(asked)), self.asked.document, gaps, differs=True)


def _afresh(state: State) -> State:
    """A canvas as it is, at the beginning of a run."""
    return replace(state, step=0, reached=1.0, corrections=0, readings=0, block=0)


def _law_of(request: Request) -> dict[str, Any]:
    """Of the options those that hold of every network call, whatever the number of steps."""
    names = ("length", "num_samples", "row", "score", "temperature", "top_k", "top_p", "order")
    return {name: getattr(request, name) for name in names}
