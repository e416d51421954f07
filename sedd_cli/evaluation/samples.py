"""The quality of samples: texts drawn at several numbers of steps and judged, beside real text."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sedd_cli.diffusion.names import TOKEN_BY_TOKEN
from sedd_cli.errors import UsageError
from sedd_cli.evaluation.figures import Figures, Row, Text, figures_of
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel
from sedd_cli.evaluation.reference import Reference, read_reference
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas, make_canvas

Conditional = Literal["prefix", "infill"]
GRIDLESS = {*TOKEN_BY_TOKEN, "ancestral"}
"""Samplers whose steps are not the caller's to choose."""


@dataclass(frozen=True, kw_only=True)
class SamplesRequest:
    """What to draw, and how to look at it.

    `sampling`: as for `generate`, but for each of `steps`, always the first rows of the seed (None: 0), and without a
    prompt of its own. `conditional`: the network continues real texts of which it is given the first `prompt_tokens`,
    or half of them at either end (`infill`), as in SEDD (2310.16834, section 5.3). `whole_canvas`: texts are looked at
    past their end-of-text token, as the papers do. Raises `UsageError` for what does not go together.
    """

    sampling: Request
    steps: tuple[int, ...]
    conditional: Conditional | None = None
    prompt_tokens: int = 50
    whole_canvas: bool = False

    def __post_init__(self) -> None:
        if not self.steps or len(set(self.steps)) < len(self.steps):
            raise UsageError("the numbers of steps must be some, all different", "Give them like --steps 32,128,512.")
        if self.conditional and self.whole_canvas:
            raise UsageError("conditional samples are looked at up to their end", "Leave out --whole-canvas.")
        if self.conditional and self.prompt_tokens < 2:
            raise UsageError(f"the prompt must have at least 2 tokens, not {self.prompt_tokens}")

    @property
    def given(self) -> tuple[int, int]:
        """Tokens given at the beginning and at the end of each canvas."""
        if self.conditional is None:
            return 0, 0
        at_end = self.prompt_tokens // 2 if self.conditional == "infill" else 0
        return self.prompt_tokens - at_end, at_end


@dataclass(frozen=True)
class Progress:
    """A network call was made for the row `label`, or (no `call`) texts were judged; `done` of it are finished."""

    label: str
    done: int
    call: bool


