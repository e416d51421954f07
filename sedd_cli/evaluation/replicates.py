"""Independent replicates of an estimate: the size of a round, and the number that a target error needs."""

import math

from sedd_cli.errors import UsageError

ROUND = 2
"""Replicates between two progress reports: the smallest number that has a spread."""


def next_round(left: int) -> int:
    """Size of the next round: `ROUND`, or all that are `left` if a single replicate would remain."""
    return left if left <= ROUND + 1 else ROUND


def check_until_error(target: float | None) -> None:
    """Raises `UsageError` unless the target is None, or positive and finite."""
    if target is not None and not 0 < target < math.inf:
        raise UsageError(f"until_error must be above 0, not {target}", "It is in nats a token: try 0.01.")


def replicates_needed(made: int, error: float, target: float) -> int:
    """Estimate how many replicates an error of `target` needs, from the `error` of those `made`.

    All of them are run before the error is computed again: stopping at the first low value would be biased.
    """
    return made if error <= target else max(math.ceil(made * (error / target) ** 2), made + ROUND)
