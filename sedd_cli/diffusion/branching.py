"""Branching: edit a state and resume from it (docs/theory.md, section 15).

A state without edits resumes exactly. Positions not yet revealed keep their reveal times; remasked ones draw new
numbers, keyed by (position, visit), and the run restarts at `m = max(m(t), masked / L)`.
"""

from dataclasses import replace

from torch import Tensor

from sedd_cli.diffusion.samplers.state import Sampler, State


def remask(sampler: Sampler, state: State, positions: Tensor) -> State:
    """Remask positions (k,), so that they are drawn again. Absorbing process only."""
    return sampler.remask(state, positions)


def write(state: State, positions: Tensor, tokens: Tensor) -> State:
    """Set positions (k,) to tokens (k,) and clamp them."""
    return replace(
        state, ids=state.ids.index_copy(0, positions, tokens), free=state.free.index_fill(0, positions, False)
    )
