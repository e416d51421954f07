"""Exact draws of tokens: float64 softmax, cumulative sum, inverse.

Gumbel noise from float32 uniforms hardly ever reaches a token much rarer than 2^-24 (arXiv 2409.02908, section 4), and
nucleus-like truncation comes in unasked. Here a token comes from one 53-bit uniform by inversion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sedd_cli.ranges import FROM_1, NOT_NEGATIVE, SHARE


class TopTokens(NamedTuple):
    """The likeliest tokens of n draws (n, k), best first, with the probability that the network gave each (n, k)."""

    token: Tensor
    probability: Tensor


class Drawn(NamedTuple):
    """Tokens (n,), the probability that the network gave each (n,), and its entropy in nats there (n,).

    `top`: the likeliest ones, if they were asked for.
    """

    token: Tensor
    probability: Tensor
    entropy: Tensor
    top: TopTokens | None = None


NUCLEUS = 256
"""Likeliest tokens that are looked at first for the smallest set that holds `top_p`."""

Exclusion = tuple[tuple[int, ...], tuple[int, ...]]
"""Positions of a canvas, and tokens that are not drawn there."""


@dataclass(frozen=True, kw_only=True)
class LogitsProcessor:
    """How the conditional is changed before a draw; the default changes nothing.

    `temperature` divides the logits (at 0 the likeliest token is left, the first of equals), then `top_k` keeps the k
    likeliest tokens and `top_p` the smallest set of likeliest tokens that holds that much probability. `forbidden`
    tokens (not all of them) are never drawn, `forbidden_at_space` ones not at `space_positions`, those of each of
    `exclusions` not at its positions. Each changes the law of the samples.

    Raises `UsageError` for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    forbidden: tuple[int, ...] = ()
    space_positions: tuple[int, ...] = ()
    forbidden_at_space: tuple[int, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()

    def __post_init__(self) -> None:
        NOT_NEGATIVE.check("temperature", self.temperature)
        FROM_1.check("top-k", self.top_k)
        SHARE.check("top-p", self.top_p)

    @property
    def changes_law(self) -> bool:
        return self.temperature != 1.0 or self.truncates

    @property
    def truncates(self) -> bool:
        """Whether some tokens are never drawn, by how unlikely they are."""
        return self.temperature == 0 or self.top_k is not None or (self.top_p is not None and self.top_p < 1)

    def excludes(self, token: Tensor, position: Tensor) -> Tensor:
        """Whether each token (n,) is one of `exclusions` at `position` (n,): (n,) bool."""
        excluded = torch.zeros_like(token, dtype=torch.bool)
        for positions, tokens in self.exclusions:
            excluded |= _isin(token, tokens) & _isin(position, positions).to(token.device)
        return excluded

    def allowed(self, logits: Tensor, position: Tensor | None = None) -> Tensor:
        """(n, V) -> (n, V), tokens that are never drawn at -inf; the same tensor if there are none."""
        if self.forbidden:
            logits = logits.index_fill(-1, torch.tensor(self.forbidden, device=logits.device), -torch.inf)
        if position is not None:
            logits = _exclude_at(logits, position, self.space_positions, self.forbidden_at_space)
            for positions, tokens in self.exclusions:
                logits = _exclude_at(logits, position, positions, tokens)
        return logits

    def law(self, logits: Tensor, position: Tensor | None = None) -> Tensor:
        """The probabilities of the tokens that may be drawn, not otherwise changed: (n, V) -> (n, V) float64."""
        return self.allowed(exact(logits), position).softmax(-1)

    def apply(self, logits: Tensor, position: Tensor | None = None) -> Tensor:
        """(n, V) float64 -> (n, V), excluded tokens at -inf; the likeliest allowed token is never excluded."""
        logits = self.allowed(logits, position)
        if self.temperature == 0:
            best = logits.argmax(-1, keepdim=True)
            return torch.full_like(logits, -torch.inf).scatter_(-1, best, 0.0)
        if self.temperature != 1.0:
            # Relative to the largest, which then stays finite however low the temperature.
            logits = (logits - logits.amax(-1, keepdim=True)) / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            kept = logits.topk(self.top_k, dim=-1)
            logits = torch.full_like(logits, -torch.inf).scatter_(-1, kept.indices, kept.values)
        if self.top_p is not None and self.top_p < 1:
            logits = _nucleus(logits, self.top_p)
        return logits


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """(n, V) with all but the smallest set of likeliest tokens that holds `top_p` at -inf.

    Most often a few hundred tokens hold it: they are found in less time than sorting all takes.
    """
    V = logits.shape[-1]
    out, more = _within(logits, top_p, min(NUCLEUS, V))
    # By row: of tokens that are equally likely a search of all may keep others, and no row depends on another.
    if V > NUCLEUS and bool(more.any()):
        out[more] = _within(logits[more], top_p, V)[0]
    return out


def _within(logits: Tensor, top_p: float, k: int) -> tuple[Tensor, Tensor]:
    """As `_nucleus` among the k likeliest tokens, and whether more are needed: (n, V), (n,) bool."""
    kept = logits.topk(k, dim=-1)
    p = (kept.values - logits.logsumexp(-1, keepdim=True)).exp()
    before = p.cumsum(-1) - p
    values = kept.values.masked_fill(before >= top_p, -torch.inf)
    return torch.full_like(logits, -torch.inf).scatter_(-1, kept.indices, values), before[:, -1] < top_p


def _exclude_at(logits: Tensor, position: Tensor, positions: Sequence[int], tokens: Sequence[int]) -> Tensor:
    """The logits (n, V) of `position` (n,) with `tokens` at -inf in the rows that stand at `positions`."""
    if not positions or not tokens:
        return logits
    rows = _isin(position, positions).nonzero().to(logits.device)
    if not len(rows):
        return logits
    return logits.index_put((rows, torch.tensor(tokens, device=logits.device)), logits.new_tensor(-torch.inf))


def _isin(values: Tensor, choices: Sequence[int]) -> Tensor:
    return torch.isin(values, torch.tensor(choices, dtype=torch.int64, device=values.device))


def exact(logits: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none (MPS)."""
    return (logits.cpu() if logits.device.type == "mps" else logits).double()


def invert(weights: Tensor, u: Tensor) -> Tensor:
    """The index at which the cumulative weight first exceeds `u` of the total: (n, V), (n,) -> (n,).

    `weights` are float64, nonnegative, not all zero; u in [0, 1). Never returns an index of weight zero.
    """
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))
    return torch.searchsorted(cumulative, torch.minimum(u[:, None] * total, below), right=True).squeeze(-1)


def draw(
    logits: Tensor, u: Tensor, logits_processor: LogitsProcessor, position: Tensor | None = None, num_top: int = 0
) -> Drawn:
    """Draw one token a row from `softmax(logits_processor.apply(logits))` by inversion of u: (n, V), (n,) -> (n,).

    `position` (n,): where on their canvas they stand; `num_top`: how many of the likeliest tokens to report.

    Probabilities and entropy are those of `softmax(logits)`, before any processing.
    """
    logits = exact(logits)
    conditional = logits.softmax(-1)
    shaped = logits_processor.apply(logits, position)
    weights = conditional if shaped is logits else shaped.softmax(-1)
    token = invert(weights, u.to(weights.device))
    probability = conditional.gather(-1, token[:, None]).squeeze(-1)
    best = conditional.topk(min(num_top, conditional.shape[-1]), -1) if num_top else None
    top = TopTokens(best.indices, best.values) if best is not None else None
    return Drawn(token, probability, torch.special.entr(conditional).sum(-1), top)
