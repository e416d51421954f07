"""Traces: a run as JSON lines, from which it can be shown again without the model.

First a header; then, for each row, a line with its canvas at the start, and a line for each of its steps, or with its
canvas again after each edit by hand. Where a
document of several windows is filled, row `r W + w` of the trace is window w of candidate r. Tokens are written both as
ids and as the vocabulary spells them (`Ġthe`), so that no tokenizer is needed; MASK is null.
"""

import json
from dataclasses import asdict
from pathlib import Path

import sedd_cli
from sedd_cli.atomic import AtomicFile
from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.engine import Step
from sedd_cli.generation.job import Job

FORMAT = "sedd-trace"
VERSION = 1


class TraceWriter:
    """Records a job into a file that appears when it is closed. Raises `SeddError` if it cannot be written."""

    def __init__(self, path: Path, job: Job) -> None:
        self._job = job
        self._rows: set[int] = set()
        header = self._header()
        self._file = AtomicFile(path)
        self._line(header)

    def add(self, step: Step) -> None:
        self._begin(step.row)
        ids = step.ids[step.changed].tolist()
        self._line(
            {
                "row": step.row,
                "step": step.step,
                "t": step.t,
                "sigma": step.sigma,
                "nfe": step.nfe,
                "positions": step.changed.tolist(),
                "ids": ids,
                "pieces": self._pieces(ids),
                "probability": step.probability.tolist(),
                "entropy": step.entropy.tolist(),
            }
        )

    def edit(self, state: State, what: str) -> None:
        """A canvas as it stands after it was changed by hand, and which positions are free."""
        self._begin(state.row)
        ids, free = state.ids.tolist(), state.free.nonzero().squeeze(-1).tolist()
        self._line({"row": state.row, "edit": what, "ids": ids, "pieces": self._pieces(ids), "free": free})

    def _begin(self, row: int) -> None:
        if row not in self._rows:
            self._rows.add(row)
            ids = self._job.start(row).ids.tolist()
            self._line({"row": row, "ids": ids, "pieces": self._pieces(ids)})

    def close(self) -> None:
        """Put the file in its place, whole as far as the run went."""
        self._file.commit()

    def discard(self) -> None:
        self._file.discard()

    def _header(self) -> dict[str, object]:
        job, checkpoint = self._job, self._job.checkpoint
        return {
            "format": FORMAT,
            "version": VERSION,
            "sedd": sedd_cli.__version__,
            "checkpoint": {"name": checkpoint.name, "sha256": checkpoint.hash},
            "settings": asdict(job.request),
            "seed": job.seed,
            "mask_id": checkpoint.mask_id,
            "end_of_text_id": checkpoint.tokenizer.end_of_text_id if checkpoint.tokenizer else None,
            **job.header(),
        }

    def _pieces(self, ids: list[int]) -> list[str | None]:
        tokenizer, mask_id = self._job.checkpoint.tokenizer, self._job.checkpoint.mask_id
        return [None if i == mask_id or tokenizer is None else tokenizer.piece(i) for i in ids]

    def _line(self, record: dict[str, object]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
