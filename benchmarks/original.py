"""The original code's sampler, the first baseline of `sampling.py`."""

import math

import torch
from baselines import Baseline, Canvases, race
from torch import Tensor


class Original(Baseline):
    """louaaron/Score-Entropy-Discrete-Diffusion (`model/transformer.py`, `graph_lib.py`, `catsample.py`).

    The analytic predictor and the denoising step of the absorbing process: every call runs the whole network with
    the vocabulary head at every position, and draws every position, masked or not, from weights over (B, L, V).
    The passes over (B, L, V) and their copies are the original's.
    """

    def consult(self, canvases: Canvases, call: int) -> None:
        canvases.known = self.score(self.forward(canvases.x, call), canvases.x, call)

    @torch.no_grad()
    def score(self, logits: Tensor, x: Tensor, call: int) -> Tensor:
        """The score at every position, 1 at the current token: (B, L, V), (B, L) -> (B, L, V)."""
        here, scale = x.unsqueeze(-1), torch.expm1(self.sigma(call))[:, None, None]
        if not self.network.time_conditioned:
            real = logits[..., :-1].softmax(-1) / scale
            return torch.cat([real, torch.zeros_like(real[..., :1])], -1).scatter_(-1, here, 1.0)
        if self.network.scale_by_sigma:
            logits = logits - scale.log() - math.log(self.mask_id)
        return logits.scatter(-1, here, 0.0).exp()

    @torch.no_grad()
    def draw(self, canvases: Canvases, call: int) -> None:
        assert canvases.known is not None
        jump = self.sigma(call) - self.sigma_after(call)
        weights = self._staggered(canvases.known, jump) * self._transition(canvases.x, jump)
        canvases.known = None
        canvases.move(race(weights[..., :-1] if call == self.steps else weights, canvases.generator))

    def _staggered(self, score: Tensor, jump: Tensor) -> Tensor:
        """The score transported back over the jump (theorem 4.2): all entries grow, at the expense of MASK."""
        staggered = score.clone()
        from_mask = -torch.expm1(jump)[:, None] * score.sum(-1)
        staggered *= jump.exp()[:, None, None]
        staggered[..., -1] += from_mask
        return staggered

    def _transition(self, x: Tensor, jump: Tensor) -> Tensor:
        """How likely each state is to have turned into x over the jump: (B, L, V), dense as in the original."""
        chance = (-jump).exp()[:, None, None] * torch.nn.functional.one_hot(x, self.network.process.states)
        chance += torch.where(x == self.mask_id, 1 - (-jump).exp()[:, None], 0.0)[..., None]
        return chance
