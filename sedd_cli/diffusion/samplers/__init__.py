"""Samplers: from noise to tokens, one network call at a time. `diffusion.names.SAMPLERS` lists them."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import get_args

import torch

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.names import BY_NAME, SAMPLERS, ProcessName, SamplerName, ScoreUse
from sedd_cli.diffusion.processes import StateSpace
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.schedules import Discrete, Schedule
from sedd_cli.errors import UsageError

__all__ = ["Change", "Sampler", "State", "default_sampler", "make_sampler"]


def default_sampler(process: StateSpace) -> SamplerName:
    """The first sampler of the table that serves a process."""
    return next(entry.name for entry in SAMPLERS if _name_of(process) in entry.factories)


def make_sampler(
    process: StateSpace,
    noise: Schedule,
    *,
    name: SamplerName = "tweedie",
    score: ScoreUse = "normalised",
    steps: int = 256,
    free: int,
    length: int,
    logits_processor: LogitsProcessor | None = None,
) -> Sampler:
    """The sampler for a canvas of `length` positions of which `free` are to be written.

    `ancestral` takes the steps that the `noise` of a D3PM has, not `steps`.
    Raises `UsageError` for an unknown name, a sampler that the process does not have, or steps < 1.
    """
    if name not in BY_NAME:
        raise UsageError(f"unknown sampler {name!r}", f"Choose one of {', '.join(BY_NAME)}.")
    if score not in get_args(ScoreUse):
        raise UsageError(f"unknown score {score!r}", f"Choose one of {', '.join(get_args(ScoreUse))}.")
    entry, process_name = BY_NAME[name], _name_of(process)
    if process_name not in entry.factories:
        hint = f"Use {default_sampler(process)}."
        if "causal" in (process_name, *entry.factories):
            raise UsageError(f"the sampler {name} does not fit this checkpoint's process, {process_name}", hint)
        served = " or ".join(entry.factories)
        raise UsageError(f"{name} needs the {served} process; this checkpoint's is {process_name}", hint)
    if score == "raw" and not entry.raw_factories:
        raise UsageError(f"{name} reads what the network says as normalised", "Leave out --score raw.")
    if entry.grid == "chain" and not isinstance(noise, Discrete):
        raise UsageError(f"the sampler {name} needs a D3PM, a chain of T steps", "Use tweedie.")
    module, function = (entry.raw_factories if score == "raw" else entry.factories)[process_name].split(":")
    factory = getattr(import_module(f"{__name__}.{module}"), function)
    in_columns = _in_columns(process, logits_processor or LogitsProcessor())
    sampler: Sampler = factory(Setup(process, noise, name, steps, free, length, in_columns))
    return sampler


def _name_of(process: StateSpace) -> ProcessName:
    name: ProcessName = type(process).__name__.lower()  # type: ignore[assignment]  # the table is tested against them
    return name


def _in_columns(process: StateSpace, logits_processor: LogitsProcessor) -> LogitsProcessor:
    """The same with the columns of `Scored` in place of token ids."""
    if process.ids_are_columns and process.mask_id not in logits_processor.forbidden:
        return logits_processor
    return replace(
        logits_processor,
        forbidden=_columns(process, logits_processor.forbidden),
        forbidden_at_space=_columns(process, logits_processor.forbidden_at_space),
        exclusions=tuple((at, _columns(process, tokens)) for at, tokens in logits_processor.exclusions),
    )


def _columns(process: StateSpace, ids: Sequence[int]) -> tuple[int, ...]:
    """The columns of tokens; MASK has none."""
    tokens = torch.tensor([i for i in ids if i != process.mask_id], dtype=torch.int64, device="cpu")
    return tuple(process.column_of(tokens).tolist())
