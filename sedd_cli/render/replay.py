"""A recorded run as frames of the live view."""

from sedd_cli.generation.recording import RecordedCanvas, RecordedMoment, RecordedSample
from sedd_cli.generation.trace_lines import Header, StepLine
from sedd_cli.render.labels import run_title, step_label
from sedd_cli.render.live import Frame
from sedd_cli.text.byte_level import decode_each

END = "¶"
"""The text of an end-of-text token."""
DEFAULT_SECONDS, MIN_SPEED = 10, 2
"""Seconds in which a run plays by default, and the lowest default speed in steps a second."""


def title_of(header: Header) -> str:
    return run_title(header.checkpoint, header.sampler, header.steps, header.seed)


def make_frame(sample: RecordedSample, moment: RecordedMoment) -> Frame:
    """The frame of a moment, equal to that of the live view when the run was recorded."""
    canvas = moment.canvas
    return Frame(
        pieces=piece_texts(sample, canvas),
        kept=frozenset(range(len(canvas.tokens))) - canvas.free,
        changed=moment.changed,
        end=sample.end_of_text_position(canvas),
        row=row_label(sample.header, canvas.row),
        step=moment_label(sample, moment),
        t=moment.line.t if isinstance(moment.line, StepLine) else None,
        calls=moment.calls,
        infills=sample.header.infills,
    )


def piece_texts(sample: RecordedSample, canvas: RecordedCanvas) -> list[str | None]:
    """The text of each position; None is MASK."""
    texts = decode_each(cell.piece for cell in canvas.tokens)
    return [
        None if cell.piece is None else END if sample.is_end_of_text(cell) else text
        for cell, text in zip(canvas.tokens, texts, strict=True)
    ]


def row_label(header: Header, row: int) -> str:
    """The number of a row's text and window, "" if there is only one (equal to `Job.label_of`)."""
    windows = len(header.layouts)
    n, number = len(header.rows) // windows, (row - header.rows.start) // windows + 1
    name = "candidate" if header.infills else "text"
    parts = [f"{name} {number}/{n}"] * (n > 1) + [f"window {row % windows + 1}/{windows}"] * (windows > 1)
    return ", ".join(parts)


def moment_label(sample: RecordedSample, moment: RecordedMoment) -> str:
    """The label of a moment: the start, a step, or an edit."""
    line, header = moment.line, sample.header
    if line is None:
        return "start"
    if not isinstance(line, StepLine):
        return f"edited: {line.edit}"
    return step_label(
        line.step, header.steps, header.sampler, updates=sample.layout(line.row).steps, wrote=bool(line.positions)
    )


def default_speed(sample: RecordedSample) -> float:
    return max(MIN_SPEED, sample.last / DEFAULT_SECONDS)
