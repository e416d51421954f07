"""Names by which samplers are chosen; here, so that they can be listed without importing torch."""

from typing import Literal

NoiseSampler = Literal["tweedie", "euler", "ancestral", "first-hitting"]
SamplerName = Literal[NoiseSampler, "left-to-right"]
TOKEN_BY_TOKEN = {"first-hitting", "left-to-right"}
"""Samplers that have no grid: each step writes one token."""
ScoreUse = Literal["normalised", "raw"]
Estimator = Literal["lambda", "ao", "elbo", "d3pm", "autoregressive", "dwdse"]
