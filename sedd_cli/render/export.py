"""Export a recorded run to a file: an SVG picture, an HTML page or an asciicast."""

import math
from typing import Literal, get_args

from sedd_cli.errors import UsageError
from sedd_cli.generation.recording import RecordedSample
from sedd_cli.render.replay import default_speed

ExportFormat = Literal["svg", "html", "cast"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
DEFAULT_WIDTH, MIN_WIDTH, MAX_WIDTH = 88, 20, 500
MIN_SPEED, MAX_SPEED = 0.01, 10_000


def export(
    sample: RecordedSample,
    format: ExportFormat,
    *,
    step: int | None = None,
    speed: float | None = None,
    width: int = DEFAULT_WIDTH,
) -> bytes:
    """Export one text of a recording as a self-contained file.

    `svg`: a picture of one step (default: the last). `html`: a page with playback and a slider, which opens at `step`
    if given. `cast`: an asciicast. `step`: number of the moment, 0 is the start; `speed`: steps a second; `width`: of
    the canvas, in characters. Raises `UsageError` for an option that does not apply or is out of range.
    """
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise UsageError(f"the width must be {MIN_WIDTH} to {MAX_WIDTH} characters, not {width}")
    if step is not None:
        sample.check(step)
    steps_per_second = check_speed(speed) or default_speed(sample)
    if format == "svg":
        if speed is not None:
            raise UsageError("a picture has no speed", "Leave --speed out, or export html or cast.")
        return _picture(sample, sample.last if step is None else step, width)
    if format == "html":
        from sedd_cli.render.page import page

        return page(sample, opens=step, speed=steps_per_second, width=width).encode()
    if step is not None:
        raise UsageError("a cast shows every step, not one", "Leave --step out, or export svg or html.")
    from sedd_cli.render.cast import cast

    return "".join(cast(sample, steps_per_second, width)).encode()


def check_speed(speed: float | None) -> float | None:
    """Returns the speed, or None. Raises `UsageError` if it is out of range."""
    if speed is not None and not (math.isfinite(speed) and MIN_SPEED <= speed <= MAX_SPEED):
        raise UsageError(f"the speed must be {MIN_SPEED} to {MAX_SPEED} steps a second, not {speed}")
    return speed


def _picture(sample: RecordedSample, step: int, width: int) -> bytes:
    from sedd_cli.render.live import LiveView, height_of
    from sedd_cli.render.palette import GLOW
    from sedd_cli.render.picture import picture
    from sedd_cli.render.replay import make_frame, title_of

    view = LiveView(title_of(sample.header), sample.calls, True, clock=None)
    # The earlier moments are those whose words still glow.
    for number in range(max(0, step - len(GLOW) + 1), step + 1):
        view.show(frame := make_frame(sample, sample.at(number)))
    return picture(view, "sedd", width, height_of(frame, width)).encode()
