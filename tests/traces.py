"""Real runs, recorded, for tests of what reads them."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from sedd_cli import Checkpoint, Gap, Request, Run, Step
from sedd_cli.diffusion.branching import remask, write
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.job import Job
from sedd_cli.generation.trace import Tracer

STORY = "Once upon a time there was a dog. He saw a cat.\r\n" * 6


def record(job: Job, stop: int | None = None) -> tuple[list[bytes], list[Step]]:
    """Carry a job out: the lines of its trace, and its steps."""
    tracer, lines, steps = Tracer(job), [], []
    lines.append(tracer.header())
    for step in job.steps():
        lines += tracer.step(step)
        steps.append(step)
        if len(steps) == stop:
            break
    return lines, steps


def two_windows(checkpoint: Checkpoint, **options: object) -> Infilling:
    """A document with gaps too far apart for one canvas, one of them broken by a line ending."""
    settings = {"steps": 8, "seed": 5, "length": 24, **options}
    gaps = [Gap(20, 33, 5), Gap(45, 52, 3), Gap(240, 262, 6)]
    infilling = Infilling(checkpoint, Request(**settings), STORY, gaps)  # type: ignore[arg-type]
    assert len(infilling.windows) > 1
    return infilling


def redrawn(checkpoint: Checkpoint) -> Infilling:
    """Almost every draw is no text at first."""
    request = Request(steps=256, seed=3, num_samples=2, temperature=1000.0)
    return Infilling(checkpoint, request, "One day a dog went home. " * 4, [Gap(20, 60, 100)])


def held(checkpoint: Checkpoint) -> Branch:
    """A run that was stopped, changed by hand in three ways, and carried on."""
    job = Run(checkpoint, Request(length=24, steps=12, seed=2, prompt="Once upon", suffix=" happy."))
    branch = _carried(Branch.begin(job, 0), 6)
    (state,) = branch.tip.states
    written = ((state.ids != job.checkpoint.mask_id) & state.free).nonzero().squeeze(-1)
    branch = branch.edited(branch.last, {0: write(state, written[:1], torch.tensor([300]))}, "chose '\x1b[31m'")
    branch = branch.edited(branch.last, {0: remask(job.sampler, branch.tip.states[0], written[1:3])}, "remasked 2")
    # The prompt's last token is given away, too.
    free = branch.tip.states[0].free.index_fill(0, torch.tensor([1]), True)
    branch = branch.edited(branch.last, {0: replace(branch.tip.states[0], free=free)}, "unlocked 1 token")
    branch = branch.edited(
        branch.last, {0: remask(job.sampler, branch.tip.states[0], torch.tensor([1]))}, "remasked </script> 1"
    )
    return _carried(branch, 100)


def _carried(branch: Branch, most: int) -> Branch:
    steps: Iterator[Step] = branch.resume()
    for _, step in zip(range(most), steps, strict=False):
        branch.add(step)
    return branch
