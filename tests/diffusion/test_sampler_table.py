"""The table of samplers agrees with the types, the processes and the modules that it names."""

from importlib import import_module
from itertools import product
from typing import get_args

import pytest
import torch

from sedd_cli.diffusion.names import BY_NAME, SAMPLERS, NoiseSampler, ProcessName, SamplerEntry, SamplerName, ScoreUse
from sedd_cli.diffusion.processes import Absorbing, Causal, Process, Uniform
from sedd_cli.diffusion.samplers import Sampler, default_sampler, make_sampler
from sedd_cli.diffusion.schedules import Discrete, LogLinear
from sedd_cli.errors import UsageError

PROCESSES: dict[ProcessName, Process] = {"absorbing": Absorbing(3), "uniform": Uniform(3), "causal": Causal(3)}
CHAIN = Discrete(LogLinear(), 4)


def made(entry: SamplerEntry, process: Process, score: ScoreUse) -> Sampler:
    noise = CHAIN if entry.grid == "chain" else LogLinear()
    return make_sampler(process, noise, name=entry.name, score=score, steps=6, free=torch.arange(3) >= 1)


def test_the_names_are_those_of_the_types() -> None:
    assert tuple(BY_NAME) == get_args(SamplerName)
    assert tuple(entry.name for entry in SAMPLERS if entry.factories.keys() != {"causal"}) == get_args(NoiseSampler)
    assert set(PROCESSES) == set(get_args(ProcessName))
    assert all(entry.summary and "\n" not in entry.summary for entry in SAMPLERS)


def test_every_process_has_a_default() -> None:
    assert [default_sampler(process) for process in PROCESSES.values()] == ["tweedie", "tweedie", "left-to-right"]


@pytest.mark.parametrize("entry", SAMPLERS, ids=lambda entry: entry.name)
def test_every_factory_exists(entry: SamplerEntry) -> None:
    for place in {*entry.factories.values(), *entry.raw_factories.values()}:
        module, function = place.split(":")
        assert callable(getattr(import_module(f"sedd_cli.diffusion.samplers.{module}"), function))


@pytest.mark.parametrize(
    ("entry", "name", "score"), [*product(SAMPLERS, PROCESSES, get_args(ScoreUse))], ids=lambda v: getattr(v, "name", v)
)
def test_a_sampler_is_made_where_the_table_has_it(entry: SamplerEntry, name: ProcessName, score: ScoreUse) -> None:
    """Steps: those of the grid and the denoising step, those of the chain, or one a free position."""
    if name not in (entry.raw_factories if score == "raw" else entry.factories):
        with pytest.raises(UsageError, match=entry.name):
            made(entry, PROCESSES[name], score)
        return
    steps = {"steps": 7, "chain": CHAIN.steps, "token by token": 2}
    assert made(entry, PROCESSES[name], score).num_updates == steps[entry.grid]
