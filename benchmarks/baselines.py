"""The common part of the samplers that `sampling.py` compares with.

Each does what a public code does, written anew, on this package's transformer: what makes that faster makes the
baselines faster too. All follow the same law as ours: n steps of the analytic sampler (tweedie) on the same grid,
then the denoising step. Tokens are drawn by float32 clocks, as in all of those codes (arXiv 2409.02908 on what that
does to the law at many steps).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import T_END
from sedd_cli.diffusion.schedules import mask_probability
from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import Checkpoint


@dataclass
class Canvases:
    """A batch in progress. `x` (B, L); `changed` (B,) bool: rows that the last call changed; all before the first."""

    x: Tensor
    changed: Tensor
    generator: torch.Generator
    known: Tensor | None = None
    """(B, L, V): the cached part of the network's last output."""
    at_masks: Tensor | None = None
    """(N, V): the same at the N masked positions of all rows, for the sampler that gathers them."""

    @classmethod
    def of(cls, x: Tensor, seed: int) -> "Canvases":
        return cls(x, torch.ones(len(x), dtype=torch.bool), torch.Generator().manual_seed(seed))

    def move(self, x: Tensor) -> None:
        """Advance to canvases `x` (B, L)."""
        self.changed = (x != self.x).any(-1)
        self.x = x


class Baseline(ABC):
    """A sampler of `steps` steps and one denoising step: `steps + 1` calls, numbered from 0.

    A call is `consult`, where some row is `stale`, and then `draw`; they are apart so that each can be timed.
    """

    def __init__(self, checkpoint: Checkpoint, steps: int) -> None:
        self.network, self.noise, self.steps = checkpoint.model, checkpoint.noise, steps
        self.t = torch.linspace(1, T_END, steps + 1)
        self.step_size = (1 - T_END) / steps

    @property
    def calls(self) -> int:
        return self.steps + 1

    @property
    def mask_id(self) -> int:
        return self.network.process.states - 1

    def start(self, seed: int, rows: int, length: int) -> Canvases:
        """`rows` canvases of MASK: (B, L)."""
        return Canvases.of(torch.full((rows, length), self.mask_id), seed)

    def sample(self, seed: int, rows: int, length: int) -> Tensor:
        """`rows` texts from all-MASK: (B, L)."""
        canvases = self.start(seed, rows, length)
        for call in range(self.calls):
            self.advance(canvases, call)
        return canvases.x

    def advance(self, canvases: Canvases, call: int) -> None:
        """One call."""
        if bool(self.stale(canvases.changed).any()):
            self.consult(canvases, call)
        self.draw(canvases, call)

    def sigma(self, call: int) -> Tensor:
        """The total noise at which the call runs: (1,)."""
        return self.noise.total(self.t[call : call + 1])

    def sigma_after(self, call: int) -> Tensor:
        """The total noise after the call, 0 in the denoising step: (1,)."""
        return torch.zeros(1) if call == self.steps else self.noise.total(self.t[call : call + 1] - self.step_size)

    @torch.no_grad()
    def forward(self, x: Tensor, call: int) -> Tensor:
        """Logits everywhere: (B, L) -> (B, L, V)."""
        out: Tensor = self.network.backbone(x, self.sigma(call))
        return out

    def stale(self, changed: Tensor) -> Tensor:
        """The rows that the network has to run on, after a call that wrote on `changed`: (B,) -> (B,)."""
        return torch.ones_like(changed)

    @abstractmethod
    def consult(self, canvases: Canvases, call: int) -> None:
        """Run the network on the stale rows, and store its output in the form that `draw` reads."""

    @abstractmethod
    def draw(self, canvases: Canvases, call: int) -> None:
        """Advance every row by the call."""


class CachingBaseline(Baseline):
    """Caches the network's output while it is valid: `c` (B, L, V), of a network without time."""

    def __init__(self, checkpoint: Checkpoint, steps: int) -> None:
        super().__init__(checkpoint, steps)
        if self.network.time_conditioned:
            raise UsageError(
                f"{checkpoint.name} is conditioned on time: its answer changes though no token does",
                "Take a network in RADD form.",
            )

    def mask_probability(self, call: int) -> tuple[Tensor, Tensor]:
        """How likely a token is masked before the call and after it: 0-d each."""
        return mask_probability(self.sigma(call))[0], mask_probability(self.sigma_after(call))[0]


def race(weights: Tensor, generator: torch.Generator) -> Tensor:
    """The winner of one exponential clock a state, each from one float32 uniform: (..., V) -> (...)."""
    clocks = 1e-10 - (torch.rand(weights.shape, generator=generator) + 1e-10).log()
    return (weights / clocks).argmax(-1)
