"""Traces: a run as JSON lines, shown again without the model (`recording` reads them).

A header; then, for each row, a line with its initial canvas, a line for each of its steps, and a line with the whole
canvas after each manual edit. In a document of W windows, row `r W + w` of the trace is window w of candidate r. Tokens
are written as ids and as byte-level pieces (`Ġthe`), so that reading needs no tokenizer; MASK is null.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

import sedd_cli
from sedd_cli.atomic import AtomicFile
from sedd_cli.diffusion.samplers import State
from sedd_cli.errors import SeddError
from sedd_cli.generation.engine import Step
from sedd_cli.generation.job import Job
from sedd_cli.generation.trace_lines import FORMAT, VERSION
from sedd_cli.text.byte_level import bytes_to_token


class Tracer:
    """Lines of the trace of a job. `rows`: the recorded ones, if not all that were requested."""

    def __init__(self, job: Job, rows: Sequence[int] | None = None) -> None:
        self._job, self._rows = job, rows
        self._canvas: dict[int, Tensor] = {}

    def header(self) -> bytes:
        job, checkpoint = self._job, self._job.checkpoint
        return _line(
            {
                "format": FORMAT,
                "version": VERSION,
                "sedd": sedd_cli.__version__,
                "checkpoint": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
                "settings": job.request.settings(),
                "seed": job.request.seed,
                "mask_id": checkpoint.mask_id,
                "end_of_text_id": checkpoint.tokenizer.end_of_text_id if checkpoint.tokenizer else None,
                "end_ids": sorted(checkpoint.tokenizer.end_ids) if checkpoint.tokenizer else [],
                **job.header(),
                **({} if self._rows is None else {"rows": list(self._rows)}),
            }
        )

    def step(self, step: Step) -> Iterator[bytes]:
        """Yield the line of a step, after the initial canvas of its row if it is the first."""
        yield from self._begin(step.row)
        ids = step.ids[step.changed].tolist()
        # By the sampler; or between two steps, where invalid UTF-8 is to be drawn again.
        remasked = (
            (self._canvas[step.row] != step.ids).index_fill(0, step.changed, False).nonzero().squeeze(-1).tolist()
        )
        self._canvas[step.row] = step.ids
        yield _line(
            {
                "row": step.row,
                "step": step.step,
                "t": step.t,
                "sigma": step.sigma,
                "nfe": step.nfe,
                **({"remasked": remasked} if remasked else {}),
                "positions": step.changed.tolist(),
                "ids": ids,
                "pieces": self._pieces(ids),
                "probability": step.probability.tolist(),
                "entropy": step.entropy.tolist(),
            }
        )

    def edit(self, state: State, label: str) -> Iterator[bytes]:
        """Yield the canvas after a manual edit, and its free positions."""
        yield from self._begin(state.row)
        self._canvas[state.row] = state.ids
        ids, free = state.ids.tolist(), state.free.nonzero().squeeze(-1).tolist()
        yield _line({"row": state.row, "edit": label, "ids": ids, "pieces": self._pieces(ids), "free": free})

    def _begin(self, row: int) -> Iterator[bytes]:
        if row not in self._canvas:
            start = self._job.start(row)
            self._canvas[row], ids = start.ids, start.ids.tolist()
            yield _line({"row": row, "ids": ids, "pieces": self._pieces(ids), **self._job.row_header(row)})

    def _pieces(self, ids: list[int]) -> list[str | None]:
        tokenizer, mask_id = self._job.checkpoint.tokenizer, self._job.checkpoint.mask_id
        if tokenizer is None:
            return [None] * len(ids)
        # An end-of-text token has no bytes: write its name.
        ends = tokenizer.end_ids
        return [
            None if i == mask_id else tokenizer.id_to_token(i) if i in ends else bytes_to_token(tokenizer.bytes_of(i))
            for i in ids
        ]


class TraceWriter:
    """Records a job into a file that appears on `close`. Raises `SeddError` if the file cannot be written.

    A failure during the run is raised by `close`: the text matters more than its trace.
    """

    def __init__(self, path: Path, job: Job) -> None:
        self._failure: SeddError | None = None
        self._tracer = Tracer(job)
        header = self._tracer.header()
        self._file = AtomicFile(path)
        self._file.write(header)

    def add(self, step: Step) -> None:
        if self._failure is not None:
            return
        try:
            for line in self._tracer.step(step):
                self._file.write(line)
        except SeddError as error:
            self._failure = error

    def close(self) -> None:
        """Move the file into place, complete up to the last step added."""
        if self._failure is not None:
            raise self._failure
        self._file.commit()

    def discard(self) -> None:
        self._file.discard()


def _line(record: dict[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
