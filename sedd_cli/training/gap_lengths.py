"""How well a network tells the lengths of gaps that are cut out of a validation text."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.padding import length_law
from sedd_cli.diffusion.randomness import PADDING, uniforms
from sedd_cli.diffusion.schedules import Schedule, sigma_of_masked
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.packed import PackedCorpus
from sedd_cli.training.padding import ElasticGap, Layout, lay_out
from sedd_cli.training.padding_sizes import SHORTEST, SIZES

GAPS, LENGTH = 64, 128
"""Gaps that are measured, and the longest canvases around them."""

FLOOR = 0.01
"""The part of the law that is uniform, for its nats: a network may never have said some length."""

FACTOR = 1.5


@dataclass(frozen=True)
class LengthFigures:
    """Of gaps of unknown length: nats of the true one under the network's law, mixed with a hundredth of the uniform
    one; and the share of gaps whose median length is within a factor of 1.5 of it."""

    nats: float
    within: float


def measure_lengths(network: ScoreNetwork, noise: Schedule, data: PackedCorpus) -> LengthFigures:
    """Measure on gaps of every size, the same ones at each call. The network has PAD."""
    assert network.pad_id is not None and network.process.mask_id is not None
    length = min(data.length, LENGTH)
    fitting = [n for n in SIZES if n + SHORTEST - SIZES[0] <= length]
    nats = within = 0.0
    texts = data.first(GAPS)
    for number in range(GAPS):
        n = fitting[number % len(fitting)]
        u_words, u_place = uniforms(0, number, PADDING, size=2).tolist()
        words, place = int(u_words * (n + 1)), int(u_place * (length - n))
        layout = Layout(length, (ElasticGap(n, words, place, 0, n),), 0)
        canvas, (begin,) = lay_out(layout, texts[number % len(texts)], network.pad_id)
        law, _ = length_law(_pad_chances(network, noise, canvas, begin, n))
        nats -= math.log((1 - FLOOR) * float(law[words]) + FLOOR / (n + 1))
        median = int((law.cumsum(0) < 0.5).sum())
        within += max(median, words) <= FACTOR * min(median, words)
    return LengthFigures(nats / GAPS, within / GAPS)


def _pad_chances(network: ScoreNetwork, noise: Schedule, canvas: Tensor, begin: int, n: int) -> Tensor:
    """`c(PAD)` at the n slots from `begin`, all masked: (L,) -> (n,) float64."""
    where = torch.zeros_like(canvas, dtype=torch.bool)
    where[begin : begin + n] = True
    x = canvas.masked_fill(where, network.process.mask_id or 0)[None]
    sigma = sigma_of_masked(noise, where[None].double().mean(1))
    scores = torch.cat([part.log_score for part in network.log_scores(x, sigma, where[None])])
    # PAD is the last of the tokens.
    chances: Tensor = scores.cpu().double().softmax(-1)[:, -1]
    return chances
