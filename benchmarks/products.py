"""The matrix products of a network call and nothing else: what is left when all else costs nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.network import PAD
from sedd_cli.models.transformer import Block


class Products:
    """Linear layers, attention's two products and the head, in the shapes of a call that reveals up to `PAD` tokens.

    Of one canvas of L tokens. Attention's products are taken head by head, into memory that stays in the cache.
    """

    def __init__(self, checkpoint: Checkpoint, length: int) -> None:
        self.transformer, tokens = checkpoint.model.transformer, checkpoint.process.tokens
        first: Block = self.transformer.blocks[0]  # type: ignore[assignment]
        self.heads, D = first.n_heads, checkpoint.config.model.hidden_size
        self.x, self.wide = torch.randn(length, D), torch.randn(length, 4 * D)
        self.qkv = torch.randn(3, self.heads, length, D // self.heads)
        self.scores, self.attended = torch.empty(length, length), torch.empty(length, D // self.heads)
        linear = self.transformer.output_layer.linear
        self.head = linear.weight[:tokens]

    @torch.no_grad()
    def __call__(self) -> None:
        *blocks, last = self.transformer.blocks
        for block in blocks:
            self._block(block, len(self.x))
        self._block(last, PAD)
        F.linear(self.x[:PAD], self.head)

    def _block(self, block: Block, queries: int) -> None:
        D = self.x.shape[1]
        if queries == len(self.x):
            F.linear(self.x, block.attn_qkv.weight)
        else:
            F.linear(self.x[:queries], block.attn_qkv.weight[:D])
            F.linear(self.x, block.attn_qkv.weight[D:])
        self._attention(queries)
        F.linear(self.x[:queries], block.attn_out.weight)
        F.linear(self.x[:queries], block.mlp[0].weight)
        F.linear(self.wide[:queries], block.mlp[2].weight)

    def _attention(self, queries: int) -> None:
        scores, attended = self.scores[:queries], self.attended[:queries]
        q: Tensor
        for q, k, v in zip(*self.qkv, strict=True):
            torch.mm(q[:queries], k.T, out=scores)
            torch.mm(scores, v, out=attended)
