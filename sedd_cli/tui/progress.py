"""How far a run is, in words: a share of its network calls, and the time that is left."""


def share_done(made: int, needed: int, exact: bool) -> str:
    """`62%` of the calls that a text needs; `≥62%` if `needed` is an upper bound. Never 100% before the last one."""
    share = 100 * made // needed if needed else 100
    return f"{'' if exact else '≥'}{share}%"


def time_left(seconds: float, exact: bool) -> str:
    """`1.4 s left`; `≤1.4 s left` if the seconds are an upper bound."""
    return f"{'' if exact else '≤'}{duration(seconds)} left"


def duration(seconds: float) -> str:
    """Two digits of a time: `1.4 s`, `23 s`, `4 min`, `2.5 h`."""
    if seconds < 9.95:
        return f"{max(0.1, seconds):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
