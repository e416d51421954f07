"""Which precision trains fastest on this machine, measured before a run begins."""

import time
from collections.abc import Callable

import torch

from sedd_cli.distributed import World
from sedd_cli.models.device import Precision
from sedd_cli.training.loop import make_network
from sedd_cli.training.objectives import NoiseDraws, make_objective
from sedd_cli.training.optimisers import make_optimisers
from sedd_cli.training.parallel import LossModule
from sedd_cli.training.recipe import Recipe

MEASURED_TOKENS = 1024
"""Tokens that a pass is measured with, in whole canvases."""
ROUNDS, SECONDS = 4, 0.5
"""Measurements of a precision: so many, or until they have taken so long."""
MARGIN = 1.1
"""How much faster bfloat16 has to be: it rounds more."""


def measures_precision(recipe: Recipe, device: torch.device, world: World) -> bool:
    """Whether a run's precision is to be measured: it is not given, and the network fits each CPU process."""
    return recipe.dtype == "auto" and device.type == "cpu" and (world.size == 1 or recipe.parallel == "ddp")


def fastest_precision(recipe: Recipe, tokens: int, world: World) -> tuple[Precision, str]:
    """The precision in which the CPUs of all processes train faster, and a line about it. A collective operation.

    Measured on networks of its own; the generators of random numbers are left as they were.
    """
    names: tuple[Precision, Precision] = ("float32", "bfloat16")
    with torch.random.fork_rng(devices=[]):
        local = tuple(_step_seconds(recipe.model_copy(update={"dtype": name}), tokens, world.size) for name in names)
    seconds = [max(of_ranks) for of_ranks in zip(*world.all_gather(local), strict=True)]
    float32, bfloat16 = (recipe.batch_size * recipe.model.length / s for s in seconds)
    chosen = names[bfloat16 > MARGIN * float32]
    return chosen, f"bfloat16: {bfloat16:,.0f} tokens a second, float32: {float32:,.0f}; training in {chosen}"


def _step_seconds(recipe: Recipe, tokens: int, processes: int) -> float:
    """Seconds of a step of the last phase, from passes of a few canvases and the optimisers' steps."""
    network = make_network(recipe, tokens, torch.device("cpu")).train()
    losses = LossModule(network, recipe.config(tokens).schedule())
    objective = make_objective(recipe.phases[-1].objective, recipe.d3pm.simple_weight)
    optimisers = make_optimisers(network, recipe.optimiser)
    L = recipe.model.length
    B = min(recipe.micro_batch, -(-MEASURED_TOKENS // L))
    # PAD, the last token, has no probability where none is visible: a loss would be infinite.
    x0 = torch.randint(network.process.tokens - recipe.has_pad, (B, L), device="cpu")
    times = (torch.arange(B, device="cpu") + 0.5).double() / B
    u = torch.rand(B, L, dtype=torch.float64, device="cpu")

    def learn(rows: int) -> None:
        losses(objective, x0[:rows], NoiseDraws(times[:rows], u[:rows])).sum().backward()

    def update() -> None:
        for optimiser in optimisers:
            optimiser.step()

    learn(1)  # allocations and kernels of a first pass
    passes: list[float] = []
    updates: list[float] = []
    while len(passes) < ROUNDS and sum(passes) + sum(updates) < SECONDS:
        passes.append(_seconds(lambda: learn(B)))
        updates.append(_seconds(update))
    return min(passes) * recipe.batch_size / (processes * B) + min(updates)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
