"""Names by which samplers are chosen; here, so that they can be listed without importing torch."""

from typing import Literal

SamplerName = Literal["tweedie", "euler", "first-hitting", "ancestral"]
ScoreUse = Literal["normalised", "raw"]
Form = Literal["lambda", "ao", "elbo", "d3pm", "dwdse"]
