"""The diffusion transformer of SEDD and RADD: one network for both forms.

Parameter names are exactly those of the public checkpoints. The SEDD form is conditioned on the total noise through
adaptive layer norms (DDiT); the RADD form has no time, and biases in its layer norms instead.

Shapes: B canvases of L tokens, D features, H heads, V states.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sedd_cli.models.backbones.attention import Attention, LayerMemory, Memory, Reach, Seen, attend
from sedd_cli.models.backbones.layers import Linear, Narrowing, Rotary, gather_positions, inverse_frequencies, rotate_
from sedd_cli.models.backbones.protocol import Backbone
from sedd_cli.models.config import NetworkConfig

INITIAL_STD = 0.05
"""Of fresh weights."""
GELU_CHUNK = 2**17
"""Elements that a GELU processes at a time, so that they stay in a core's cache."""
GELU_SLOPE = torch.tensor(2 * math.sqrt(2 / math.pi), device="cpu")
GELU_CURVE = 0.044715 * float(GELU_SLOPE)


class LayerNorm(nn.Module):
    def __init__(self, dim: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x: Tensor, shift: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D), then `x (1 + scale) + shift` where there is time: (B, 1, D) each."""
        shape = self.weight.shape
        if shift is None or scale is None:
            return F.layer_norm(x.float(), shape, self.weight, self.bias)
        shift, scale = shift.float(), scale.float()
        if len(scale) == 1:
            # One noise level for all rows: the modulation is one more affine map, and costs no pass over x.
            return F.layer_norm(x.float(), shape, self.weight * (1 + scale.view(shape)), shift.view(shape))
        return torch.addcmul(shift, F.layer_norm(x.float(), shape, self.weight), 1 + scale)


class Gelu(nn.Module):
    """GELU by tanh, in place where no gradient needs the input: new memory costs more than the arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return F.gelu(x, approximate="tanh")
        if x.device.type != "cpu":
            out: Tensor = torch.ops.aten.gelu_(x, approximate="tanh")
            return out
        # x sigmoid(2 z) is x (1 + tanh z) / 2, in half of the time that torch's own takes on a CPU.
        for part in x.view(-1).split(GELU_CHUNK):
            gate = torch.addcmul(GELU_SLOPE, part, part, value=GELU_CURVE)
            part.mul_(gate.mul_(part).sigmoid_())
        return x


class TurnedHeads(torch.autograd.Function):
    """Queries, keys and values of (B, L, 3, H, D/H), the first two turned; for training.

    Autograd's backward of slices fills and sums a zeroed copy of the whole for each of them.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(cos, sin)
        turned = rotate_(qkv[:, :, :2].clone(), (cos[:, None], sin[:, None]))
        return turned[:, :, 0], turned[:, :, 1], qkv[:, :, 2].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        grad = torch.stack(grads, dim=2)
        rotate_(grad[:, :, :2], (cos[:, None], -sin[:, None]))
        return grad, None, None


class TimestepEmbedder(nn.Module):
    """The total noise as sines and cosines, then a small MLP: (B,) -> (B, cond_dim)."""

    def __init__(self, cond_dim: int, frequencies: int = 256) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, cond_dim), nn.SiLU(), nn.Linear(cond_dim, cond_dim))

    def forward(self, sigma: Tensor) -> Tensor:
        half = self.frequencies // 2
        ramp = torch.arange(half, device=sigma.device, dtype=torch.float32) / half
        angle = sigma[:, None].float() * torch.exp(-math.log(10_000) * ramp)
        # Never in half precision: the noise decides what the whole network computes.
        with torch.autocast(sigma.device.type, enabled=False):
            out: Tensor = self.mlp(torch.cat([angle.cos(), angle.sin()], dim=-1))
        return out


def add_gated(x: Tensor, out: Tensor, gate: Tensor | None) -> Tensor:
    """`x + gate * out`, into x itself where no gradient needs it (and half precision would not widen)."""
    if torch.is_grad_enabled() or x.dtype != out.dtype:
        return x + out if gate is None else torch.addcmul(x, gate, out)
    return x.add_(out) if gate is None else x.addcmul_(gate, out)


def spread(modulation: Tensor | None, where: Tensor) -> Tensor | None:
    """A row's modulation (B, 1, D) at each of its positions `where` (B, L): (N, D)."""
    return None if modulation is None else modulation.expand(*where.shape, -1)[where]


