"""Random numbers of a sample, keyed by (seed, row) and a use: a text depends on nothing else.

NumPy's `SeedSequence` hashes the whole key (torch's CPU generator keeps 32 bits of a seed, too few for bulk
generation), and its doubles carry 53 random bits.
"""

import numpy as np
import torch
from torch import Tensor

# The first word of a key names the use, so that no two uses share numbers.
START, REMASK, MOVE, MONTE_CARLO, CUT, ORDER, REMDM, CORRECT, PARTIAL, PADDING, LENGTH = range(11)


def uniforms(seed: int, row: int, *key: int, size: int) -> Tensor:
    """`size` float64 uniforms in [0, 1) on the CPU, a pure function of (seed, row, key)."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(row, *key))
    return torch.from_numpy(np.random.Generator(np.random.Philox(sequence)).random(size))


def fresh_seed() -> int:
    """A fresh random seed of 32 bits, short enough to type."""
    return int(np.random.SeedSequence().generate_state(1)[0])
