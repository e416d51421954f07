"""Recorded runs as files that show them elsewhere: a picture, a page, a cast."""

import math
from typing import Literal, get_args

from sedd_cli.errors import UsageError
from sedd_cli.generation.recording import RecordedSample
from sedd_cli.render.replay import speed_of

Kind = Literal["svg", "html", "cast"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WIDTH, NARROWEST, WIDEST = 88, 20, 500
SLOWEST, FASTEST = 0.01, 10_000


def export(
    sample: RecordedSample, kind: Kind, *, step: int | None = None, speed: float | None = None, width: int = WIDTH
) -> bytes:
    """One text of a recording as a file that needs nothing else.

    `svg`: a picture of one step (by default the last). `html`: a page that plays and scrubs, and opens at `step` if
    that is given. `cast`: an asciicast. `step` counts moments, 0 is the start; `speed` is steps a second; `width` is
    that of the canvas in characters. Raises `UsageError` for what does not apply or is out of range.
    """
    if not NARROWEST <= width <= WIDEST:
        raise UsageError(f"the width must be {NARROWEST} to {WIDEST} characters, not {width}")
    if step is not None:
        sample.check(step)
    pace = checked_speed(speed) or speed_of(sample)
    if kind == "svg":
        if speed is not None:
            raise UsageError("a picture has no speed", "Leave --speed out, or export html or cast.")
        return _picture(sample, sample.last if step is None else step, width)
    if kind == "html":
        from sedd_cli.render.page import page

        return page(sample, opens=step, speed=pace, width=width).encode()
    if step is not None:
        raise UsageError("a cast shows every step, not one", "Leave --step out, or export svg or html.")
    from sedd_cli.render.cast import cast

    return "".join(cast(sample, pace, width)).encode()


def checked_speed(speed: float | None) -> float | None:
    """The speed, or None. Raises `UsageError` for what is none."""
    if speed is not None and not (math.isfinite(speed) and SLOWEST <= speed <= FASTEST):
        raise UsageError(f"the speed must be {SLOWEST} to {FASTEST} steps a second, not {speed}")
    return speed


def _picture(sample: RecordedSample, step: int, width: int) -> bytes:
    from sedd_cli.render.live import LiveView, height_of
    from sedd_cli.render.picture import picture
    from sedd_cli.render.replay import frame_of, title_of

    frame = frame_of(sample, sample.at(step))
    view = LiveView(title_of(sample.header), sample.calls, True, clock=None)
    view.show(frame)
    return picture(view, "sedd", width, height_of(frame, width)).encode()
