"""Steps of a run as frames of the live view."""

from sedd_cli.generation.engine import Run, Step
from sedd_cli.render.live import Frame


def title_of(run: Run) -> str:
    checkpoint, request = run.checkpoint, run.request
    size = (
        f"{checkpoint.parameters / 1e6:.1f}M" if checkpoint.parameters < 1e8 else f"{checkpoint.parameters / 1e6:.0f}M"
    )
    return f"sedd  {checkpoint.name}, {checkpoint.form} {size}  {request.sampler} {request.steps}  seed {run.seed}"


def frame_of(run: Run, step: Step, calls: int) -> Frame:
    """The canvas after `step`, of which `calls` calls have been made in all."""
    checkpoint, ids = run.checkpoint, step.ids.tolist()
    tokenizer, mask_id = checkpoint.tokenizer, checkpoint.mask_id
    end_id = tokenizer.end_of_text_id if tokenizer else None
    known = [None if i == mask_id else i for i in ids]
    spelled = tokenizer.spell(known) if tokenizer else [f" {i}" for i in ids]
    return Frame(
        pieces=[None if i is None else "¶" if i == end_id else text for i, text in zip(known, spelled, strict=True)],
        kept=frozenset((~run.canvas.free).nonzero().squeeze(-1).tolist()),
        changed=frozenset(step.changed.tolist()),
        end=ids.index(end_id) if end_id in ids else len(ids),
        row=f"text {step.row - run.rows.start + 1}/{len(run.rows)}" if len(run.rows) > 1 else "",
        step=_label(run, step),
        t=step.t,
        calls=calls,
    )


def _label(run: Run, step: Step) -> str:
    if run.request.sampler == "first-hitting":
        return f"token {step.step}/{run.sampler.steps}"
    steps = run.request.steps
    return f"step {step.step}/{steps}" if step.step <= steps else "denoising step"
