"""The cost of numbers below 1e-38 in training: a loss and its gradient, by default and with them flushed to 0.

    python benchmarks/denormals.py VALIDATION.txt [-m CHECKPOINT] [--objective ao] [--rounds 5]

Seconds of one thread's CPU time for eight canvases of the text, of a fresh network and of the checkpoint, the two ways
in turn. `sedd train` flushes.
"""

import argparse
from pathlib import Path
from statistics import median
from time import process_time

import torch
from torch import Tensor

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.diffusion.randomness import uniforms
from sedd_cli.evaluation.blocks import make_blocks
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.corpus import read_documents
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.objectives import NoiseDraws, make_objective

CANVASES = 8


def canvases(checkpoint: Checkpoint, text: Path) -> Tensor:
    assert checkpoint.tokenizer is not None
    blocks = make_blocks(list(read_documents(text)), checkpoint.tokenizer, checkpoint.config.model.length)
    return blocks.first(CANVASES).groups[0]


def cost(network: ScoreNetwork, checkpoint: Checkpoint, objective: str, x0: Tensor, rounds: int) -> tuple[float, float]:
    """CPU seconds of a loss and its gradient: by default, and flushed."""
    network.train().requires_grad_(True)
    noise, (B, L) = checkpoint.config.schedule(), x0.shape
    loss = make_objective(objective, simple_weight=0.01)
    taken: dict[bool, list[float]] = {False: [], True: []}
    for k in range(rounds + 1):
        u = uniforms(0, k, size=B + B * L)
        numbers = NoiseDraws((torch.arange(B) + 1 - u[:B]) / B, u[B:].view(B, L))
        for flushed in taken:
            torch.set_flush_denormal(flushed)
            begin = process_time()
            loss(network, noise, x0, numbers).mean().backward()
            if k:  # the first time warms up
                taken[flushed].append(process_time() - begin)
            network.zero_grad()
    return median(taken[False]), median(taken[True])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("-m", "--model", default="tinystories")
    parser.add_argument("--objective", default="ao", choices=OBJECTIVES)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(args.model)
    x0 = canvases(checkpoint, args.text)
    for name, network in (("fresh", ScoreNetwork(checkpoint.config)), ("trained", checkpoint.model)):
        plain, flushed = cost(network, checkpoint, args.objective, x0, args.rounds)
        print(f"{name}: {plain:.2f} s, flushed {flushed:.2f} s: {plain / flushed:.2f}x")


if __name__ == "__main__":
    main()
