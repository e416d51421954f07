"""The matrix products of a network call alone: a lower bound on its time."""

from typing import cast

import torch
import torch.nn.functional as F
from measure import seconds
from torch import Tensor, nn

from sedd_cli.models.backbones.ddit import Block, DDiT
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.stacking import PAD, STACK


class Products:
    """Linear layers, attention's two products and the head, in the shapes of a call that reveals up to `PAD` tokens.

    Of `rows` canvases that run together, or as many of them as do. Attention's products are taken head by head, into
    memory that stays in the cache.
    """

    def __init__(self, checkpoint: Checkpoint, rows: int, length: int) -> None:
        backbone, config = checkpoint.model.backbone, checkpoint.config.model
        assert isinstance(backbone, DDiT)
        self.rows = 1 if backbone.time_conditioned else max(1, min(rows, STACK // length))
        self.blocks = cast(list[Block], list(backbone.blocks))
        self.heads, D = config.n_heads, config.hidden_size
        self.x, self.wide = torch.randn(self.rows * length, D), torch.randn(self.rows * length, 4 * D)
        self.qkv = torch.randn(3, self.heads, length, D // self.heads)
        self.scores, self.attended = torch.empty(length, length), torch.empty(length, D // self.heads)
        self.head = backbone.output_layer.linear.weight[: checkpoint.process.tokens]

    def visit(self, number: int) -> dict[str, float]:
        """Seconds a row (`measure.Visit`)."""
        return {"products": seconds(self.run) / self.rows}

    @torch.no_grad()
    def run(self) -> None:
        *blocks, last = self.blocks
        for block in blocks:
            self._block(block, len(self.scores))
        self._block(last, PAD)
        F.linear(self.x[:PAD], self.head)

    def _block(self, block: Block, queries: int) -> None:
        """With queries at so many of each canvas's positions."""
        D, count = self.x.shape[1], self.rows * queries
        if queries == len(self.scores):
            F.linear(self.x, block.attn_qkv.weight)
        else:
            F.linear(self.x[:count], block.attn_qkv.weight[:D])
            F.linear(self.x, block.attn_qkv.weight[D:])
        for _ in range(self.rows):
            self._attention(queries)
        F.linear(self.x[:count], block.attn_out.weight)
        F.linear(self.x[:count], self.weight(block, 0))
        F.linear(self.wide[:count], self.weight(block, 2))

    @staticmethod
    def weight(block: Block, layer: int) -> Tensor:
        """Of the MLP's first or last layer."""
        return cast(nn.Linear, block.mlp[layer]).weight

    def _attention(self, queries: int) -> None:
        scores, attended = self.scores[:queries], self.attended[:queries]
        q: Tensor
        for q, k, v in zip(*self.qkv, strict=True):
            torch.mm(q[:queries], k.T, out=scores)
            torch.mm(scores, v, out=attended)
