"""Spans cut out of documents and filled again, at the true length, at a chosen one and at fixed ones."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch

from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.execution import Outcome, check_can_execute, run_program
from sedd_cli.evaluation.exhaustive import likeliest_length
from sedd_cli.evaluation.infill_data import Source
from sedd_cli.evaluation.infill_metrics import edit_similarity, is_exact, parses, token_f1
from sedd_cli.evaluation.infill_tasks import TASKS_HINT, Task, TaskSet, require_checks
from sedd_cli.evaluation.names import SpanKind, TaskKind, TextKind
from sedd_cli.evaluation.quality import Statistic, mean
from sedd_cli.evaluation.replicates import ROUND, check_until_error, replicates_needed
from sedd_cli.evaluation.spans import ONE_LINE, WORDS, Cut, cuts_of, cuts_of_tasks
from sedd_cli.generation.filling import nats_of
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.balance import is_balanced
from sedd_cli.text.gap_style import FaultKind, GapStyle
from sedd_cli.text.gaps import DEFAULT_RANGE, Gap
from sedd_cli.text.tokenizer import require_tokenizer

NamedLength = Literal["true", "auto", "auto-neighbours", "exhaustive"]
GapLength = int | NamedLength
REPLICATES, DRAWS = 2, 8
"""Network calls for the nats of a filling: replicates times draws. What is reported is a mean over many gaps."""
LARGEST_SHARE = 0.5
"""The share of a canvas that a span takes at most."""
NEAR = 1.5
"""The factor within which a length counts as found."""


@dataclass(frozen=True, kw_only=True)
class InfillRequest:
    """Settings of an evaluation: `num` gaps of each kind of span and text, each filled at each of `lengths`.

    `until_error`: gaps are added until the standard error of each row's token F1 is at most this. `nats`: whether the
    likelihood of the fillings is estimated. `execute`: whether the tests of tasks are run on them. `words`: the least
    and the most words of the spans `words`. Raises `UsageError` for settings out of range.
    """

    sampling: Request
    spans: tuple[SpanKind, ...] = get_args(SpanKind)
    lengths: tuple[GapLength, ...] = ("true", "auto")
    words: tuple[int, int] = WORDS
    num: int = 20
    until_error: float | None = None
    nats: bool = True
    execute: bool = False

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.spans if kind not in get_args(SpanKind)]:
            raise UsageError(f"{unknown[0]!r} is no kind of span", f"Choose of {', '.join(get_args(SpanKind))}.")
        for length in self.lengths:
            if isinstance(length, int) and length < 1:
                raise UsageError(f"a gap cannot have {length} tokens", "Give --lengths like true,auto,8.")
        if not 1 <= self.words[0] <= self.words[1]:
            raise UsageError(f"a span cannot have {self.words[0]} to {self.words[1]} words", "Give --words like 2-8.")
        if not (self.spans and self.lengths):
            raise UsageError("no kind of span, or no length", "Give --spans word,line and --lengths true,auto.")
        check_until_error(self.until_error)
        if self.execute:
            check_can_execute()

    @property
    def seed(self) -> int:
        return self.sampling.seed or 0


@dataclass(frozen=True)
class MeasuredFilling:
    """What was written in a gap at one length, and how near it is to what stood there.

    `faults`: how it does not fit its place (`text.gap_style`). `nats`: None where they were not asked for; `parses`:
    where the document was no Python before; `outcome` of its test: where none was run. `length_calls`: the network
    calls of comparing lengths, which are not among those of `nfe`.
    """

    length: GapLength
    written: str
    tokens: int
    exact: bool
    token_f1: float
    edit_similarity: float
    balanced: bool
    faults: tuple[FaultKind, ...]
    parses: bool | None
    outcome: Outcome | None
    nats: float | None
    seconds: float
    nfe: int
    length_calls: int = 0


@dataclass(frozen=True)
class FilledGap:
    """A span that was cut out, of `tokens` tokens, with its nats given the rest, and its fillings, one a length.

    `outcome`: of the test of what stood there.
    """

    cut: Cut
    tokens: int
    nats: float | None
    outcome: Outcome | None
    fillings: tuple[MeasuredFilling, ...]


@dataclass(frozen=True)
class Row:
    """The figures of one kind of text and span at one length: means over the gaps, with standard errors.

    `fitting`: the share without other faults than of balance; `passed`: pass@1. `ratio`: the geometric mean of tokens
    written over those of the truth; `near`: the share within a factor of 1.5; `length_calls` as in `MeasuredFilling`.
    """

    text_kind: TextKind
    span_kind: SpanKind | TaskKind
    length: GapLength
    gaps: int
    exact: Statistic
    token_f1: Statistic
    edit_similarity: Statistic
    balanced: Statistic
    fitting: Statistic
    parses: Statistic | None
    passed: Statistic | None
    nats_of_truth: Statistic | None
    nats: Statistic | None
    ratio: float
    near: float
    seconds: float
    nfe: float
    length_calls: float


@dataclass
class InfillEvaluation:
    """Gaps being filled. `run` adds to `gaps`; those are whole, however it ends."""

    checkpoint: Checkpoint
    request: InfillRequest
    sources: Sequence[Source]
    task_sets: Sequence[TaskSet] = ()
    gaps: list[FilledGap] = field(default_factory=list)
    complete: bool = False

    def __post_init__(self) -> None:
        self._tokenizer = require_tokenizer(self.checkpoint.tokenizer, "it reads no documents")
        if self.request.execute:
            if not self.tasks:
                raise UsageError("--execute runs the tests of tasks, and documents have none", f"Give {TASKS_HINT}.")
            require_checks(self.tasks)
        kinds = dict.fromkeys(source.kind for source in self.sources)
        self._open: dict[tuple[TextKind, SpanKind | TaskKind], Iterator[Cut]] = {
            (kind, span): cuts_of(
                [s for s in self.sources if s.kind == kind],
                span,
                self.request.seed,
                self._fits_on_canvas,
                self.request.words,
            )
            for kind in kinds
            for span in self.request.spans
        }
        for task in dict.fromkeys(task.kind for task in self.tasks):
            tasks = [each for each in self.tasks if each.kind == task]
            self._open["python", task] = cuts_of_tasks(tasks, self.request.seed, self._fits_on_canvas)
        self._kinds, self.goal = len(self._open), self.request.num

    @property
    def tasks(self) -> list[Task]:
        return [task for tasks in self.task_sets for task in tasks.tasks]

    @property
    def too_long(self) -> int:
        """How many tasks are left out: what is to be written does not fit."""
        return sum(not self._fits_on_canvas(task.truth) for task in self.tasks)

    @property
    def faults(self) -> Counter[FaultKind]:
        """How often the fillings so far do not fit their places, by what does not."""
        fillings = (filling for gap in self.gaps for filling in gap.fillings)
        return Counter(kind for filling in fillings for kind in filling.faults)

    @property
    def fillings_planned(self) -> int:
        """As many as are planned so far; fewer where the documents have no more spans of a kind."""
        return self.goal * self._kinds * len(self.request.lengths)

    def run(self) -> Iterator[str]:
        """Fill gaps, a round of all kinds after another. Yields what is being filled, before each filling."""
        made = 0
        while self._open and made < self.goal:
            for pair, cuts in list(self._open.items()):
                cut = next(cuts, None)
                if cut is None:
                    del self._open[pair]
                else:
                    yield from self._fill(cut, made)
            made += 1
            if made == self.goal and self.request.until_error is not None:
                self.goal = self._gaps_needed(made, self.request.until_error)
        self.complete = True

    def rows(self) -> list[Row]:
        """A row for each kind of text and of span and each length, of what is filled so far."""
        groups: dict[tuple[TextKind, SpanKind | TaskKind], list[FilledGap]] = {}
        for gap in self.gaps:
            groups.setdefault((gap.cut.text_kind, gap.cut.span_kind), []).append(gap)
        return [_row(gaps, number) for gaps in groups.values() for number in range(len(self.request.lengths))]

    def _fits_on_canvas(self, truth: str) -> bool:
        canvas = self.request.sampling.length or self.checkpoint.length
        return len(self._tokenizer.encode(truth)) <= LARGEST_SHARE * canvas

    def _gaps_needed(self, made: int, target: float) -> int:
        rows = [row for row in self.rows() if (row.text_kind, row.span_kind) in self._open]
        errors = [row.token_f1.error for row in rows]
        known = [error for error in errors if error is not None]
        if len(known) < len(errors):
            return made + ROUND
        return replicates_needed(made, max(known, default=0.0), target)

    def _fill(self, cut: Cut, row: int) -> Iterator[str]:
        """Fill a gap at every length. The random numbers are those of this row of the seed."""
        true = self._infilling(cut, row, self._true_tokens(cut))
        tokens, fillings = true.sized_gaps[0].tokens, list[MeasuredFilling]()
        nats = self._nats_of_truth(true, cut) if self.request.nats else None
        was_python = cut.text_kind == "python" and parses(cut.filled(cut.truth))
        for length in self.request.lengths:
            yield f"{cut.text_kind}, {cut.span_kind}, {length}"
            fillings.append(self._filled(cut, row, length, tokens, was_python))
        self.gaps.append(FilledGap(cut, tokens, nats, self._outcome(cut, cut.truth), tuple(fillings)))

    def _filled(self, cut: Cut, row: int, length: GapLength, true: int, was_python: bool) -> MeasuredFilling:
        started = time.perf_counter()
        if length in ("auto", "auto-neighbours"):
            run = self._infilling(cut, row, "auto", padding=length == "auto")
        else:
            known = length if isinstance(length, int) else true if length == "true" else self._likeliest(cut, row)
            run = self._infilling(cut, row, known)
        for _ in run.steps():
            pass
        (filling,) = run.fillings()
        seconds = time.perf_counter() - started
        written = filling.text[slice(*filling.spans[0])]
        style = GapStyle(cut.filled(cut.truth), cut.at, cut.at + len(cut.truth))
        faults = style.faults(cut.text[: cut.at], written, cut.text[cut.at :])
        return MeasuredFilling(
            length=length,
            written=written,
            tokens=run.sized_gaps[0].tokens,
            exact=is_exact(written, cut.truth),
            token_f1=token_f1(written, cut.truth),
            edit_similarity=edit_similarity(written, cut.truth),
            balanced=is_balanced(written, cut.truth),
            faults=tuple(faults),
            parses=parses(filling.text) if was_python else None,
            outcome=self._outcome(cut, written),
            nats=filling.nats_by(REPLICATES, DRAWS) if self.request.nats else None,
            seconds=seconds,
            nfe=filling.nfe,
            length_calls=sum(chosen.calls for chosen in run.chosen_lengths),
        )

    def _outcome(self, cut: Cut, written: str) -> Outcome | None:
        """Of the test of the document with a text in its gap; None if tests are not asked for."""
        return run_program(cut.check.program(cut.filled(written))) if self.request.execute and cut.check else None

    def _infilling(self, cut: Cut, row: int, tokens: int | Literal["auto"], *, padding: bool = True) -> Infilling:
        # Of row 0 a length that is drawn is the median: gaps have seeds of their own instead.
        request = replace(self.request.sampling, seed=self.request.seed + row, num_samples=1, row=0)
        gap = Gap(cut.at, cut.at, tokens, one_line=cut.span_kind in ONE_LINE)
        return Infilling(self.checkpoint, request, cut.text, [gap], padding=padding)

    def _likeliest(self, cut: Cut, row: int) -> int:
        """The length found by trying every one that `auto` chooses of."""
        checkpoint, (low, high) = self.checkpoint, DEFAULT_RANGE
        if not isinstance(checkpoint.process, Absorbing):
            raise UsageError("lengths cannot be compared with the uniform process", "Leave out --lengths exhaustive.")
        windows = {n: self._infilling(cut, row, n).windows[0] for n in range(low, high + 1)}
        return likeliest_length(checkpoint.model, checkpoint.process, checkpoint.noise, windows)

    def _truth_ids(self, cut: Cut, absorbs_space: bool) -> list[int]:
        return self._tokenizer.encode(" " * absorbs_space + cut.truth)

    def _true_tokens(self, cut: Cut) -> int:
        (gap,) = self._infilling(cut, 0, 1).sized_gaps
        return len(self._truth_ids(cut, gap.absorbs_space))

    def _nats_of_truth(self, run: Infilling, cut: Cut) -> float:
        """The bound on `-log p` of the truth in its place, given the rest."""
        state = run.start(0)
        state.ids[state.free] = torch.tensor(self._truth_ids(cut, run.sized_gaps[0].absorbs_space), device="cpu")
        return nats_of(self.checkpoint, [state], REPLICATES, DRAWS)


def _row(gaps: Sequence[FilledGap], number: int) -> Row:
    """The figures of gaps of one kind at the length of this number."""
    fillings = [gap.fillings[number] for gap in gaps]
    outcomes = [filling.outcome for filling in fillings if filling.outcome is not None]
    parsed = [float(filling.parses) for filling in fillings if filling.parses is not None]
    ratios = [math.log(filling.tokens / gap.tokens) for filling, gap in zip(fillings, gaps, strict=True)]
    truths, ours = ([each.nats for each in side if each.nats is not None] for side in (gaps, fillings))
    first = gaps[0].cut
    return Row(
        text_kind=first.text_kind,
        span_kind=first.span_kind,
        length=fillings[0].length,
        gaps=len(gaps),
        exact=mean([float(filling.exact) for filling in fillings]),
        token_f1=mean([filling.token_f1 for filling in fillings]),
        edit_similarity=mean([filling.edit_similarity for filling in fillings]),
        balanced=mean([float(filling.balanced) for filling in fillings]),
        fitting=mean([float({*filling.faults} <= {"balance"}) for filling in fillings]),
        parses=mean(parsed) if parsed else None,
        passed=mean([float(outcome == "passed") for outcome in outcomes]) if outcomes else None,
        nats_of_truth=mean(truths) if truths else None,
        nats=mean(ours) if ours else None,
        ratio=math.exp(sum(ratios) / len(ratios)),
        near=sum(abs(ratio) <= math.log(NEAR) + 1e-9 for ratio in ratios) / len(ratios),
        seconds=sum(filling.seconds for filling in fillings) / len(fillings),
        nfe=sum(filling.nfe for filling in fillings) / len(fillings),
        length_calls=sum(filling.length_calls for filling in fillings) / len(fillings),
    )
