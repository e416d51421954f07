"""The interactive session, an app of Textual: the only package that imports it."""

import os

# Textual paints at most so often, and what comes right after a paint waits for up to two of its intervals: with the
# usual 60 a key that follows the repainted timeline of a step waits 24 ms at the 95th percentile, with 240 under 5 ms.
# What the screen is asked to show stays limited by the main screen's own frames.
os.environ.setdefault("TEXTUAL_FPS", "240")
