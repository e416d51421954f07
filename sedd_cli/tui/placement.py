"""Where a popup stands: beside what it is about."""

from textual.geometry import Region, Size

LEAST = 6
"""The fewest rows of use; where there are fewer above and below, all of the screen is taken."""


def beside(anchor: Region, screen: Size, wanted: Size) -> Region:
    """Below the anchor, or above it where there is more room, as near to the wanted size as the screen allows.

    The anchor is not covered, unless a screen is too low for anything else.
    """
    width = min(wanted.width, screen.width)
    x = max(0, min(anchor.x - 1, screen.width - width))
    above, below = anchor.y, screen.height - anchor.bottom
    if max(above, below) < min(LEAST, wanted.height):
        return Region(x, 0, width, min(wanted.height, screen.height))
    if below >= wanted.height or below >= above:
        return Region(x, anchor.bottom, width, min(wanted.height, below))
    height = min(wanted.height, above)
    return Region(x, anchor.y - height, width, height)
