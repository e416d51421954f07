"""What a backbone's logits mean: log scores, in SEDD form or in RADD form."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sedd_cli.diffusion.d3pm import Mixing
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Causal, Uniform
from sedd_cli.errors import UsageError
from sedd_cli.models.backbones import BACKBONES
from sedd_cli.models.backbones.attention import Attention, Memory
from sedd_cli.models.block_memory import BlockMemory
from sedd_cli.models.config import Config
from sedd_cli.models.stacking import HEAD_CHUNK, PAD, Stacking, padded

LOSS_CHUNK = 512
"""Positions of which training computes the head's output at once: fewer and larger products are faster."""

LOGITS_KEPT = 2**24
"""Logits that training keeps until the backward pass; where there are more, it computes them again."""

FREED_KEPT = 31 * 2**20
"""Bytes just below glibc's largest threshold for keeping freed memory."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (n, tokens), indices of their positions (n,)) -> (n,)."""


class ScoreNetwork(nn.Module):
    """A backbone read as log scores of its process (SEDD, 2310.16834, section 4; RADD, 2406.03736, theorem 1).

    With a causal process a position is read with those before it alone, and its scores are `log p(x_i | x_<i)`.

    A D3PM's logits are those of `p(x0 | x_t)`: for the absorbing process any network's are, and with uniform noise the
    score is made from them (`predicts_x0`), in float64 where it is asked for at positions. `autocast` is the dtype of
    the blocks' products; scores are float32 otherwise. `leading_id`: see `NetworkConfig`.

    With a PAD state (`Config.pad_id`), PAD has probability 0 on canvases where none is visible: `_without_pad`.

    A network by blocks scores a position from the tokens of its block and of those before it, be they MASK or not.
    """

    def __init__(self, config: Config, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.process = config.process()
        self.autoregressive = isinstance(self.process, Causal)
        self.time_conditioned = config.model.time_conditioned
        self.scale_by_sigma = self.time_conditioned and config.model.scale_by_sigma
        self.predicts_x0 = config.d3pm is not None and isinstance(self.process, Uniform)
        self.autocast = autocast
        self.leading_id = config.model.leading_id
        self.pad_id = config.pad_id
        backbone = BACKBONES[config.model.type].load()
        self.backbone = backbone(config.model, self.process.states, self.process.mask_id)
        self.reach = self.backbone.reach
        self._finished = BlockMemory(self.backbone, self.reach) if self.reach else None
        self._stacking = Stacking(self.backbone)
        _keep_freed_memory()

    @property
    def device(self) -> torch.device:
        return self.backbone.embedding.device

    def log_score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Log scores of every state at every position: (B, L) int64, (B,) -> (B, L, V) float32.

        SEDD form: the network's own output at every position, 0 at `x_i`. RADD form: `log c - log(e^sigma - 1)`
        at masked positions, 0 in the MASK column; elsewhere 0 at `x_i` and -inf. Raises `UsageError` if
        the process is causal.
        """
        if self.autoregressive:
            raise UsageError("an autoregressive checkpoint has no score", "Its log_scores are those of the next token.")
        x, sigma = x.to(self.device), sigma.to(self.device, torch.float32)
        with self._autocast():
            features = self.backbone.features(self._led(x), sigma)
        logits = self.backbone.head(features[:, : x.shape[1]].float(), every_state=True)
        if self.predicts_x0:
            each = sigma[:, None].expand(x.shape).flatten()
            return self.read(logits.flatten(0, 1), each, x.flatten()).view(logits.shape).float()
        if self.time_conditioned:
            out = self._scaled(logits, sigma[:, None])
            return out.scatter(-1, x.unsqueeze(-1), 0.0)
        assert self.process.mask_id is not None
        real = self._without_pad(self.process.columns(logits), x, torch.arange(len(x), device=x.device)[:, None])
        real = real.log_softmax(-1) - torch.expm1(sigma).log()[:, None, None]
        at_mask = self.process.with_mask(real, torch.zeros_like(real[..., :1]))
        stay = torch.full_like(at_mask, -torch.inf).scatter_(-1, x.unsqueeze(-1), 0.0)
        return torch.where(torch.eq(x, self.process.mask_id).unsqueeze(-1), at_mask, stay)

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        """`diffusion.network.Network`: the same log scores of the real tokens, at the positions `where` alone.

        On a CPU canvases run together only where that changes no bit, so that no result depends on the rest of the
        batch. By blocks, keys and values of the blocks before are kept between calls, and tokens after are not read.
        """
        rows = where.any(1).nonzero().squeeze(1)
        if not len(rows):
            return
        if self.reach is not None:
            yield from self._log_scores_by_blocks(x, sigma, where, rows)
            return
        if self.device.type != "cpu":
            yield from self._log_scores(x, sigma, where, rows)
            return
        if self.autoregressive:
            for row in rows:
                yield from self._log_scores(x, sigma, where, row[None])
            return
        counts, length = where[rows].sum(1).tolist(), x.shape[1] + (self.leading_id is not None)
        for stack in self._stacking.stacks(rows.tolist(), counts, length, self._plain_head):
            yield from self._log_scores(x, sigma, where, torch.tensor(stack, device="cpu"))

    def losses_at(self, x: Tensor, sigma: Tensor, where: Tensor, loss: Loss, attention: Attention = "full") -> Tensor:
        """Differentiable losses at the positions `where` (B, L), row by row: (N,). For training.

        `loss` takes the logits of a chunk (n, tokens) and the indices of its positions (n,). Logits are computed by
        chunks, and where they are many (`LOGITS_KEPT`) again in the backward pass, so that logits of all N are never
        held. With causal `attention` each position scores the next token.
        """
        with self._autocast():
            if self.leading_id is not None:
                x, where = self._led(x), nn.functional.pad(where, (0, 1))
            features = self.backbone.features(x, sigma, where=where, attention=attention).float()
        row = None if self.pad_id is None else where.nonzero()[:, 0]

        def of_chunk(features: Tensor, chunk: Tensor) -> Tensor:
            logits = self._training_head(features)
            return loss(logits if row is None else self._without_pad(logits, x, row[chunk]), chunk)

        # split(), not indexing: in the backward pass each index would fill a zeroed copy of all features.
        chunks = torch.arange(len(features), device=features.device).split(LOSS_CHUNK)
        parts = zip(features.split(LOSS_CHUNK), chunks, strict=True)
        if len(features) * self.process.tokens <= LOGITS_KEPT:
            return torch.cat([of_chunk(part, chunk) for part, chunk in parts])
        return torch.cat([checkpoint(of_chunk, part, chunk, use_reentrant=False) for part, chunk in parts])

    def _training_head(self, features: Tensor) -> Tensor:
        """Logits (n, tokens) in float32; on a CPU their product is in the dtype of those of the blocks."""
        if self.device.type != "cpu":
            return self.backbone.head(features)
        with self._autocast():
            return self.backbone.head(features).float()

    def _led(self, x: Tensor) -> Tensor:
        """The canvases (B, L) as the backbone reads them: after the leading token (B, L + 1), if there is one.

        A logit at a position is then that of the canvas's token at the same index.
        """
        return x if self.leading_id is None else nn.functional.pad(x, (1, 0), value=self.leading_id)

    def _causal_features(self, x: Tensor, sigma: Tensor, where: Tensor) -> Tensor:
        """As `_features` with causal attention: tokens after the last position of `where` are not read."""
        assert isinstance(self.process, Causal)
        end = int(where.any(0).nonzero().max()) + 1
        x, where = self.process.before(x[:, :end]).to(self.device), where[:, :end].to(self.device)
        with self._autocast():
            features = self.backbone.features(x, sigma.to(self.device), where=where, attention="causal")
        return features.float()

    def _log_scores_by_blocks(self, x: Tensor, sigma: Tensor, where: Tensor, rows: Tensor) -> Iterator[Scored]:
        assert self.reach is not None
        parts = where.split(self.reach.size, 1)
        blocks = [i for i, part in enumerate(parts) if bool(part.any())]
        together = self.device.type != "cpu" and len(blocks) == 1
        for stack in [rows] if together else rows.split(1):
            for block in blocks:
                if bool(parts[block][stack].any()):
                    here = torch.zeros_like(where)
                    here[:, block * self.reach.size :][:, : self.reach.size] = parts[block]
                    yield from self._log_scores(x, sigma, here, stack)

    def _block_features(self, x: Tensor, sigma: Tensor, where: Tensor) -> Tensor:
        """As `_features`; the positions are all in one block, and it alone is run."""
        assert self.reach is not None and self._finished is not None
        size = self.reach.size
        start = int(where.any(0).int().argmax()) // size * size
        with self._autocast():
            memory = self._finished.before(x[:, :start].cpu())
        return self._features(x[:, start : start + size], sigma, where[:, start : start + size], memory)

    def _features(self, x: Tensor, sigma: Tensor, where: Tensor, memory: Memory | None = None) -> Tensor:
        """Features at the positions `where` (B, L): (N, D) in row-major order."""
        counts = where.sum(1)
        # Chosen positions first, in order; the padding repeats others, and is dropped below.
        at = where.int().argsort(dim=1, descending=True, stable=True)[:, : padded(int(counts.max()), where.shape[1])]
        kept = torch.arange(at.shape[1], device="cpu") < counts[:, None]
        with self._autocast():
            x = self._led(x.to(self.device))
            features = self.backbone.features(x, sigma.to(self.device), at.to(self.device), memory=memory)
        return features.float()[kept.to(self.device)]

    @torch.no_grad()
    def _log_scores(self, x: Tensor, sigma: Tensor, where: Tensor, rows: Tensor) -> Iterator[Scored]:
        """Run the canvases `rows` together; every one of them has a position to score."""
        read = self._causal_features if self.autoregressive else self._block_features if self.reach else self._features
        features = read(x[rows], sigma[rows].float(), where[rows])
        place, position = where[rows].nonzero().unbind(1)
        row = rows[place]
        current = x[row, position]
        for pack in self._packs(torch.bincount(place).tolist()):
            chosen = torch.cat(pack)
            scores = self._head(features[chosen], sigma[row[chosen]], current[chosen], x, row[chosen])
            for chunk, score in zip(pack, scores.split([len(chunk) for chunk in pack]), strict=True):
                yield Scored(row[chunk], position[chunk], score)

    def _packs(self, counts: list[int]) -> list[list[Tensor]]:
        """Cut the positions of canvases that have `counts` of them into the chunks of `Scored`: (n,) each.

        The head runs once for each list of chunks. On a CPU no chunk holds two canvases: a sum over one row of many
        tokens is shared by threads, over several it is not, and rounds otherwise.
        """
        indices = torch.arange(sum(counts), device="cpu")
        if self.device.type != "cpu":
            return [[chunk] for chunk in indices.split(HEAD_CHUNK)]
        packs: list[list[Tensor]] = []
        room = 0
        for canvas in indices.split(counts):
            for chunk in canvas.split(HEAD_CHUNK):
                if len(chunk) > room:
                    packs.append([])
                    room = HEAD_CHUNK
                packs[-1].append(chunk)
                room -= len(chunk)
        return packs

    def _plain_head(self, features: Tensor) -> Tensor:
        """Log scores (n, tokens) of features (n, D) at some noise, where tokens are masked."""
        n = len(features)
        current = torch.full((n,), self.process.mask_id or 0, device="cpu")
        return self._head(features, torch.ones(n, device="cpu"), current, current[None], torch.zeros_like(current))

    def _head(self, features: Tensor, sigma: Tensor, current: Tensor, x: Tensor, row: Tensor) -> Tensor:
        """Log scores of the real tokens: (n, D), (n,), the current tokens (n,) -> (n, tokens).

        They stand in the rows `row` (n,) of the canvases `x` (B, L).
        """
        n = len(features)
        if self.device.type == "cpu" and n % PAD:
            features = torch.cat([features, features.new_zeros(PAD - n % PAD, features.shape[1])])
        return self.read(self._without_pad(self.backbone.head(features)[:n], x, row), sigma, current)

    def _without_pad(self, logits: Tensor, x: Tensor, row: Tensor) -> Tensor:
        """Logits of the real tokens (..., tokens), PAD's at -inf where the canvas has no visible PAD; in place.

        `row` (...) are the rows of the canvases `x` (B, L): a canvas without elastic gaps is then read as by a network
        that has no PAD.
        """
        if self.pad_id is None:
            return logits
        absent = torch.ne(x, self.pad_id).all(1)[row].to(logits.device)
        # PAD is the last of the tokens.
        logits[..., -1].masked_fill_(absent, -torch.inf)
        return logits

    def read(self, logits: Tensor, sigma: Tensor, current: Tensor) -> Tensor:
        """Logits of the real tokens as log scores: (n, tokens), (n,), the current tokens (n,) -> (n, tokens)."""
        if self.predicts_x0:
            return self._score_of_x0(logits, sigma, current)
        if self.autoregressive:
            return logits.log_softmax(-1)
        sigma = sigma.to(self.device, torch.float32)
        if not self.time_conditioned:
            return logits.log_softmax(-1) - torch.expm1(sigma).log()[:, None]
        out = self._scaled(logits, sigma)
        if self.process.mask_id is not None:
            return out
        return out.scatter(-1, current.to(self.device)[:, None], 0.0)

    def _score_of_x0(self, logits: Tensor, sigma: Tensor, current: Tensor) -> Tensor:
        """The log score of logits of `p(x0 | x_t)`; float64, since `p(x0 | x_t)` is computed back from it."""
        exact = (logits.cpu() if self.device.type == "mps" else logits).double()
        current = current.to(exact.device)
        noise = Mixing.of(torch.exp(-sigma.cpu().double()), self.process.tokens, exact.device, exact.dtype)
        log_score = noise.log_smeared(noise.log_odds(exact.log_softmax(-1), current))
        return log_score.scatter(-1, current[:, None], 0.0)

    def _scaled(self, logits: Tensor, sigma: Tensor) -> Tensor:
        """SEDD's `scale_by_sigma`: minus `log(e^sigma - 1)` and `log(V - 1)`; sigma broadcasts over the states."""
        if not self.scale_by_sigma:
            return logits
        return logits - (torch.expm1(sigma).log() + math.log(self.process.states - 1)).unsqueeze(-1)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None)


def _keep_freed_memory() -> None:
    """Make glibc's malloc keep the memory that a call frees for the next one.

    Otherwise buffers of megabytes go back to the system and return page by page, at 256 tokens a tenth of a call.
    The threshold follows the largest mapped buffer that was freed; it need not have been touched.
    """
    torch.empty(FREED_KEPT, dtype=torch.uint8, device="cpu")
