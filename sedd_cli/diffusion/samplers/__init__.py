"""Samplers: from noise to tokens, one network call at a time. `diffusion.names.SAMPLERS` lists them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import get_args

import torch
from torch import Tensor

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.names import BY_NAME, SAMPLERS, ProcessName, SamplerName, ScoreUse
from sedd_cli.diffusion.processes import Absorbing, StateSpace
from sedd_cli.diffusion.samplers.blocks import make_blocks
from sedd_cli.diffusion.samplers.corrected import Corrected
from sedd_cli.diffusion.samplers.masked import MaskedSampler
from sedd_cli.diffusion.samplers.ordered import make_ordered
from sedd_cli.diffusion.samplers.remasking import make_remasking
from sedd_cli.diffusion.samplers.revised import Revised
from sedd_cli.diffusion.samplers.setup import Setup
from sedd_cli.diffusion.samplers.state import Change, Sampler, State
from sedd_cli.diffusion.schedules import Discrete, Schedule
from sedd_cli.diffusion.unmasking import Unmasking
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
    free: Tensor,
    logits_processor: LogitsProcessor | None = None,
    unmasking: Unmasking | None = None,
    end_ids: Sequence[int] = (),
    trained_block: int | None = None,
) -> Sampler:
    """The sampler for a canvas whose positions `free` (L,) bool are to be written.

    `ancestral` takes the steps that the `noise` of a D3PM has, not `steps`. `end_ids`: tokens that end a text.
    `trained_block`: the length of the blocks that the network was trained by, if it was.
    Raises `UsageError` for an unknown name, what the process does not have, or steps < 1.
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
    unmasking = unmasking or Unmasking()
    _check_unmasking(unmasking, process, name, score, trained_block)
    if unmasking.revise and not (logits_processor or LogitsProcessor()).truncates:
        raise UsageError(
            "revise writes anew what top-p, top-k or temperature 0 excludes, and they exclude nothing",
            "Add --top-p 0.9, for example.",
        )
    module, function = (entry.raw_factories if score == "raw" else entry.factories)[process_name].split(":")
    factory = getattr(import_module(f"{__name__}.{module}"), function)
    in_columns = _in_columns(process, logits_processor or LogitsProcessor())
    setup = Setup(process, noise, name, steps, free, in_columns, unmasking, tuple(end_ids), trained_block)
    return _blocks_or_run(setup, factory)


def _blocks_or_run(setup: Setup, factory: Callable[[Setup], Sampler]) -> Sampler:
    """The factory's sampler, or in its place what `setup.unmasking` asks for."""

    def make_run(setup: Setup) -> Sampler:
        unmasking = setup.unmasking
        make = make_ordered if unmasking.order != "random" else make_remasking if unmasking.remask else factory
        run = make(setup)
        if unmasking.correct:
            assert isinstance(run, MaskedSampler)
            run = Corrected(run, setup.noise, unmasking.correct)
        if unmasking.revise:
            assert isinstance(setup.process, Absorbing)
            run = Revised(run, setup.process, setup.noise, setup.logits_processor, unmasking.revise)
        return run

    return make_blocks(setup, make_run) if setup.block and setup.free_count else make_run(setup)


def _check_unmasking(
    unmasking: Unmasking, process: StateSpace, name: SamplerName, score: ScoreUse, trained_block: int | None
) -> None:
    if trained_block and unmasking.block not in (None, trained_block):
        raise UsageError(
            f"this checkpoint was trained by blocks of {trained_block}, not {unmasking.block}", "Leave out --block."
        )
    asked = unmasking.asked
    if asked is None:
        return
    if not isinstance(process, Absorbing):
        raise UsageError(
            f"{asked} needs the absorbing process; this checkpoint's is {_name_of(process)}", f"Leave out --{asked}."
        )
    if score == "raw":
        raise UsageError(f"{asked} reads what the network says as normalised", "Leave out --score raw.")
    if (unmasking.order != "random" or unmasking.remask) and name != "tweedie":
        raise UsageError(f"{asked} takes the place of the sampler {name}", "Leave out --sampler.")


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
