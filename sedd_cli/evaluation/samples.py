"""Quality of samples: texts sampled at several numbers of steps, rated by a judge and compared with real text."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sedd_cli.diffusion.names import GRIDLESS, TOKEN_BY_TOKEN
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel
from sedd_cli.evaluation.reference import Reference, read_reference
from sedd_cli.evaluation.sample_metrics import EvaluatedText, SampleMetrics, SampleSet, compute_metrics
from sedd_cli.evaluation.sweep import Setting, check_sweep, described, settings_of
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.ranges import counted
from sedd_cli.text.canvas import Canvas, make_canvas
from sedd_cli.text.tokenizer import require_tokenizer

Conditional = Literal["prefix", "infill"]


@dataclass(frozen=True, kw_only=True)
class SamplesRequest:
    """Settings of an evaluation of samples.

    `sampling`: a request as for `generate`, without a prompt; it is run for each of `steps`, from row 0 of the seed
    (None: 0), and for each combination of the values in `sweep`, by option. `conditional`: the network completes real
    texts; the prompt is their first `prompt_tokens` tokens, or half of that at each end (`infill`), as in SEDD
    (2310.16834, section 5.3). `full_canvas`: texts include what follows their end-of-text token, as in the papers.
    `text_key`: of the reference (see `Corpus`). Raises `UsageError` for settings that exclude each other.
    """

    sampling: Request
    steps: tuple[int, ...]
    sweep: Mapping[str, Sequence[object]] = field(default_factory=dict)
    conditional: Conditional | None = None
    prompt_tokens: int = 50
    full_canvas: bool = False
    text_key: str | None = None

    def __post_init__(self) -> None:
        if not self.steps or len(set(self.steps)) < len(self.steps):
            raise UsageError("the numbers of steps must be distinct, at least one", "For example: --steps 32,128,512.")
        check_sweep(self.sweep, self.sampling)
        if self.conditional and self.full_canvas:
            raise UsageError("conditional samples end at their end-of-text token", "Leave out --full-canvas.")
        if self.conditional and self.prompt_tokens < 2:
            raise UsageError(f"the prompt must have at least 2 tokens, not {self.prompt_tokens}")

    @property
    def prompt_lengths(self) -> tuple[int, int]:
        """Numbers of prompt tokens at the beginning and at the end of each canvas."""
        if self.conditional is None:
            return 0, 0
        at_end = self.prompt_tokens // 2 if self.conditional == "infill" else 0
        return self.prompt_tokens - at_end, at_end


@dataclass(frozen=True)
class Progress:
    """A network call for the sample set `label`, or (`call` false) a rated batch; `done` texts are finished."""

    label: str
    done: int
    call: bool


class Evaluation:
    """An evaluation of `num` samples at each setting and number of steps. `run` fills `sample_sets` and `real`.

    `reference`: a corpus of real text. Raises `UsageError` if the request does not fit the checkpoint or the
    reference, `NotLoadableError` if the reference cannot be read.
    """

    def __init__(self, checkpoint: Checkpoint, request: SamplesRequest, reference: Path | None = None) -> None:
        self.checkpoint, self.request, self.seed = checkpoint, request, request.sampling.seed or 0
        self.length, self.num = request.sampling.length or checkpoint.length, request.sampling.num_samples
        if sum(request.prompt_lengths) >= self.length:
            raise UsageError(
                f"a prompt of {counted(sum(request.prompt_lengths), 'token')} fills the canvas of {self.length}",
                "Lower --prompt-tokens, or raise --length.",
            )
        self.reference = None if reference is None else self._read_reference(reference)
        if request.conditional and self.reference is None:
            raise UsageError("conditional samples need real texts to complete", "Give them with --reference FILE.")
        if request.conditional and self.reference is not None:
            self.num = min(self.num, len(self.reference.canvases))
        self._settings = [(s, self._run(s, steps)) for s in settings_of(request.sweep) for steps in request.steps]
        sampler = next((run.request.sampler for run in self.runs if run.request.sampler in GRIDLESS), None)
        if sampler and len(request.steps) > 1:
            raise UsageError(
                f"the number of steps of {sampler} cannot be chosen", "Give --steps one number: it is not used."
            )
        self.sample_sets: list[SampleSet] = []
        self.real, self._other_real = SampleSet("real text"), SampleSet("real text")
        self.complete = False

    @property
    def runs(self) -> list[Run]:
        """One for each setting and number of steps."""
        return [run for _, run in self._settings]

    @property
    def calls_needed(self) -> int:
        """Network calls of all sample sets; an upper bound for some samplers."""
        return sum(run.calls_needed() for run in self.runs)

    @property
    def compares_real_texts(self) -> bool:
        """Whether MAUVE is also computed between two halves of the reference."""
        return bool(self._other_real.texts)

    def run(self, judge: JudgeModel | None) -> Iterator[Progress]:
        """Rate the real texts, then sample and rate texts. Finished texts are kept if the iteration stops early."""
        for number, ids in enumerate(self._real_canvases(judge)):
            sample_set = self.real if number < self.num else self._other_real
            sample_set.texts += self._evaluate([(number, ids, 0)], judge)
            yield Progress(sample_set.label, number + 1, call=False)
        for setting, run in self._settings:
            size, sample_set = run.request.batch_size, _sample_set(setting, run)
            self.sample_sets.append(sample_set)
            for first in range(0, self.num, size):
                yield from self._sample(run, sample_set, run.rows[first : first + size], judge)
        self.complete = True

    def metrics(self) -> list[tuple[SampleSet, SampleMetrics]]:
        """Metrics of each non-empty sample set. Real text is last; its MAUVE is against the rest of the reference."""
        words = None if self.reference is None else self.reference.words
        results = [
            (sample_set, compute_metrics(sample_set, self.real.texts, self.seed, words))
            for sample_set in self.sample_sets
            if sample_set.texts
        ]
        if not self.real.texts:
            return results
        elsewhere = {word for word, documents in (words or {}).items() if documents > 1}
        return [*results, (self.real, compute_metrics(self.real, self._other_real.texts, self.seed, elsewhere))]

    def _run(self, setting: Setting, steps: int) -> Run:
        try:
            sampling = replace(
                self.request.sampling, **setting, steps=steps, num_samples=self.num, seed=self.seed, row=0
            )
            return Run(self.checkpoint, sampling, self._canvas(0))
        except UsageError as error:
            if not setting:
                raise
            raise UsageError(f"{described(setting)}: {error.message}", error.hint) from None

    def _read_reference(self, path: Path) -> Reference:
        tokenizer = require_tokenizer(self.checkpoint.tokenizer, "it cannot read a reference")
        # Twice as many, so that MAUVE can also be computed between the two halves.
        full_only = self.request.conditional is not None
        return read_reference(
            path, tokenizer, self.length, 2 * self.num, full_only=full_only, text_key=self.request.text_key
        )

    def _real_canvases(self, judge: JudgeModel | None) -> Tensor:
        if self.reference is None:
            return torch.zeros(0, self.length, device="cpu")
        canvases = self.reference.canvases
        use_all = judge is not None and len(canvases) == 2 * self.num
        return canvases if use_all else canvases[: self.num]

    def _canvas(self, row: int) -> Canvas:
        if self.request.conditional is None:
            return make_canvas(None, self.length)
        assert self.reference is not None
        at_start, at_end = self.request.prompt_lengths
        free = torch.zeros(self.length, dtype=torch.bool, device="cpu")
        free[at_start : self.length - at_end] = True
        return Canvas(self.reference.canvases[row].masked_fill(free, 0), free)

    def _sample(
        self, run: Run, sample_set: SampleSet, numbers: Sequence[int], judge: JudgeModel | None
    ) -> Iterator[Progress]:
        started = time.perf_counter()
        last: dict[int, tuple[int, Tensor, int]] = {}
        canvases = [(number, self._canvas(number)) for number in numbers]
        for step in run.resume([run.sampler.start(c.ids, c.free, run.request.seed, number) for number, c in canvases]):
            last[step.row] = step.row, step.ids, step.nfe
            yield Progress(sample_set.label, len(sample_set.texts), call=True)
        seconds = time.perf_counter() - started
        sample_set.texts += self._evaluate([last[number] for number in numbers], judge)
        sample_set.seconds += seconds
        yield Progress(sample_set.label, len(sample_set.texts), call=False)

    def _evaluate(self, canvases: list[tuple[int, Tensor, int]], judge: JudgeModel | None) -> list[EvaluatedText]:
        """Decode and rate canvases, each (row, ids (L,), network calls)."""
        documents = [self._documents(ids.tolist()) for _, ids, _ in canvases]
        ratings = judge.rate([self._judge_input(parts) for parts in documents]) if judge else [None] * len(canvases)
        return [
            EvaluatedText(
                row=row,
                ids=ids.tolist(),
                tokens=ids.tolist() if self.request.full_canvas else parts[0],
                text=self._decode(ids.tolist() if self.request.full_canvas else parts[0]),
                nfe=nfe,
                rating=rating,
            )
            for (row, ids, nfe), parts, rating in zip(canvases, documents, ratings, strict=True)
        ]

    def _documents(self, ids: list[int]) -> list[list[int]]:
        """The documents of a canvas. End-of-text tokens at its beginning end no document."""
        ends = self.checkpoint.tokenizer.end_ids if self.checkpoint.tokenizer else ()
        documents: list[list[int]] = [[]]
        for token in ids:
            if token not in ends:
                documents[-1].append(token)
            elif len(documents) > 1 or documents[0]:
                documents.append([])
        return documents

    def _judge_input(self, documents: list[list[int]]) -> JudgeInput:
        if self.request.full_canvas:
            return JudgeInput(tuple(map(self._decode, documents)))
        at_start, at_end = self.request.prompt_lengths
        ids = documents[0]
        # A text that ends before the canvas does not contain the prompt at the canvas's end.
        stop = len(ids) - at_end if len(ids) == self.length else len(ids)
        before, completion, after = (self._decode(part) for part in (ids[:at_start], ids[at_start:stop], ids[stop:]))
        return JudgeInput((completion,), before, after)

    def _decode(self, ids: list[int]) -> str:
        tokenizer = self.checkpoint.tokenizer
        return "" if tokenizer is None else tokenizer.compose(ids, full_canvas=True, at_start=True)


def _sample_set(setting: Setting, run: Run) -> SampleSet:
    sampler, steps = run.request.sampler, run.request.steps
    parts = [described(setting)] if setting else []
    if sampler not in TOKEN_BY_TOKEN:
        return SampleSet(", ".join([*parts, "1 step" if steps == 1 else f"{steps} steps"]), steps, setting)
    return SampleSet(", ".join(parts if "sampler" in setting else [*parts, sampler]), None, setting)
