"""Short texts that name a run, its steps, sizes and times, the same in all commands."""

from sedd_cli.diffusion.names import TOKEN_BY_TOKEN
from sedd_cli.ranges import size_label


def network_label(parameterization: str, parameters: int) -> str:
    """The parameterization and size of a network: `RADD 11.5M`."""
    return f"{parameterization} {size_label(parameters)}"


def run_title(checkpoint: str, sampler: str, steps: int, seed: int) -> str:
    """The title of a run; `checkpoint`: its name, with further description where there is any."""
    return f"sedd  {checkpoint}  {sampler} {steps}  seed {seed}"


def step_label(step: int, steps: int, sampler: str, updates: int | None = None, *, wrote: bool = True) -> str:
    """The label of step number `step` of so many `updates`: the steps of a grid and the denoising step, or others.

    One behind them that `wrote` nothing reads what is written (`diffusion.samplers.revised`).
    """
    if updates is not None and step > updates and not wrote:
        return "reading"
    if sampler in TOKEN_BY_TOKEN:
        return f"token {step}" if updates is None else f"token {step}/{updates}"
    if updates not in (None, steps + 1):
        return f"call {step}/{updates}"
    return f"step {step}/{steps}" if step <= steps else "denoising step"


def duration(seconds: float) -> str:
    """Two digits of a time: `1.4 s`, `23 s`, `4 min`, `2.5 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
