"""Taking hold of a run: edit a state, and go on from there (DESIGN section 2, "Branching").

A state without edits goes on exactly as it did. Positions not yet revealed keep their reveal times; remasked ones
draw new numbers, keyed by (position, visit), and the run starts again at `m = max(m(t), masked / L)`.
"""

from dataclasses import replace

from torch import Tensor

from sedd_cli.diffusion.samplers.state import Sampler, State


def remask(sampler: Sampler, state: State, positions: Tensor) -> State:
    """Give positions (k,) back to the process, to be written anew. The absorbing process only."""
    return sampler.remask(state, positions)


def write(state: State, positions: Tensor, tokens: Tensor) -> State:
    """Set positions (k,) to tokens (k,) and clamp them: the run goes on around them."""
    return replace(
        state,
        ids=state.ids.index_copy(0, positions, tokens),
        free=state.free.index_fill(0, positions, False),
    )
