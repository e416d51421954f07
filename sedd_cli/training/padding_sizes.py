"""Sizes of elastic gaps in training, which recipes are checked against. Imports no torch."""

from sedd_cli.diffusion.names import SLOTS

SIZES = SLOTS
"""Slots of an elastic gap."""

SHARES = (3, 2, 1)
"""How often each size is drawn."""

SHORTEST = SIZES[0] + 2
"""Positions of the shortest canvas with one: the smallest gap, the PAD that closes it, and a token beside it."""
