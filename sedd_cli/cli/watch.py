"""Runs a job, shown and recorded: its steps as frames of the live view."""

from contextlib import ExitStack

from sedd_cli.cli.terminal import Terminal
from sedd_cli.generation.engine import Step
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.job import Job
from sedd_cli.generation.options import TABLE
from sedd_cli.generation.trace import TraceWriter
from sedd_cli.render.labels import network_label, run_title, step_label
from sedd_cli.render.live import Frame, LiveView, pieces_of
from sedd_cli.text.byte_level import end_of_text_position


def run_job(job: Job, terminal: Terminal, writer: TraceWriter | None, view: LiveView | None = None) -> bool:
    """Run a job to its end, shown and recorded where wanted; `view`: one that is open already.

    Returns False if interrupted.
    """
    needed = job.calls_needed() if terminal.enabled or terminal.live else 0
    try:
        with ExitStack() as stack:
            view = view or stack.enter_context(terminal.live_view(LiveView()))
            if view is not None:
                view.begin(title_of(job), needed, job.exact_calls)
            count = None if view else stack.enter_context(terminal.progress())
            if count is not None:
                count("network calls", 0, needed)
            for calls, step in enumerate(job.steps(), start=1):
                if writer is not None:
                    writer.add(step)
                if view is not None:
                    view.show(make_frame(job, step, calls))
                if count is not None:
                    count("network calls", calls, needed)
    except KeyboardInterrupt:
        return False
    return True


def report_steps(job: Job, requested: int, terminal: Terminal) -> None:
    """Report where the sampler takes other steps than the requested ones."""
    if job.request.steps != requested:
        terminal.info(f"{job.request.sampler} takes the checkpoint's own {job.request.steps} steps, not {requested}")
    chosen = next((n for n in ("per_call", "threshold") if getattr(job.request.asked, n) is not None), None)
    if chosen and requested != TABLE["steps"].default:
        terminal.info(f"{TABLE[chosen].label} says how many calls there are: --steps {requested} has no effect")


def title_of(job: Job) -> str:
    checkpoint, request = job.checkpoint, job.request
    described = f"{checkpoint.name}, {network_label(checkpoint.parameterization, checkpoint.parameters)}"
    return run_title(described, request.sampler, request.steps, request.seed)


def make_frame(job: Job, step: Step, calls: int) -> Frame:
    """The canvas after `step`; `calls` network calls were made in all."""
    checkpoint, ids = job.checkpoint, step.ids.tolist()
    tokenizer, mask_id = checkpoint.tokenizer, checkpoint.mask_id
    ends = tokenizer.end_ids if tokenizer else ()
    visible = [None if i == mask_id else i for i in ids]
    return Frame(
        pieces=pieces_of(tokenizer, visible) if tokenizer else [None if i is None else f" {i}" for i in visible],
        kept=frozenset((~step.state.free).nonzero().squeeze(-1).tolist()),
        changed=frozenset(step.changed.tolist()),
        end=end_of_text_position(ids, ends, begin=int(step.state.free.int().argmax())),
        row=job.label_of(step.row),
        step=step_label(
            step.step,
            job.request.steps,
            job.request.sampler,
            job.sampler_of(step.row).num_updates,
            wrote=len(step.changed) > 0,
        ),
        t=step.t,
        calls=calls,
        infills=isinstance(job, Infilling),
    )
