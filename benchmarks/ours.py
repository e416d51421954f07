"""Our side of the comparison: the two networks, and the engine's run at any point of its way."""

from dataclasses import replace
from pathlib import Path

import torch

from sedd_cli import load_checkpoint
from sedd_cli.diffusion.samplers import State
from sedd_cli.diffusion.samplers.reveal_first import RevealFirst
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.models.transformer import inverse_frequencies

SEED = 0
SEDD_SMALL = {
    "tokens": 50257,
    "graph": {"type": "absorb"},
    "noise": {"type": "loglinear"},
    "model": {
        "name": "sedd-small",
        "type": "ddit",
        "hidden_size": 768,
        "cond_dim": 128,
        "length": 1024,
        "n_blocks": 12,
        "n_heads": 12,
        "scale_by_sigma": True,
    },
}


def random_sedd_small() -> Checkpoint:
    """A network of SEDD-small's shape with random weights: its speed is that of the public checkpoint.

    Modulations and head are random too (a fresh network has zeros there), so that scores differ and gates are open.
    Weights are made in place: the memory figures below must not see a peak from before the run.
    """
    config = Config.model_validate(SEDD_SMALL)
    generator = torch.Generator().manual_seed(SEED)
    with torch.device("meta"):
        network = ScoreNetwork(config)
    weights = {
        name: torch.ones(like.shape)
        if "norm" in name
        else torch.empty(like.shape).normal_(0, 0.02, generator=generator)
        for name, like in network.transformer.state_dict().items()
    }
    weights["rotary_emb.inv_freq"] = inverse_frequencies(config.model.hidden_size // config.model.n_heads)
    network.transformer.load_state_dict(weights, assign=True)
    return Checkpoint("sedd-small", Path(), config, network.eval().requires_grad_(False), tokenizer=None)


def network_named(name: str) -> Checkpoint:
    return random_sedd_small() if name == "sedd-small" else load_checkpoint()


def make_run(checkpoint: Checkpoint, length: int, steps: int) -> Run:
    """Our side: tweedie with the normalised score, which are the defaults."""
    return Run(checkpoint, Request(length=length, steps=steps, seed=SEED, sampler="tweedie", score="normalised"))


def state_at(run: Run, call: int) -> State:
    """Our run just before its `call`-th network call, with random tokens where it would have written by then.

    What a call costs depends on how many positions it reveals, not on which tokens stand on the canvas.
    """
    assert isinstance(run.sampler, RevealFirst)
    fresh = run.start(0)
    reveal = run.sampler.reveal_step(fresh.level)
    step = int(reveal.unique()[call])
    tokens = torch.randint(run.checkpoint.config.tokens, fresh.ids.shape, generator=torch.Generator().manual_seed(call))
    ids = torch.where(reveal < step, tokens, fresh.ids)
    return replace(fresh, ids=ids, step=step, reached=float(run.sampler.survival[step]))
