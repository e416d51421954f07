"""Every random number of a sample, drawn from (seed, row) and a key: nothing else decides a text.

NumPy's `SeedSequence` hashes the whole key (torch's CPU generator keeps 32 bits of a seed, too few for bulk
generation), and its doubles carry 53 random bits.
"""

import numpy as np
import torch
from torch import Tensor

# The first word of a key says what the numbers are for, so that no two uses can meet.
START, REMASK, MOVE, MONTE_CARLO, CUT = range(5)


def uniforms(seed: int, row: int, *key: int, size: int) -> Tensor:
    """`size` float64 uniforms in [0, 1) on the CPU, a pure function of (seed, row, key)."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(row, *key))
    return torch.from_numpy(np.random.Generator(np.random.Philox(sequence)).random(size))


def fresh_seed() -> int:
    """A seed that was not asked for: 32 random bits, short enough to be typed again."""
    return int(np.random.SeedSequence().generate_state(1)[0])
