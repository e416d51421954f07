"""The table of training objectives: names, where each is defined, and what it needs. Imports no torch.

A new objective is one entry here and one function in `objectives.py` (or in the module that the entry names). Recipes,
the divergence check, the cost of a plan and the default objectives are derived from this table.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias


@dataclass(frozen=True)
class ObjectiveInfo:
    """An objective: its function, in `module`, and a description of one line."""

    function: str
    description: str
    module: str = "sedd_cli.training.objectives"
    absorbing_only: bool = False
    """Defined for the absorbing process only."""
    autoregressive: bool = False
    """Predicts the next token: the only kind for the causal process, and a start for a diffusion network."""
    has_chain: bool = False
    """Needs the discrete-time chain of a D3PM, which the checkpoint's config then has."""
    has_simple_weight: bool = False
    """The function takes the recipe's `d3pm.simple_weight`."""
    implicit: bool = False
    """Reads a neighbour of the canvas for each of its positions: a network call for each."""
    checks_divergence: bool = True
    """Whether a rising loss means that the run diverges. False if the loss is known up to a constant only, or has rare
    values far above the rest."""
    takes_padding: bool = False
    """Takes canvases of which some positions are never noised. An autoregressive phase is given none."""
    default_for: str | None = None
    """The parameterization of checkpoints for which this is the default objective."""


OBJECTIVES: dict[str, ObjectiveInfo] = {
    "autoregressive": ObjectiveInfo(
        "next_token",
        "next-token cross entropy: the autoregressive baseline, or the first phase of a diffusion run",
        autoregressive=True,
        takes_padding=True,
        default_for="autoregressive",
    ),
    "lambda-dce": ObjectiveInfo(
        "lambda_dce", "RADD's lambda-denoising cross entropy, a bound", absorbing_only=True, takes_padding=True
    ),
    "ao": ObjectiveInfo(
        "any_order", "RADD's any-order autoregressive loss, a bound", absorbing_only=True, takes_padding=True
    ),
    "simple": ObjectiveInfo(
        "simple",
        "ao with every masked token weighted alike: no bound, less noisy",
        absorbing_only=True,
        takes_padding=True,
        default_for="RADD",
    ),
    "t-dce": ObjectiveInfo("t_dce", "RADD's denoising cross entropy in t", absorbing_only=True),
    "dwdse": ObjectiveInfo("dwdse", "SEDD's diffusion-weighted denoising score entropy", default_for="SEDD"),
    "ise": ObjectiveInfo("ise", "implicit score entropy, for small problems", implicit=True, checks_divergence=False),
    "csm": ObjectiveInfo(
        "csm", "implicit concrete score matching, for small problems", implicit=True, checks_divergence=False
    ),
    "dcsm": ObjectiveInfo("dcsm", "denoising concrete score matching", checks_divergence=False),
    "d3pm-vb": ObjectiveInfo("d3pm_vb", "D3PM's variational bound L_vb", has_chain=True),
    "d3pm-simple": ObjectiveInfo("d3pm_simple", "D3PM's L_simple, the cross entropy of x0", has_chain=True),
    "d3pm-hybrid": ObjectiveInfo(
        "d3pm_hybrid", "D3PM's L_vb + lambda L_simple", has_chain=True, has_simple_weight=True, default_for="D3PM"
    ),
}

DEFAULT_OBJECTIVES = {info.default_for: name for name, info in OBJECTIVES.items() if info.default_for is not None}
"""The default objective of each parameterization."""

if TYPE_CHECKING:
    ObjectiveName: TypeAlias = str
else:
    ObjectiveName = Literal[tuple(OBJECTIVES)]
    """Names of the objectives, as recipes are validated against them."""
