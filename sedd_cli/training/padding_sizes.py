"""Sizes of elastic gaps in training, which recipes are checked against. Imports no torch."""

SIZES = (8, 16, 32)
"""Slots of an elastic gap."""

SHARES = (3, 2, 1)
"""How often each size is drawn."""

SHORTEST = SIZES[0] + 2
"""Positions of the shortest canvas with one: the smallest gap, the PAD that closes it, and a token beside it."""
