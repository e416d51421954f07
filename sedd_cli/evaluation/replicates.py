"""Independent replicates of an estimate: how many at a time, and how many an error takes."""

import math

from sedd_cli.errors import UsageError

ROUND = 2
"""Replicates between two looks at the clock and the keyboard: the fewest that have a spread."""


def next_round(left: int) -> int:
    """How many of the `left` to make now: a round, or all where one replicate alone would be left over."""
    return left if left <= ROUND + 1 else ROUND


def check_until_error(target: float | None) -> None:
    """Raises `UsageError` for an error that cannot be asked for."""
    if target is not None and not 0 < target < math.inf:
        raise UsageError(f"until_error must be above 0, not {target}", "It is in nats a token: try 0.01.")


def replicates_needed(made: int, error: float, target: float) -> int:
    """Replicates that an error of `target` takes, as far as the `error` of those `made` can tell.

    They are all made before the error is looked at again: stopping at the first low value seen would be too early.
    """
    return made if error <= target else max(math.ceil(made * (error / target) ** 2), made + ROUND)
