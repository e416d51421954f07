"""A training step on this machine: `sedd train`'s against the original code's, in one run.

    python benchmarks/training.py [--recipe train/tinystories.toml] [--micro-batch 8] [--steps 12]
    python benchmarks/training.py --before TREE [--steps 3]    # another working tree's step against this one's

A step is the recipe's batch: noising, loss, gradients, clipping and the optimiser. Ours computes `micro_batch` canvases
at a time, as the recipe says; the original, as in its published settings, all at once (so does ours with --micro-batch
of the batch size). Steps of the sides alternate, each after a plain matrix product whose rate measures the machine's
speed at that moment. Networks are fresh and canvases random: the tokens make no difference. (What a network
has learnt does: denormals.py.) Needs Linux.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measure import aligned, machine, peak_bytes, resident_bytes, seconds
from original_loss import original_loss
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from training_rates import compare

from sedd_cli.diffusion.randomness import uniforms
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.loop import make_network
from sedd_cli.training.objectives import T_MIN, NoiseDraws, make_objective
from sedd_cli.training.optimisers import make_optimisers
from sedd_cli.training.plan import tokens_of
from sedd_cli.training.recipe import Recipe, read_recipe

PRODUCT = 1024
TINYSTORIES = Path(__file__).parents[1] / "train" / "tinystories.toml"
AUTOREGRESSIVE = "sedd: autoregressive start"
SHIPPED = "sedd: lambda-DCE, the recipe's optimiser"
SAME = "sedd: DWDSE, AdamW"
ORIGINAL = "original: DWDSE, AdamW"
SIDES = (AUTOREGRESSIVE, SHIPPED, SAME, ORIGINAL)


def attention_flops(q: Any, k: Any, v: Any, *rest: Any, out_shape: Any = None, **more: Any) -> int:
    return int(sdpa_flop_count(q, k, v))


def attention_backward_flops(grad: Any, q: Any, k: Any, v: Any, *rest: Any, **more: Any) -> int:
    return int(sdpa_backward_flop_count(grad, q, k, v))


CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward_flops,
}


class Side:
    """One way to train a network of the recipe's size, step by step."""

    def __init__(self, name: str, recipe: Recipe) -> None:
        self.name = name
        form = "radd" if name in (SHIPPED, AUTOREGRESSIVE) else "sedd"
        optimiser = recipe.optimiser if form == "radd" else recipe.optimiser.model_copy(update={"name": "adamw"})
        model = recipe.model.model_copy(update={"form": form})
        self.recipe = recipe.model_copy(update={"model": model, "optimiser": optimiser})
        tokens = tokens_of(recipe)
        self.network = make_network(self.recipe, tokens, torch.device("cpu")).train()
        self.noise = self.recipe.config(tokens).schedule()
        self.optimisers = make_optimisers(self.network, optimiser)
        self.count = 0

    def step(self) -> None:
        B, L = self.recipe.batch_size, self.recipe.model.length
        u = uniforms(0, self.count, size=B + B * L)
        times, u = (torch.arange(B) + 1 - u[:B]) / B, u[B:].view(B, L)
        generator = torch.Generator().manual_seed(self.count)
        x0 = torch.randint(self.network.process.tokens, (B, L), generator=generator)
        for part in torch.arange(B).split(B if self.name == ORIGINAL else self.recipe.micro_batch):
            (self._loss(self.network, x0[part], times[part], u[part]).sum() / B).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.count += 1

    def _loss(self, network: ScoreNetwork, x0: Tensor, times: Tensor, u: Tensor) -> Tensor:
        if self.name == ORIGINAL:
            return original_loss(network, self.noise, x0, T_MIN + (1 - T_MIN) * times, u)
        objective = {AUTOREGRESSIVE: "autoregressive", SHIPPED: "lambda-dce", SAME: "dwdse"}[self.name]
        return make_objective(objective, simple_weight=0.0)(network, self.noise, x0, NoiseDraws(times, u))

    def flops(self) -> int:
        """Multiplications and additions of one step's matrix products and attention, counted as they are run."""
        with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
            self.step()
        return int(counter.get_total_flops())


