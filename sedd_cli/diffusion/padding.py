"""The length of an elastic gap: n slots that hold words, then PADs, and one clamped PAD behind them.

With all slots MASK, the probability of PAD at slot i (counted from 1) is that of fewer than i words: one network call
at the slots gives the whole law of the length.
"""

import torch
from torch import Tensor

ROUNDING = 1e-12


def length_law(pad: Tensor) -> tuple[Tensor, float]:
    """The probability of each length 0 ... n, from that of PAD at each slot: (n,) -> (n + 1,), both float64.

    What a network says need not grow from slot to slot: the nearest sequence that does is taken. Also returned is by
    how much the two differ at most, which is an error of the network.
    """
    below = isotonic(pad.double())
    law = torch.cat([below.new_zeros(1), below, below.new_ones(1)]).diff()
    # Pooled means are equal up to rounding, which is no probability.
    return law.masked_fill(law < ROUNDING, 0.0), float((below - pad).abs().max())


def isotonic(values: Tensor) -> Tensor:
    """The sequence that never falls and is nearest in least squares: (n,) -> (n,).

    At i it is the largest over a <= i of the smallest over b >= i of the means of a ... b (Robertson et al., Order
    Restricted Statistical Inference, 1988, theorem 1.4.4).
    """
    n = len(values)
    i = torch.arange(n, device=values.device)
    sums = torch.cat([values.new_zeros(1), values.cumsum(0)])
    length = i - i[:, None] + 1
    means = (sums[1:] - sums[:-1, None]) / length
    means = means.masked_fill(length < 1, torch.inf)
    smallest = means.flip(1).cummin(1).values.flip(1)
    return smallest.masked_fill(length < 1, -torch.inf).amax(0)
