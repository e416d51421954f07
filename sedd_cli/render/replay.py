"""A recorded run as frames of the live view."""

from sedd_cli.generation.recording import RecordedCanvas, RecordedMoment, RecordedSample
from sedd_cli.generation.trace_lines import Header, StepLine
from sedd_cli.render.labels import run_title, step_label
from sedd_cli.render.live import Frame
from sedd_cli.text.spelling import spell

END = "¶"
"""How an end-of-text token is shown."""
SECONDS, SLOWEST = 10, 2
"""A run takes so many seconds, at no less than so many steps a second."""


def title_of(header: Header) -> str:
    return run_title(header.checkpoint, header.sampler, header.steps, header.seed)


def frame_of(sample: RecordedSample, moment: RecordedMoment) -> Frame:
    """The canvas that a moment was on. It shows what was shown when the run was watched."""
    canvas = moment.canvas
    return Frame(
        pieces=shown(sample, canvas),
        kept=frozenset(range(len(canvas.cells))) - canvas.free,
        changed=moment.changed,
        end=sample.end_of(canvas),
        row=label_of(sample.header, canvas.row),
        step=step_of(sample.header, moment),
        t=moment.line.t if isinstance(moment.line, StepLine) else None,
        calls=moment.calls,
    )


def shown(sample: RecordedSample, canvas: RecordedCanvas) -> list[str | None]:
    """The characters that each position shows; None is MASK."""
    spelled = spell(cell.piece for cell in canvas.cells)
    return [
        None if cell.piece is None else END if sample.ends_text(cell) else text
        for cell, text in zip(canvas.cells, spelled, strict=True)
    ]


def label_of(header: Header, row: int) -> str:
    """Which of several a row is, "" where there is one (as `Job.label_of` has it)."""
    windows = len(header.layouts)
    n, number = len(header.rows) // windows, (row - header.rows.start) // windows + 1
    name = "candidate" if header.infills else "text"
    parts = [f"{name} {number}/{n}"] * (n > 1) + [f"window {row % windows + 1}/{windows}"] * (windows > 1)
    return ", ".join(parts)


def step_of(header: Header, moment: RecordedMoment) -> str:
    """What happened: a step, by the grid of its sampler, or an edit."""
    line = moment.line
    if line is None:
        return "start"
    if not isinstance(line, StepLine):
        return f"edited: {line.edit}"
    return step_label(line.step, header.steps, header.sampler, tokens=header.layout(line.row).steps)


def speed_of(sample: RecordedSample) -> float:
    """Steps a second at which a text is played unless asked otherwise."""
    return max(SLOWEST, sample.last / SECONDS)
