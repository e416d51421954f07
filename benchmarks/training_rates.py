"""Tokens a second of whole steps of `sedd train`, in float32 and in bfloat16, of this working tree and of another one.

`training.py --before TREE` prints them, with each tree and precision in a process of its own, in turn: steps of
`train/tinystories.toml` (objective `simple`), at its size and at width 512 with 8 blocks and a vocabulary of 8,192.
Networks are fresh and canvases random.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median

import torch
from measure import aligned, seconds
from torch import Tensor

from sedd_cli.distributed import World
from sedd_cli.training.loop import Trainer, make_network
from sedd_cli.training.plan import tokens_of
from sedd_cli.training.recipe import Recipe, read_recipe
from sedd_cli.training.session import flush_denormals

ROOT = Path(__file__).parents[1]
SIZES = {
    "built-in": [],
    "width 512": ["model.hidden_size=512", "model.n_blocks=8", "model.n_heads=8", "tokenizer=bpe:8192"],
}
DTYPES = ("float32", "bfloat16")


class RandomCorpus:
    """Canvases of random tokens."""

    def __init__(self, tokens: int, length: int) -> None:
        self.tokens, self.length = tokens, length

    def batch(self, seed: int, numbers: range) -> Tensor:
        return torch.randint(
            self.tokens, (len(numbers), self.length), generator=torch.Generator().manual_seed(numbers.start)
        )


def recipe_of(size: str, dtype: str) -> Recipe:
    fixed = ["data.short=0.0", "phases.0.objective=simple", f"dtype={dtype}"]
    return read_recipe(ROOT / "train" / "tinystories.toml", [*SIZES[size], *fixed])


def step_seconds(recipe: Recipe, steps: int) -> float:
    """The median of so many steps after the first."""
    tokens = tokens_of(recipe)
    with flush_denormals():
        corpus = RandomCorpus(tokens, recipe.model.length)
        trainer = Trainer(recipe, make_network(recipe, tokens, torch.device("cpu")), corpus, World())  # type: ignore[arg-type]
        training = trainer.steps()
        next(training)
        return median(seconds(lambda: next(training)) for _ in range(steps))


def ask(tree: Path, size: str, dtype: str, steps: int) -> float:
    command = [sys.executable, __file__, size, dtype, str(steps)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout)


def compare(before: Path, steps: int) -> str:
    rows = []
    for size, dtype in product(SIZES, DTYPES):
        recipe = recipe_of(size, dtype)
        tokens = recipe.batch_size * recipe.model.length
        old, new = (tokens / ask(tree, size, dtype, steps) for tree in (before, ROOT))
        rows.append((f"{size}, {dtype}", f"{old:,.0f}", f"{new:,.0f}", f"{new / old:.2f}x"))
    return aligned(("tokens/s", "before", "now", "speed"), rows)


if __name__ == "__main__":
    of_size, of_dtype, count = sys.argv[1:]
    print(step_seconds(recipe_of(of_size, of_dtype), int(count)))
