"""The original code's way of sampling: the baseline that `sampling.py` measures against.

It does what louaaron/Score-Entropy-Discrete-Diffusion does (`model/transformer.py`, `graph_lib.py`, `catsample.py`:
the analytic predictor and the denoising step of the absorbing process), written anew: every call runs the whole
network with the vocabulary head at every position, and draws every position, masked or not, from weights over
(B, L, V) with float32 Gumbel noise. The passes over (B, L, V) and their copies are the original's; the transformer is
this package's, so that what makes it faster makes the baseline faster too.
"""

import math

import torch
from torch import Tensor

from sedd_cli.diffusion.grid import T_END
from sedd_cli.models.checkpoint import Checkpoint


class OriginalSampler:
    """The analytic sampler of `steps` steps and one denoising step: `steps + 1` calls, numbered from 0.

    A call is `forward`, `score`, `draw`; they are apart so that each can be timed.
    """

    def __init__(self, checkpoint: Checkpoint, steps: int) -> None:
        self.network, self.noise, self.steps = checkpoint.model, checkpoint.noise, steps
        self.t = torch.linspace(1, T_END, steps + 1)
        self.step_size = (1 - T_END) / steps

    @property
    def calls(self) -> int:
        return self.steps + 1

    def start(self, length: int) -> Tensor:
        """One canvas of MASK: (1, L)."""
        return torch.full((1, length), self.network.process.states - 1)

    def sigma(self, call: int) -> Tensor:
        """The total noise at which the call runs: (1,)."""
        return self.noise.total(self.t[call : call + 1])

    @torch.no_grad()
    def forward(self, x: Tensor, call: int) -> Tensor:
        """Logits everywhere: (1, L) -> (1, L, V)."""
        out: Tensor = self.network.transformer(x, self.sigma(call))
        return out

    @torch.no_grad()
    def score(self, logits: Tensor, x: Tensor, call: int) -> Tensor:
        """The score at every position, 1 at the token that stands there: (1, L, V), (1, L) -> (1, L, V)."""
        here, scale = x.unsqueeze(-1), torch.expm1(self.sigma(call))[:, None, None]
        if not self.network.time_conditioned:
            real = logits[..., :-1].softmax(-1) / scale
            return torch.cat([real, torch.zeros_like(real[..., :1])], -1).scatter_(-1, here, 1.0)
        if self.network.scale_by_sigma:
            logits = logits - scale.log() - math.log(self.network.process.states - 1)
        return logits.scatter(-1, here, 0.0).exp()

    @torch.no_grad()
    def draw(self, score: Tensor, x: Tensor, call: int) -> Tensor:
        """The canvas after the call: (1, L, V), (1, L) -> (1, L)."""
        denoising = call == self.steps
        sigma = self.sigma(call)
        jump = sigma if denoising else sigma - self.noise.total(self.t[call : call + 1] - self.step_size)
        weights = self._staggered(score, jump) * self._transition(x, jump)
        return _gumbel_draw(weights[..., :-1] if denoising else weights)

    def _staggered(self, score: Tensor, jump: Tensor) -> Tensor:
        """The score carried back over the jump (theorem 4.2): all of it grows, MASK pays."""
        staggered = score.clone()
        from_mask = -torch.expm1(jump)[:, None] * score.sum(-1)
        staggered *= jump.exp()[:, None, None]
        staggered[..., -1] += from_mask
        return staggered

    def _transition(self, x: Tensor, jump: Tensor) -> Tensor:
        """How likely each state is to have turned into x over the jump: (1, L, V), dense as in the original."""
        states = self.network.process.states
        chance = (-jump).exp()[:, None, None] * torch.nn.functional.one_hot(x, states)
        chance += torch.where(x == states - 1, 1 - (-jump).exp()[:, None], 0.0)[..., None]
        return chance


def _gumbel_draw(weights: Tensor) -> Tensor:
    """The race of one exponential clock a state, each from one float32 uniform: (B, L, V) -> (B, L)."""
    clocks = 1e-10 - (torch.rand_like(weights) + 1e-10).log()
    return (weights / clocks).argmax(-1)
