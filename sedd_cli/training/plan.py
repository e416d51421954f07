"""What a recipe will cost, before it is carried out: parameters, work a step, memory, time."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from sedd_cli.models.folder import read_config
from sedd_cli.models.gpt2 import GPT2_TOKENS
from sedd_cli.models.names import find_checkpoint
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.recipe import Phase, Recipe
from sedd_cli.training.vocabulary import BYTES, make_tokenizer

SHARE_OF_PEAK = 0.6
"""What a step reaches of a plain product's rate; an estimate for the plan alone."""


@dataclass(frozen=True)
class TrainingPlan:
    """`flops`: executed multiplications and additions of one step of each phase; `bytes`: what training holds;
    `seconds`: of each phase, by the clock where it says so, else from this machine's matrix products."""

    tokens: int
    parameters: int
    flops: list[float]
    bytes: int
    seconds: list[float]


def plan_training(recipe: Recipe, device: torch.device, resume_dir: Path | None = None) -> TrainingPlan:
    """Count without training, or with the run `resume_dir` of a recipe.

    For `bpe:N` the vocabulary is taken to be N, of which a small text may fall short. Raises as `make_tokenizer` does.
    """
    tokens = tokens_of(recipe) if resume_dir is None else read_config(resume_dir).tokens
    with torch.device("meta"):
        network = ScoreNetwork(recipe.config(tokens))
    parameters = sum(p.numel() for p in network.parameters())
    flops = [_flops(recipe, network, phase) for phase in recipe.phases]
    rate = SHARE_OF_PEAK * _product_rate(device)
    seconds = [
        60 * phase.max_minutes if phase.max_minutes else (phase.steps or 0) * work / rate
        for phase, work in zip(recipe.phases, flops, strict=True)
    ]
    return TrainingPlan(tokens, parameters, flops, _bytes(recipe, parameters, tokens), seconds)


def tokens_of(recipe: Recipe) -> int:
    """The vocabulary that a recipe's `tokenizer` stands for, before it is made."""
    if recipe.start is not None:
        return read_config(find_checkpoint(recipe.start)).tokens
    wanted = recipe.tokenizer
    kind, _, size = wanted.partition(":")
    if kind == "bpe" and size.isdecimal():
        return int(size)
    if wanted in ("bytes", "gpt2"):
        return BYTES + 1 if wanted == "bytes" else GPT2_TOKENS
    return make_tokenizer(wanted, ()).size


def _flops(recipe: Recipe, network: ScoreNetwork, phase: Phase) -> float:
    """Forward, and twice that backward (thrice with checkpointing)."""
    model = recipe.model
    canvases = recipe.batch_size * _canvases(recipe, phase)
    everywhere = OBJECTIVES[phase.objective].autoregressive or model.process == "uniform"
    forward = network.backbone.flops(model.length, 1.0 if everywhere else 0.5)
    return (4 if model.checkpointing else 3) * canvases * model.length * forward


def _canvases(recipe: Recipe, phase: Phase) -> int:
    """Canvases that the network reads of each that it is given."""
    return 1 + recipe.model.length if OBJECTIVES[phase.objective].implicit else 1


def _bytes(recipe: Recipe, parameters: int, tokens: int) -> int:
    """Float32 weights, gradients, average and optimiser state, and what a micro-batch keeps for the way back."""
    model = recipe.model
    held = parameters * (5 if recipe.optimiser.name == "adamw" else 4)
    positions = recipe.micro_batch * model.length * max(_canvases(recipe, phase) for phase in recipe.phases)
    kept = positions * model.hidden_size * (2 if model.checkpointing else 18) * model.n_blocks
    return 4 * (held + kept + 3 * positions * tokens)


def _product_rate(device: torch.device, size: int = 1024) -> float:
    """Operations a second of a plain float32 product on this device, the best of three."""
    a = torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best