class Evaluation:
    """Samples to be drawn and judged, `num` at each number of steps: `carry_out` does it; `rows`, `real` hold them.

    `reference`: a corpus of real text. Raises `UsageError` for what cannot be carried out, `NotLoadableError` for a
    reference that cannot be read.
    """

    def __init__(self, checkpoint: Checkpoint, request: SamplesRequest, reference: Path | None = None) -> None:
        self.checkpoint, self.request, self.seed = checkpoint, request, request.sampling.seed or 0
        self.length, self.num = request.sampling.length or checkpoint.length, request.sampling.num_samples
        if sum(request.given) >= self.length:
            raise UsageError(
                f"a prompt of {sum(request.given)} tokens leaves no room on a canvas of {self.length}",
                "Lower --prompt-tokens, or raise --length.",
            )
        self.reference = None if reference is None else self._read(reference)
        if request.conditional and self.reference is None:
            raise UsageError("conditional samples need real texts to continue", "Give them with --reference FILE.")
        if request.conditional and self.reference is not None:
            self.num = min(self.num, len(self.reference.canvases))
        self.runs = [
            Run(
                checkpoint,
                replace(request.sampling, steps=steps, num_samples=self.num, seed=self.seed, row=0),
                self._canvas(0),
            )
            for steps in request.steps
        ]
        sampler = self.runs[0].request.sampler
        if sampler in GRIDLESS and len(self.runs) > 1:
            raise UsageError(
                f"{sampler} takes no number of steps from here", "Give --steps one number: it is not used."
            )
        self.rows: list[Row] = []
        self.real, self._others = Row("real text"), Row("real text")
        self.complete = False

    @property
    def calls_needed(self) -> int:
        """Network calls of all rows; an upper bound for some samplers."""
        return sum(run.calls_needed() for run in self.runs)

    @property
    def twofold(self) -> bool:
        """Whether real text was held against other real text."""
        return bool(self._others.texts)

    def carry_out(self, judge: JudgeModel | None) -> Iterator[Progress]:
        """Judge the real texts, then draw and judge samples. Texts that are done stay if it is stopped."""
        for number, ids in enumerate(self._real_canvases(judge)):
            row = self.real if number < self.num else self._others
            row.texts += self._look([(number, ids, 0)], judge)
            yield Progress(row.label, number + 1, call=False)
        for run in self.runs:
            sampler = run.request.sampler
            row = Row(sampler) if sampler in TOKEN_BY_TOKEN else Row(f"{run.request.steps} steps", run.request.steps)
            self.rows.append(row)
            for first in range(0, self.num, run.batch_size):
                yield from self._draw(run, row, run.rows[first : first + run.batch_size], judge)
        self.complete = True

    def figures(self) -> list[tuple[Row, Figures]]:
        """Of each row that has texts; real text comes last, its MAUVE against as many others of the reference."""
        drawn = [(row, figures_of(row, self.real.texts, self.seed)) for row in self.rows if row.texts]
        if not self.real.texts:
            return drawn
        return [*drawn, (self.real, figures_of(self.real, self._others.texts, self.seed))]

    def _read(self, path: Path) -> Reference:
        if self.checkpoint.tokenizer is None:
            raise UsageError(
                "this checkpoint has no tokenizer, so it reads no reference",
                "Put its tokenizer.json beside config.json (GPT-2's for the public checkpoints).",
            )
        # Twice as many: one half is held against the other, too.
        unbroken = self.request.conditional is not None
        return read_reference(path, self.checkpoint.tokenizer, self.length, 2 * self.num, unbroken=unbroken)

    def _real_canvases(self, judge: JudgeModel | None) -> Tensor:
        if self.reference is None:
            return torch.zeros(0, self.length)
        canvases = self.reference.canvases
        both = judge is not None and len(canvases) == 2 * self.num
        return canvases if both else canvases[: self.num]

    def _canvas(self, row: int) -> Canvas:
        if self.request.conditional is None:
            return make_canvas(None, self.length)
        assert self.reference is not None
        at_start, at_end = self.request.given
        free = torch.zeros(self.length, dtype=torch.bool)
        free[at_start : self.length - at_end] = True
        return Canvas(self.reference.canvases[row].masked_fill(free, 0), free)

    def _draw(self, run: Run, row: Row, numbers: Sequence[int], judge: JudgeModel | None) -> Iterator[Progress]:
        started = time.perf_counter()
        last: dict[int, tuple[int, Tensor, int]] = {}
        canvases = [(number, self._canvas(number)) for number in numbers]
        for step in run.resume([run.sampler.start(c.ids, c.free, run.seed, number) for number, c in canvases]):
            last[step.row] = step.row, step.ids, step.nfe
            yield Progress(row.label, len(row.texts), call=True)
        seconds = time.perf_counter() - started
        row.texts += self._look([last[number] for number in numbers], judge)
        row.seconds += seconds
        yield Progress(row.label, len(row.texts), call=False)

    def _look(self, canvases: list[tuple[int, Tensor, int]], judge: JudgeModel | None) -> list[Text]:
        """Texts of canvases: (row, ids (L,), network calls)."""
        documents = [self._documents(ids.tolist()) for _, ids, _ in canvases]
        ratings = judge.rate([self._judge_input(parts) for parts in documents]) if judge else [None] * len(canvases)
        return [
            Text(
                row=row,
                ids=ids.tolist(),
                tokens=ids.tolist() if self.request.whole_canvas else parts[0],
                text=self._decode(ids.tolist() if self.request.whole_canvas else parts[0]),
                nfe=nfe,
                rating=rating,
            )
            for (row, ids, nfe), parts, rating in zip(canvases, documents, ratings, strict=True)
        ]

    def _documents(self, ids: list[int]) -> list[list[int]]:
        """The documents of a canvas. End-of-text tokens that it begins with end nothing."""
        end_id = self.checkpoint.tokenizer.end_of_text_id if self.checkpoint.tokenizer else None
        documents: list[list[int]] = [[]]
        for token in ids:
            if token != end_id:
                documents[-1].append(token)
            elif len(documents) > 1 or documents[0]:
                documents.append([])
        return documents

    def _judge_input(self, documents: list[list[int]]) -> JudgeInput:
        if self.request.whole_canvas:
            return JudgeInput(tuple(map(self._decode, documents)))
        at_start, at_end = self.request.given
        ids = documents[0]
        # A text that was ended before the canvas was has lost what it was given at its end.
        stop = len(ids) - at_end if len(ids) == self.length else len(ids)
        before, written, after = (self._decode(part) for part in (ids[:at_start], ids[at_start:stop], ids[stop:]))
        return JudgeInput((written,), before, after)

    def _decode(self, ids: list[int]) -> str:
        tokenizer = self.checkpoint.tokenizer
        return "" if tokenizer is None else tokenizer.compose(ids, whole=True, at_start=True)
