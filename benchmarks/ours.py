"""Our side of the comparison: the networks, and the engine's run at any of its calls."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from safetensors.torch import save_file

from sedd_cli import load_checkpoint
from sedd_cli.diffusion.samplers import State
from sedd_cli.diffusion.samplers.reveal_first import RevealFirst
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork

SEED = 0
NETWORKS = ("sedd-small", "radd-small", "built-in")
HALF_BILLION = {
    "type": "llama",
    "name": "half-billion",
    "hidden_size": 896,
    "length": 4096,
    "n_blocks": 24,
    "n_heads": 14,
    "n_kv_heads": 2,
    "head_dim": 64,
    "mlp_size": 4864,
    "rope_theta": 1e6,
    "qkv_bias": True,
    "tied": True,
}
MASK = 151_665


def small(kind: str) -> Config:
    """SEDD-small's shape in SEDD form (`ddit`) or, without time, in RADD form (`ddit_wot`)."""
    network = {
        "name": "sedd-small" if kind == "ddit" else "radd-small",
        "type": kind,
        "hidden_size": 768,
        "cond_dim": 128,
        "length": 1024,
        "n_blocks": 12,
        "n_heads": 12,
        "scale_by_sigma": True,
    }
    return Config.model_validate({"tokens": 50257, "noise": {"type": "loglinear"}, "model": network})


def half_billion(block: int | None = None) -> Config:
    """Qwen2.5-0.5B's shape; `block`: reading by blocks of so many positions."""
    table = {"tokens": 151_935, "mask_id": MASK, "noise": {"type": "loglinear"}, "trained_canvas": False}
    return Config.model_validate({**table, "model": {**HALF_BILLION, "block_size": block}})


def random_weights(config: Config) -> Checkpoint:
    """A network of this shape with random weights: its speed is that of the public checkpoint.

    Modulations and head are random too (a fresh network has zeros there), so that scores differ and gates are open.
    Weights are made in place: the memory figures must not see a peak from before the run.
    """
    generator = torch.Generator().manual_seed(SEED)
    with torch.device("meta"):
        network = ScoreNetwork(config)
    weights = {
        name: torch.ones(like.shape)
        if "norm" in name
        else torch.empty(like.shape).normal_(0, 0.02, generator=generator)
        for name, like in network.backbone.state_dict().items()
    }
    weights |= network.backbone.derived_buffers()
    network.backbone.load_state_dict(weights, assign=True)
    return Checkpoint(config.model.name, Path(), config, network.eval().requires_grad_(False), tokenizer=None)


def network_named(name: str, dtype: str = "float32") -> Checkpoint:
    """One of `NETWORKS`. Raises `UsageError` for a dtype that `load_checkpoint` does not have."""
    if name == "built-in":
        return load_checkpoint(dtype="auto" if dtype == "float32" else dtype)
    if dtype == "float32":
        return random_weights(small("ddit" if name == "sedd-small" else "ddit_wot"))
    with TemporaryDirectory() as folder:
        # By another process: the memory figures must not see the float32 network.
        subprocess.run([sys.executable, __file__, name, folder], check=True)
        return load_checkpoint(folder, dtype=dtype)


def write(name: str, folder: Path) -> None:
    """Write one of the random networks as a checkpoint."""
    checkpoint = network_named(name)
    (folder / "config.json").write_text(checkpoint.config.model_dump_json())
    save_file(checkpoint.model.backbone.state_dict(), folder / "model.safetensors")


class OurRun:
    """The engine's run of a batch, at any of its network calls: tweedie with the normalised score, the defaults."""

    def __init__(self, checkpoint: Checkpoint, rows: int, length: int, steps: int) -> None:
        request = Request(length=length, steps=steps, seed=SEED, num_samples=rows, batch_size=rows, sampler="tweedie")
        self.run = Run(checkpoint, request)
        assert isinstance(self.run.sampler, RevealFirst)
        self.sampler = self.run.sampler
        self.fresh = [self.run.start(row) for row in range(rows)]
        self.reveal = torch.stack([self.sampler.reveal_step(state.reveal_level) for state in self.fresh])
        """(B, L): the step that reveals each position; `steps` is the denoising step."""
        self.visits = [row.unique().tolist() for row in self.reveal]
        self.advances = [
            (batch, call)
            for batch in torch.arange(rows).split(self.run.request.batch_size)
            for call in range(max(len(self.visits[row]) for row in batch))
        ]

    @property
    def nfe(self) -> int:
        """Network calls of all rows."""
        return sum(len(visits) for visits in self.visits)

    def whole(self) -> float:
        """Seconds of the whole run."""
        begin = perf_counter()
        for _ in self.run.steps():
            pass
        return perf_counter() - begin

    def states(self, advance: int) -> list[State]:
        """The batch just before an advance, with random tokens where it would have written by then.

        What a call costs depends on how many positions it reveals, not on the tokens of the canvas.
        """
        batch, call = self.advances[advance]
        return [self._state(row, self.visits[row][call]) for row in batch.tolist() if call < len(self.visits[row])]

    def _state(self, row: int, step: int) -> State:
        fresh, reveal = self.fresh[row], self.reveal[row]
        generator = torch.Generator().manual_seed(step)
        tokens = torch.randint(self.run.checkpoint.config.tokens, fresh.ids.shape, generator=generator)
        ids = torch.where(reveal < step, tokens, fresh.ids)
        return replace(fresh, ids=ids, step=step, reached=float(self.sampler.survival[step]))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
