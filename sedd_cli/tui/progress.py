"""How far a run is, in words: a share of its network calls, and the time that is left."""

from sedd_cli.render.labels import duration


def share_done(made: int, needed: int, exact: bool) -> str:
    """`62%` of the calls that a text needs; `≥62%` if `needed` is an upper bound. Never 100% before the last one."""
    share = 100 * made // needed if needed else 100
    return f"{'' if exact else '≥'}{share}%"


def time_left(seconds: float, exact: bool) -> str:
    """`1.4 s left`; `≤1.4 s left` if the seconds are an upper bound."""
    return f"{'' if exact else '≤'}{duration(max(0.1, seconds))} left"
