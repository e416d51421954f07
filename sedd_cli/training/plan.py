"""The cost of a recipe, before it runs: parameters, work a step, memory, time."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from sedd_cli.models.adaptation import read_start
from sedd_cli.models.folder import read_config
from sedd_cli.models.gpt2 import GPT2_TOKENS
from sedd_cli.models.names import find_checkpoint
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.recipe import Phase, Recipe
from sedd_cli.training.vocabulary import BYTES, make_tokenizer

SHARE_OF_PEAK = 0.6
"""The rate of a step relative to a plain product's; an estimate, for the plan only."""


@dataclass(frozen=True)
class TrainingPlan:
    """`flops`: executed multiplications and additions of one step of each phase; `bytes`: memory of training;
    `seconds`: of each phase, its minutes if given, else estimated from this machine's matrix products."""

    tokens: int
    parameters: int
    flops: list[float]
    bytes: int
    seconds: list[float]


def plan_training(recipe: Recipe, device: torch.device, resume_dir: Path | None = None) -> TrainingPlan:
    """Plan a recipe without training; with `resume_dir`, for the vocabulary of that run.

    `bpe:N` counts as N tokens, although a small text may give fewer. Raises as `make_tokenizer` does.
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
    """The size of a recipe's vocabulary, before the tokenizer is made."""
    if recipe.start is not None:
        config = read_start(find_checkpoint(recipe.start), bool(recipe.model.shift))
        return config.tokens + (recipe.has_pad and config.pad_id is None)
    return _text_tokens(recipe) + recipe.has_pad


def _text_tokens(recipe: Recipe) -> int:
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
    """Canvases that the network reads for each training canvas."""
    return 1 + recipe.model.length if OBJECTIVES[phase.objective].implicit else 1


def _bytes(recipe: Recipe, parameters: int, tokens: int) -> int:
    """Float32 weights, gradients, average and optimiser state, and the activations of a micro-batch."""
    model = recipe.model
    states = parameters * (5 if recipe.optimiser.name == "adamw" else 4)
    positions = recipe.micro_batch * model.length * max(_canvases(recipe, phase) for phase in recipe.phases)
    activations = positions * model.hidden_size * (2 if model.checkpointing else 18) * model.n_blocks
    return 4 * (states + activations + 3 * positions * tokens)


def _product_rate(device: torch.device, size: int = 1024) -> float:
    """Operations a second of a plain float32 product on this device, the best of three."""
    a = torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best