@dataclass
class Times:
    flops: int
    steps: list[float] = field(default_factory=list)
    products: list[float] = field(default_factory=list)
    """The rate of a plain product right before each step."""

    @property
    def fraction(self) -> float:
        return median(self.flops / s / p for s, p in zip(self.steps, self.products, strict=True))


def product_rate() -> float:
    """Operations a second of a plain float32 product, the best of five."""
    a = torch.randn(PRODUCT, PRODUCT)
    multiply: Callable[[], object] = partial(torch.mm, a, a)
    return float(2 * PRODUCT**3 / min(seconds(multiply) for _ in range(5)))


def measure(recipe: Recipe, steps: int) -> dict[str, Times]:
    sides = [Side(name, recipe) for name in SIDES]
    times = {}
    for side in sides:
        side.step()
        times[side.name] = Times(side.flops())
    for _ in range(steps):
        for side in sides:
            times[side.name].products.append(product_rate())
            times[side.name].steps.append(seconds(side.step))
    return times


def memory_of(name: str, recipe: Recipe) -> None:
    """Memory of two steps of one side, and of the libraries before, in a process of its own. Prints JSON."""
    before = resident_bytes()
    side = Side(name, recipe)
    side.step()
    side.step()
    print(json.dumps({"before": before, "peak": peak_bytes()}))


def ask_memory(name: str, arguments: list[str]) -> dict[str, int]:
    command = [sys.executable, __file__, *arguments, "--memory-of", name]
    answer: dict[str, int] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return answer


def show(times: dict[str, Times], memory: dict[str, dict[str, int]], tokens: int) -> None:
    base, held = median(times[ORIGINAL].steps), memory[ORIGINAL]
    rows = [
        (
            name,
            f"{t.flops / 1e9:.0f}",
            f"{median(t.steps):.2f}",
            f"{tokens / median(t.steps):,.0f}",
            f"{t.fraction:.2f}",
            f"{base / median(t.steps):.2f}x",
            f"{(memory[name]['peak'] - memory[name]['before']) / 2**20:.0f}",
            f"{(memory[name]['peak'] - memory[name]['before']) / (held['peak'] - held['before']):.2f}",
        )
        for name, t in times.items()
    ]
    head = ("side", "GFLOP/step", "s/step", "tokens/s", "of product", "speed", "MiB", "memory")
    print(aligned(head, rows))
    rates = sorted(rate / 1e9 for t in times.values() for rate in t.products)
    print(f"product: {PRODUCT}^3 in float32, {rates[0]:.0f} to {rates[-1]:.0f} GFLOP/s, median {median(rates):.0f}")
    print(
        "GFLOP/step: matrix products and attention as run, the optimiser's too; 'of product': their rate over that of"
    )
    print("the plain product right before the step; speed and memory against the original; MiB: peak above the")
    print("libraries, in a process of its own.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=TINYSTORIES)
    parser.add_argument("--micro-batch", type=int, help="canvases that our side computes at once")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--before", type=Path, help="a working tree of this repository at another commit")
    parser.add_argument("--memory-of", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    changes = [f"micro_batch={args.micro_batch}"] if args.micro_batch else []
    recipe = read_recipe(args.recipe, changes)
    if args.memory_of:
        memory_of(args.memory_of, recipe)
        return
    print(machine())
    if args.before:
        print(compare(args.before, args.steps))
        return
    print(
        f"{recipe.name}: {recipe.batch_size} canvases of {recipe.model.length} a step, of ours {recipe.micro_batch} "
        f"at once; {recipe.tokenizer}"
    )
    same = ["--recipe", str(args.recipe), "--micro-batch", str(recipe.micro_batch)]
    memory = {name: ask_memory(name, same) for name in SIDES}
    show(measure(recipe, args.steps), memory, recipe.batch_size * recipe.model.length)


if __name__ == "__main__":
    main()
