"""Samplers: from noise to tokens, one network call at a time."""

from dataclasses import replace
from typing import get_args

import torch

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.grid import make_grid
from sedd_cli.diffusion.names import SamplerName, ScoreUse
from sedd_cli.diffusion.processes import Absorbing, Causal, Process, StateSpace, Uniform
from sedd_cli.diffusion.samplers.ancestral import make_ancestral
from sedd_cli.diffusion.samplers.left_to_right import LeftToRight
from sedd_cli.diffusion.samplers.raw import RawScore
from sedd_cli.diffusion.samplers.reveal_first import FirstHitting, RevealFirst
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.samplers.uniform import UniformSteps
from sedd_cli.diffusion.schedules import Discrete, Schedule
from sedd_cli.errors import UsageError

__all__ = ["Change", "Sampler", "State", "default_sampler", "make_sampler"]


def default_sampler(process: StateSpace) -> SamplerName:
    return "left-to-right" if isinstance(process, Causal) else "tweedie"


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
    if name not in get_args(SamplerName):
        raise UsageError(f"unknown sampler {name!r}", f"Choose one of {', '.join(get_args(SamplerName))}.")
    if score not in get_args(ScoreUse):
        raise UsageError(f"unknown score {score!r}", f"Choose one of {', '.join(get_args(ScoreUse))}.")
    logits_processor = _in_columns(process, logits_processor or LogitsProcessor())
    if (name == "left-to-right") != isinstance(process, Causal):
        raise UsageError(
            f"the sampler {name} does not fit this checkpoint's process, {type(process).__name__.lower()}",
            f"Use {default_sampler(process)}.",
        )
    if score == "raw" and name in ("first-hitting", "ancestral", "left-to-right"):
        raise UsageError(f"{name} reads what the network says as normalised", "Leave out --score raw.")
    if name == "left-to-right":
        assert isinstance(process, Causal)
        return LeftToRight(process, logits_processor, free)
    if name == "ancestral":
        assert isinstance(process, Process)
        if not isinstance(noise, Discrete):
            raise UsageError("the sampler ancestral needs a D3PM, a chain of T steps", "Use tweedie.")
        return make_ancestral(process, noise, logits_processor, free / length)
    if isinstance(process, Uniform):
        if name == "first-hitting":
            raise UsageError("first-hitting needs the absorbing process; this checkpoint's is uniform", "Use tweedie.")
        return UniformSteps(process, make_grid(noise, steps), name, logits_processor)
    if not isinstance(process, Absorbing):
        raise TypeError(f"no sampler for {process}")
    if name == "first-hitting":
        return FirstHitting(process, logits_processor, noise, free / length, free)
    if score == "raw":
        return RawScore(process, logits_processor, make_grid(noise, steps), name)
    grid = make_grid(noise, steps, masked_fraction=free / length)
    return RevealFirst(process, logits_processor, grid, name, grid.survival(name))


def _in_columns(process: StateSpace, logits_processor: LogitsProcessor) -> LogitsProcessor:
    """The same with the columns of `Scored` in place of token ids."""
    if process.ids_are_columns:
        return logits_processor
    forbidden, forbidden_at_space = (
        tuple(process.column_of(torch.tensor([i for i in ids if i != process.mask_id], dtype=torch.int64)).tolist())
        for ids in (logits_processor.forbidden, logits_processor.forbidden_at_space)
    )
    return replace(logits_processor, forbidden=forbidden, forbidden_at_space=forbidden_at_space)
