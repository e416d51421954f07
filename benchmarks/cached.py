"""Baselines that run the network only where its output may have changed."""

import torch
from baselines import CachingBaseline, Canvases, race
from torch import Tensor


class RowCached(CachingBaseline):
    """Caching row by row: ML-GSAI/RADD (`sampling.py`, `DiffusionSampler.direct_sample`; `catsample.py`).

    `c` is cached for every row; the network, with the head at every position, runs on the rows that the call before
    changed. Every call draws all masked positions from c over the tokens times the chance of being revealed, with
    what is left of 1 for MASK. Not as there: c is kept in float32, not float16, and the denoising step follows the
    n steps of the grid instead of replacing the last, so that the law is ours.
    """

    def stale(self, changed: Tensor) -> Tensor:
        return changed

    def consult(self, canvases: Canvases, call: int) -> None:
        self.ask(canvases, call)
        self.gather(canvases)

    @torch.no_grad()
    def ask(self, canvases: Canvases, call: int) -> None:
        """c of the rows that changed."""
        rows = self.stale(canvases.changed)
        log_c = self.forward(canvases.x[rows], call)
        log_c[..., :-1] = log_c[..., :-1].log_softmax(-1)
        if canvases.known is None:
            canvases.known = torch.zeros(*canvases.x.shape, self.network.process.states)
        canvases.known[rows] = log_c.exp()

    def gather(self, canvases: Canvases) -> None:
        """c of the masked positions of all rows."""
        assert canvases.known is not None
        canvases.at_masks = canvases.known[canvases.x == self.mask_id]

    @torch.no_grad()
    def draw(self, canvases: Canvases, call: int) -> None:
        assert canvases.at_masks is not None
        masked = canvases.x == self.mask_id
        before, after = self.mask_probability(call)
        revealed = (before - after) / before
        weights = canvases.at_masks * revealed
        weights[..., -1] = 1 - revealed
        x = canvases.x.clone()
        x[masked] = race(weights, canvases.generator)
        canvases.move(x)


class BatchCached(CachingBaseline):
    """Caching the whole batch: kuleshov-group/mdlm (`diffusion.py`, `_ddpm_caching_update`, `_subs_parameterization`).

    `c` is cached only if no row changed; otherwise the network, with the head at every position, runs on all rows.
    Every call draws every position, masked or not, over (B, L, V), and keeps the draw at masked ones. Not as there:
    the denoising step draws where theirs takes the likeliest token, so that the law is ours.
    """

    def stale(self, changed: Tensor) -> Tensor:
        return changed.any().expand_as(changed)

    @torch.no_grad()
    def consult(self, canvases: Canvases, call: int) -> None:
        x = canvases.x
        logits = self.forward(x, call)
        logits[..., -1] += -1_000_000.0
        logits = logits - logits.logsumexp(-1, keepdim=True)
        written = x != self.mask_id
        logits[written] = -1_000_000.0
        logits[written, x[written]] = 0.0
        canvases.known = logits.exp()

    @torch.no_grad()
    def draw(self, canvases: Canvases, call: int) -> None:
        assert canvases.known is not None
        before, after = self.mask_probability(call)
        weights = canvases.known * (before - after)
        weights[..., -1] = after
        drawn = race(weights, canvases.generator)
        canvases.move(torch.where(canvases.x == self.mask_id, drawn, canvases.x))
