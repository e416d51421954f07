"""What each precision gives on this machine's CPU: the products of a block, timed."""

from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import nn

from sedd_cli.models.backbones.layers import Linear, Narrowing
from sedd_cli.models.bfloat16 import bfloat16_layers
from sedd_cli.models.device import Precision
from sedd_cli.models.int8 import Int8Linear

ROWS, WIDTH = 256, 768
"""Positions and features: a block of SEDD-small on 256 tokens."""
SECONDS, ROUNDS = 0.3, 3
"""That are spent in all, and at least."""
WORTH = 1.1
"""How many times as fast as float32 a precision has to be to be advised."""


@dataclass(frozen=True)
class Speeds:
    """Median seconds of a block's linear layers by precision."""

    seconds: dict[Precision, float]

    def over_float32(self, precision: Precision) -> float:
        return self.seconds["float32"] / self.seconds[precision]

    @property
    def advised(self) -> Precision:
        """The fastest, if it is faster than float32 by a tenth; else float32."""
        fastest = max(self.seconds, key=self.over_float32)
        return fastest if self.over_float32(fastest) >= WORTH else "float32"


@torch.no_grad()
def measure_speeds() -> Speeds:
    """Time the precisions in turn."""
    layers = [Linear(WIDTH, 3 * WIDTH), Linear(WIDTH, WIDTH), Linear(WIDTH, 4 * WIDTH), Narrowing(4 * WIDTH, WIDTH)]
    kinds: dict[Precision, list[nn.Module]] = {
        "float32": list(layers),
        "bfloat16": [bfloat16_layers()(layer) for layer in layers],
        "int8": [Int8Linear(layer) for layer in layers],
    }
    inputs = [
        torch.randn(ROWS, layer.in_features, generator=torch.Generator().manual_seed(0), device="cpu")
        for layer in layers
    ]
    times: dict[Precision, list[float]] = {precision: [] for precision in kinds}
    begin = perf_counter()
    while len(times["int8"]) < ROUNDS or perf_counter() - begin < SECONDS:
        for precision, modules in kinds.items():
            before = perf_counter()
            for module, x in zip(modules, inputs, strict=True):
                module(x)
            times[precision].append(perf_counter() - before)
    return Speeds({precision: median(taken) for precision, taken in times.items()})
