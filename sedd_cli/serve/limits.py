"""What one request may ask of the server."""

from dataclasses import dataclass

MOST_ROWS = 64
"""Texts of one request."""
MOST_STEPS = 10_000
"""Of a request: grids are made in memory."""
MOST_ROUNDS = 64
"""Of reading a text again."""
MOST_GAPS = 256
"""Of a document."""
MOST_FILLED = 1024
"""Gaps of a document times its candidates: all their canvases are made before the first network call."""
LONGEST_TOKEN = 128
"""Characters: GPT-2 has a token of so many, and vocabularies made since hardly longer ones. What cannot fit for its
characters is not made into tokens: of a megabyte that takes seconds, in which nothing else is written."""
MOST_STOPS = 16
"""Strings that end a text."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`length`: tokens of a canvas (None: those of the checkpoint's training). `body`: bytes of a request.

    `seconds` of a request, waiting included. `requests`: that run or wait at a time.
    """

    length: int | None = None
    body: int = 1 << 20
    seconds: float = 120.0
    requests: int = 32
