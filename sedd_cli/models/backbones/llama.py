"""The transformer of Llama and Qwen, read in both directions: LLaDA, Dream, A2D and Open-dCoder.

RMSNorm, grouped queries with rotary positions, SwiGLU (Llama, 2302.13971; grouped queries, 2305.13245; norms of queries
and keys, Qwen3, 2505.09388). It has no time. Parameter names are transformers', without `model.` and with `blocks`.

Shapes: B canvases of L tokens, D features, H heads of E features, G of keys and values, V states.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sedd_cli.models.backbones.attention import Attention, LayerMemory, Memory, Reach, Seen, attend
from sedd_cli.models.backbones.layers import (
    Linear,
    Narrowing,
    Rotary,
    gather_positions,
    inverse_frequencies,
    rotate,
    rotate_,
)
from sedd_cli.models.backbones.protocol import Backbone
from sedd_cli.models.config import LlamaConfig

INITIAL_STD = 0.02
"""Of fresh weights."""


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D), in float32."""
        out: Tensor = F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps)
        return out


class SelfAttention(nn.Module):
    """Queries of H heads; keys and values of G, each read by H / G of them."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        D, E, H, G = config.hidden_size, config.head_dim, config.n_heads, config.n_kv_heads
        self.head_dim = E
        self.q_proj = Linear(D, H * E, bias=config.qkv_bias)
        self.k_proj = Linear(D, G * E, bias=config.qkv_bias)
        self.v_proj = Linear(D, G * E, bias=config.qkv_bias)
        self.o_proj = Linear(H * E, D, bias=False)
        self.q_norm = RMSNorm(E, config.norm_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(E, config.norm_eps) if config.qk_norm else None

    def forward(
        self,
        h: Tensor,
        angles: tuple[Tensor, Tensor],
        at: Tensor | None,
        seen: Seen,
        memory: LayerMemory | None,
    ) -> Tensor:
        """h (B, L, D) -> heads side by side (B, L, H E), or (B, K, H E) at the positions `at` (B, K)."""
        cos, sin = angles
        chosen, turned = (h, angles) if at is None else (gather_positions(h, at), (cos[at], sin[at]))
        queries = self._turned(self.q_proj(chosen), self.q_norm, turned)
        keys = self._turned(self.k_proj(h), self.k_norm, angles)
        values = self._heads(self.v_proj(h))
        if memory is not None:
            keys, values = memory.join(keys, values)
        return attend(queries, keys, values, seen, at)

    def _heads(self, x: Tensor) -> Tensor:
        out: Tensor = x.unflatten(-1, (-1, self.head_dim))
        return out

    def _turned(self, x: Tensor, norm: nn.Module | None, angles: tuple[Tensor, Tensor]) -> Tensor:
        heads = self._heads(x)
        heads = heads if norm is None else norm(heads).to(x.dtype)
        return rotate(heads, angles) if torch.is_grad_enabled() else rotate_(heads, angles)


class MLP(nn.Module):
    """SwiGLU (2002.05202): (..., D) -> (..., D)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        D, M = config.hidden_size, config.mlp_size
        self.gate_proj, self.up_proj = Linear(D, M, bias=False), Linear(D, M, bias=False)
        self.down_proj = Narrowing(M, D, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """Attention and MLP, each with its residual."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = SelfAttention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        at: Tensor | None = None,
        where: Tensor | None = None,
        seen: Seen = "full",
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """(B, L, D) -> (B, L, D); (B, K, D) at `at` (B, K), (N, D) at `where` (B, L), as in `Backbone.features`."""
        attended = self.self_attn(self.input_layernorm(x), angles, at, seen, memory)
        if at is not None:
            x = gather_positions(x, at)
        if where is not None:
            x, attended = x[where], attended[where]
        x = x + self.self_attn.o_proj(attended)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Llama(Backbone):
    """Blocks between an embedding and a head, which is the embedding again where the config ties them."""

    time_conditioned = False

    def __init__(self, config: LlamaConfig, states: int, mask_id: int | None = None) -> None:
        super().__init__()
        self.mask_id, self._rope = mask_id, (config.head_dim, config.rope_theta, config.rope_scaling)
        self.reach = Reach.of(config.block_size, config.length)
        # Not by its size alone: on the meta device it would be drawn, which imports torch's compiler (1 s, 90 MB).
        self.embed_tokens = nn.Embedding.from_pretrained(torch.empty(states, config.hidden_size), freeze=False)
        self.rotary = Rotary(*self._rope)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.lm_head = None if config.tied else Linear(config.hidden_size, states, bias=False)
        self.recompute = config.use_checkpoint

    @property
    def embedding(self) -> nn.Parameter:
        weight = self.embed_tokens.weight
        assert isinstance(weight, nn.Parameter)
        return weight

    def features(
        self,
        x: Tensor,
        sigma: Tensor,
        at: Tensor | None = None,
        where: Tensor | None = None,
        attention: Attention = "full",
        memory: Memory | None = None,
    ) -> Tensor:
        start, seen, memories = self.reading(x.shape[1], attention, memory)
        angles, h = self.rotary.angles(x.shape[1], start), self.embed_tokens(x).float()
        last = len(self.blocks) - 1
        for i, (block, of_layer) in enumerate(zip(self.blocks, memories, strict=True)):
            inputs = (h, angles, at if i == last else None, where if i == last else None, seen, of_layer)
            recompute = self.recompute and self.training
            h = checkpoint(block, *inputs, use_reentrant=False) if recompute else block(*inputs)
        out: Tensor = self.norm(h)
        return out

    def head(self, features: Tensor, every_state: bool = False) -> Tensor:
        spans = [(0, len(self.embedding))] if every_state else self.written_spans()
        parts = [self._logits(features, *span) for span in spans]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def _logits(self, features: Tensor, begin: int, end: int) -> Tensor:
        if self.lm_head is not None:
            return self.lm_head.part(features, begin, end)
        return F.linear(features, self.embedding[begin:end])

    def block_output(self, hidden: Tensor, at: Tensor | None = None) -> Tensor:
        out: Tensor = self.blocks[-1](hidden, self.rotary.angles(hidden.shape[1]), at)
        return out if at is None else self.norm(out)

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights; nothing in the residual outputs and the head, but for one that is the embedding."""
        for name, p in self.named_parameters():
            if p.ndim == 2:
                silent = name.endswith(("o_proj.weight", "down_proj.weight", "lm_head.weight"))
                nn.init.zeros_(p) if silent else nn.init.normal_(p, std=INITIAL_STD, generator=generator)
            elif name.endswith(".bias"):
                nn.init.zeros_(p)

    def derived_buffers(self) -> dict[str, Tensor]:
        return {"rotary.inv_freq": inverse_frequencies(*self._rope)}

    def prepare_pieces(self) -> None:
        """Untie the head from the embedding, which is only looked up, and goes to bfloat16."""
        if self.lm_head is None:
            self.lm_head = Linear(self.embedding.shape[1], len(self.embedding), bias=False, device="meta")
        self.embed_tokens.weight = nn.Parameter(self.embedding.data.bfloat16(), requires_grad=False)

    def quantised_layers(self) -> dict[str, Sequence[int]]:
        names = (name for name, module in self.named_modules() if isinstance(module, nn.Linear))
        cuts = [edge for span in self.written_spans() for edge in span]
        return {name: cuts if name == "lm_head" else [] for name in names}