class Block(nn.Module):
    """Attention and MLP, each with its residual."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        D, timed = config.hidden_size, config.time_conditioned
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.norm1 = LayerNorm(D, bias=not timed)
        self.attn_qkv = Linear(D, 3 * D, bias=False)
        self.attn_out = nn.Linear(D, D, bias=False)
        self.norm2 = LayerNorm(D, bias=not timed)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), Gelu(), Narrowing(4 * D, D))
        self.adaLN_modulation = nn.Linear(config.cond_dim, 6 * D) if timed else None

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        c: Tensor | None,
        at: Tensor | None = None,
        where: Tensor | None = None,
        seen: Seen = "full",
        memory: LayerMemory | None = None,
    ) -> Tensor:
        """x (B, L, D) and condition c (B, cond_dim) -> (B, L, D).

        With `at` (B, K), keys and values are computed everywhere, all else at those positions alone: (B, K, D).
        With `where` (B, L) of N positions, any number in a row, attention is computed everywhere: (N, D).
        """
        shift1, scale1, *modulations = self._modulations(c)
        queries, keys, values = self._queries_keys_values(self.norm1(x, shift1, scale1), angles, at)
        if memory is not None:
            keys, values = memory.join(keys, values)
        attended = attend(queries, keys, values, seen, at)
        if at is not None:
            x = gather_positions(x, at)
        if where is not None:
            x, attended = x[where], attended[where]
            modulations = [spread(m, where) for m in modulations]
        gate1, shift2, scale2, gate2 = modulations
        x = add_gated(x, self._drop(self.attn_out(attended)), gate1)
        return add_gated(x, self._drop(self.mlp(self.norm2(x, shift2, scale2))), gate2)

    def _queries_keys_values(
        self, h: Tensor, angles: tuple[Tensor, Tensor], at: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Heads of normalised h (B, L, D), turned: (B, L, H, D/H) each; queries (B, K, H, D/H) with `at`."""
        if at is None:
            return self._turned(self._heads(self.attn_qkv(h), 3), angles)
        (cos, sin), D = angles, h.shape[-1]
        queries = self._heads(self.attn_qkv.part(gather_positions(h, at), 0, D), 1).squeeze(2)
        keys_values = self._heads(self.attn_qkv.part(h, D, 3 * D), 2)
        return rotate_(queries, (cos[at], sin[at])), rotate_(keys_values[:, :, 0], angles), keys_values[:, :, 1]

    def _turned(self, qkv: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, 3, H, D/H) with queries and keys turned, as three; in place unless there are gradients."""
        if torch.is_grad_enabled():
            turned: tuple[Tensor, Tensor, Tensor] = TurnedHeads.apply(qkv, *angles)  # type: ignore[no-untyped-call]
            return turned
        cos, sin = angles
        rotate_(qkv[:, :, :2], (cos[:, None], sin[:, None]))
        queries, keys, values = qkv.unbind(2)
        return queries, keys, values

    def _drop(self, out: Tensor) -> Tensor:
        return F.dropout(out, self.dropout, self.training) if self.training and self.dropout else out

    def _heads(self, qkv: Tensor, parts: int) -> Tensor:
        """(B, L, parts * D) -> (B, L, parts, H, D/H)."""
        B, L, _ = qkv.shape
        return qkv.view(B, L, parts, self.n_heads, -1)

    def _modulations(self, c: Tensor | None) -> Sequence[Tensor | None]:
        if c is None or self.adaLN_modulation is None:
            return (None,) * 6
        parts: tuple[Tensor, ...] = self.adaLN_modulation(c)[:, None].chunk(6, dim=-1)
        return parts


class Embedding(nn.Module):
    def __init__(self, states: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(states, dim))
        nn.init.kaiming_uniform_(self.embedding, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding[x].float()


class OutputLayer(nn.Module):
    def __init__(self, config: NetworkConfig, states: int) -> None:
        super().__init__()
        D, timed = config.hidden_size, config.time_conditioned
        self.norm_final = LayerNorm(D, bias=not timed)
        self.linear = Linear(D, states)
        self.adaLN_modulation = nn.Linear(config.cond_dim, 2 * D) if timed else None

    def features(self, x: Tensor, c: Tensor | None, where: Tensor | None = None) -> Tensor:
        """The features that the vocabulary head reads: (B, L, D), or (N, D) where x is at the positions `where`."""
        shift = scale = None
        if c is not None and self.adaLN_modulation is not None:
            shift, scale = self.adaLN_modulation(c)[:, None].chunk(2, dim=-1)
            if where is not None:
                shift, scale = spread(shift, where), spread(scale, where)
        out: Tensor = self.norm_final(x, shift, scale)
        return out


class DDiT(Backbone):
    """The diffusion transformer; a state's logit is a linear function of the features."""

    def __init__(self, config: NetworkConfig, states: int, mask_id: int | None = None) -> None:
        super().__init__()
        self.mask_id = mask_id
        self.head_dim = config.hidden_size // config.n_heads
        self.time_conditioned = config.time_conditioned
        self.reach = Reach.of(config.block_size, config.length)
        self.vocab_embed = Embedding(states, config.hidden_size)
        self.sigma_map = TimestepEmbedder(config.cond_dim) if config.time_conditioned else None
        self.rotary_emb = Rotary(self.head_dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.output_layer = OutputLayer(config, states)
        self.recompute = config.use_checkpoint

    @property
    def embedding(self) -> nn.Parameter:
        return self.vocab_embed.embedding

    def features(
        self,
        x: Tensor,
        sigma: Tensor,
        at: Tensor | None = None,
        where: Tensor | None = None,
        attention: Attention = "full",
        memory: Memory | None = None,
    ) -> Tensor:
        c = None if self.sigma_map is None else F.silu(self.sigma_map(sigma))
        start, seen, memories = self.reading(x.shape[1], attention, memory)
        angles = self.rotary_emb.angles(x.shape[1], start)
        h = self.vocab_embed(x)
        last = len(self.blocks) - 1
        for i, (block, of_layer) in enumerate(zip(self.blocks, memories, strict=True)):
            inputs = (h, angles, c, at if i == last else None, where if i == last else None, seen, of_layer)
            recompute = self.recompute and self.training
            h = checkpoint(block, *inputs, use_reentrant=False) if recompute else block(*inputs)
        return self.output_layer.features(h, c, where)

    def head(self, features: Tensor, every_state: bool = False) -> Tensor:
        linear = self.output_layer.linear
        if every_state:
            out: Tensor = linear(features)
            return out
        parts = [linear.part(features, *span) for span in self.written_spans()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def block_output(self, hidden: Tensor, at: Tensor | None = None) -> Tensor:
        # Of a copy: a block adds to what it reads.
        out: Tensor = self.blocks[-1](hidden.clone(), self.rotary_emb.angles(hidden.shape[1]), None, at)
        return out if at is None else self.output_layer.features(out, None)

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights; nothing in the residual outputs, the head and the modulations."""
        for name, p in self.named_parameters():
            if p.ndim == 2:
                silent = name.endswith(("attn_out.weight", "mlp.2.weight", "linear.weight")) or "adaLN" in name
                nn.init.zeros_(p) if silent else nn.init.normal_(p, std=INITIAL_STD, generator=generator)
            elif name.endswith(".bias"):
                nn.init.zeros_(p)
        # A gate of zero would keep a zero residual output from ever learning: open the gates instead.
        for name, p in self.blocks.named_parameters():
            if name.endswith("adaLN_modulation.bias"):
                gates = p.data.view(6, -1)
                gates[2] = gates[5] = 1.0

    def derived_buffers(self) -> dict[str, Tensor]:
        # Some weights files hold it: half precision on disk would have spoilt it.
        return {"rotary_emb.inv_freq": inverse_frequencies(self.head_dim)}

    def quantised_layers(self) -> dict[str, Sequence[int]]:
        """All but those that depend on sigma alone."""
        width = self.embedding.shape[1]
        cuts: dict[str, Sequence[int]] = {
            f"blocks.{len(self.blocks) - 1}.attn_qkv": [width],
            "output_layer.linear": [edge for span in self.written_spans() for edge in span],
        }
        names = (name for name, module in self.named_modules() if isinstance(module, nn.Linear))
        return {name: cuts.get(name, []) for name in names if "adaLN" not in name and "sigma_map" not in name}
