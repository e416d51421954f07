"""Samplers and estimators by name: a table that needs no torch, for lists, help and completion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

NoiseSampler = Literal["tweedie", "euler", "ancestral", "first-hitting"]
"""Samplers of a process with noise; the settings of the TUI offer them."""
SamplerName = Literal[NoiseSampler, "left-to-right"]
ScoreUse = Literal["normalised", "raw"]
OrderName = Literal["random", "confidence", "margin", "entropy", "left-to-right"]
"""Which masked positions are written first; `random` is the law of the process."""
RemaskName = Literal["cap", "rescale", "confidence", "loop"]
"""ReMDM's ways to return written tokens to MASK (2503.00307)."""
MaskedFirst = Literal["random", "unlikely"]
"""Which tokens of a text that stands are masked first."""
ProcessName = Literal["absorbing", "uniform", "causal"]
SLOTS = (8, 16, 32)
"""Slots of the elastic gaps that networks with PAD are trained on (`diffusion.padding`)."""
Estimator = Literal["lambda", "ao", "elbo", "d3pm", "autoregressive", "dwdse"]


@dataclass(frozen=True)
class SamplerEntry:
    """A sampler by name.

    `factories`: for each process that it serves, `module:function` below `diffusion.samplers`, called with a `Setup`;
    `raw_factories`: the same for unnormalised scores, empty where the sampler does not read them. `grid`: who sets the
    number of steps: the request (`steps`), the canvas (one token a step) or the checkpoint (a chain of T steps).
    """

    name: SamplerName
    summary: str
    grid: Literal["steps", "token by token", "chain"]
    factories: Mapping[ProcessName, str]
    raw_factories: Mapping[ProcessName, str] = field(default_factory=dict)


_GRID: Mapping[ProcessName, str] = {"absorbing": "reveal_first:make_reveal_first", "uniform": "uniform:make_uniform"}
_RAW_GRID: Mapping[ProcessName, str] = {"absorbing": "raw:make_raw", "uniform": "uniform:make_uniform"}
_CHAIN: Mapping[ProcessName, str] = {"absorbing": "ancestral:make_ancestral", "uniform": "ancestral:make_ancestral"}

SAMPLERS = (
    SamplerEntry("tweedie", "Analytic steps on a grid of times.", "steps", _GRID, _RAW_GRID),
    SamplerEntry("euler", "Tau-leaping on a grid of times.", "steps", _GRID, _RAW_GRID),
    SamplerEntry("ancestral", "The reverse steps of a D3PM's own chain.", "chain", _CHAIN),
    SamplerEntry(
        "first-hitting",
        "One token at a time, each at its own time.",
        "token by token",
        {"absorbing": "reveal_first:make_first_hitting"},
    ),
    SamplerEntry(
        "left-to-right",
        "One token at a time, from left to right.",
        "token by token",
        {"causal": "left_to_right:make_left_to_right"},
    ),
)
"""All samplers; the first that serves a process is its default."""

BY_NAME: Mapping[str, SamplerEntry] = {entry.name: entry for entry in SAMPLERS}
TOKEN_BY_TOKEN = {entry.name for entry in SAMPLERS if entry.grid == "token by token"}
"""Samplers that have no grid: each step writes one token."""
GRIDLESS = {entry.name for entry in SAMPLERS if entry.grid != "steps"}
"""Samplers that do not take their number of steps from the request."""
