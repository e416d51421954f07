"""The likelihood of a text under a checkpoint: a bound with its error or an exact fixed-order value, per token."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import default_estimator, estimate, is_greedy, ordered_nats
from sedd_cli.diffusion.likelihood import pseudo as pseudo_likelihood
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.processes import Absorbing, Causal
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.errors import UsageError, check_integer
from sedd_cli.evaluation.replicates import check_until_error, next_round, replicates_needed
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.ranges import counted
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer

Order = Literal["any", "left-to-right"]
ScoreForm = Estimator | Literal["left-to-right"]

MIN_CANVASES = 8
"""Minimum number of canvases that a replicate noises: with few windows, each is noised several times, stratified."""


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """Settings of a score.

    `order`: `any` bounds `-log p` over all orders, `left-to-right` is exact for that order. `context`: text before it,
    which is given: its tokens condition the score and are not in it. `pseudo`: also compute each token given all
    others. `until_error`: replicates are added until the standard error, in nats a token, is at
    most this. `length`: tokens of a window (None: the checkpoint's), which shares at least `overlap` tokens with the
    window before (None: half). Raises `UsageError` for a value out of range.
    """

    order: Order = "any"
    context: str = ""
    pseudo: bool = False
    replicates: int = 8
    seed: int = 0
    until_error: float | None = None
    length: int | None = None
    overlap: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.order not in ("any", "left-to-right"):
            raise UsageError(f"unknown order {self.order!r}", "Choose any or left-to-right.")
        for name, least, why in (
            ("replicates", 2, " (their spread is the error)"),
            ("length", 1, ""),
            ("overlap", 0, ""),
            ("batch_size", 1, ""),
            ("seed", 0, ""),
        ):
            number = check_integer(name.replace("_", " "), getattr(self, name), least, why)
            object.__setattr__(self, name, number)
        check_until_error(self.until_error)


@dataclass(frozen=True)
class ScoreWindows:
    """N canvases of L tokens over a document: `starts` (N,); each holds at least `overlap` tokens of the last one.

    The first `given` tokens of the document do not count.
    """

    starts: Tensor
    length: int
    overlap: int
    given: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def positions(self) -> Tensor:
        """(N, L): position in the document of each token of each window."""
        return self.starts[:, None] + torch.arange(self.length, device="cpu")

    @property
    def is_new(self) -> Tensor:
        """(N, L) bool: tokens in no earlier window. Their conditionals are the factors of the chain rule."""
        ends = self.starts + self.length
        begin = torch.cat([self.starts[:1], ends[:-1]]).clamp(min=self.given)
        return self.positions >= begin[:, None]

    @property
    def has_most_context(self) -> Tensor:
        """(N, L) bool: each token in the window where it has most context: overlaps are cut in the middle."""
        ends = self.starts + self.length
        cuts = (self.starts[1:] + ends[:-1] + 1) // 2
        begin, end = torch.cat([self.starts[:1], cuts]).clamp(min=self.given), torch.cat([cuts, ends[-1:]])
        return (self.positions >= begin[:, None]) & (self.positions < end[:, None])


def make_score_windows(tokens: int, length: int, overlap: int | None = None, given: int = 0) -> ScoreWindows:
    """Cut a document of `tokens` tokens into windows of equal size; the last one ends at the document's end.

    The first `given`, fewer than `length`, do not count. Raises `UsageError` if the overlap (None: half) is not below
    the length.
    """
    overlap = length // 2 if overlap is None else overlap
    if overlap >= length:
        raise UsageError(
            f"windows of {counted(length, 'token')} cannot overlap by {overlap}",
            f"Give an overlap of at most {length - 1}.",
        )
    length_used = min(length, tokens)
    last = tokens - length_used
    starts = torch.tensor([*range(0, last, length - overlap), last], device="cpu")
    return ScoreWindows(starts, length_used, overlap, given)


@dataclass(frozen=True)
class Score:
    """The likelihood of a text of n tokens, in nats.

    `form`: `ao`, the any-order bound on `-log p` (RADD, 2406.03736, equation 2.16); `elbo`, the bound for the
    uniform process (SEDD, 2310.16834, theorem 3.6); `d3pm`, the bound of a D3PM's own chain (2107.03006, equation 1);
    `left-to-right`, exact for that order; `autoregressive`, exact, of a checkpoint that has that order. `per_token`
    (n,) float64 is the contribution of each token. `standard_error` is the Monte Carlo error of the total,
    `token_error` that of one token's contribution (root mean square; None before the second round); both are 0 for an
    exact value. `pseudo` (n,) float64 or None: `-log p(x_i | all others)`; its sum is not a bound.
    """

    form: ScoreForm
    per_token: Tensor
    standard_error: float
    token_error: float | None
    replicates: int
    ids: Tensor
    """(n,) int64: the text's tokens."""
    num_bytes: int
    """Of the text in UTF-8."""
    windows: int
    overlap: int
    pseudo: Tensor | None = None

    @property
    def nats(self) -> float:
        return float(self.per_token.sum())

    @property
    def num_tokens(self) -> int:
        return len(self.per_token)

    @property
    def error_per_token(self) -> float:
        """The standard error, in nats a token."""
        return self.standard_error / self.num_tokens

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.num_bytes

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats / self.num_tokens)


class ScoreEvaluation:
    """The evaluation of a text, run by iterating `rounds()`. `ids` (n,) are its tokens, which follow those `given`.

    Both are cut into `windows`. Where they are more than one window holds, as much is given as windows share at least,
    or as there is room for, whichever is more: the end of the context, without its first `num_left_out` tokens.

    `goal`: the planned number of replicates; with `until_error` it grows as the error becomes known.
    Raises `UsageError` if the text cannot be scored, or if the request does not fit the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint, text: str, request: ScoreRequest) -> None:
        self.checkpoint, self.request = checkpoint, request
        self._causal = checkpoint.autoregressive
        ordered = request.order != "any" and not self._causal
        if not isinstance(checkpoint.process, Absorbing) and (ordered or request.pseudo):
            asked = "the pseudo-likelihood" if request.order == "any" else f"the order {request.order}"
            raise _no_mask(checkpoint, asked)
        if request.pseudo and checkpoint.blocks is not None:
            raise UsageError(
                f"{checkpoint.name} reads by blocks: it cannot give a token by those of later ones",
                "What it reports by default can be had.",
            )
        self.num_bytes = _bytes(text)
        given, self.ids = _ids(checkpoint, request.context, text)
        length = request.length or checkpoint.length
        room = max(length - len(self.ids), length // 2 if request.overlap is None else request.overlap)
        self.num_left_out = max(0, len(given) - room)
        self.given = given[self.num_left_out :]
        self._all_ids = torch.cat([self.given, self.ids])
        self.windows = make_score_windows(len(self._all_ids), length, request.overlap, len(self.given))
        self.goal = 0 if request.order == "left-to-right" or self._causal else request.replicates
        self._draws = -(-MIN_CANVASES // len(self.windows))
        self._batch_size = request.batch_size or 8

    @property
    def calls_needed(self) -> int:
        """Planned number of network calls, each of one canvas."""
        if self._causal:
            return len(self.windows)
        exact = (self.request.order == "left-to-right") + self.request.pseudo
        return self.goal * self._draws * len(self.windows) + exact * len(self.ids)

    @property
    def _canvases(self) -> Tensor:
        """(N, L): the tokens of each window."""
        return self._all_ids[self.windows.positions]

    def is_greedy(self) -> bool:
        """Whether decoding from left to right, each token the likeliest given those before it, gives the text.

        On a canvas as long as the text: what follows a token is masked, and where it ends is known. Raises
        `UsageError` if the process is uniform.
        """
        checkpoint = self.checkpoint
        if not isinstance(checkpoint.process, Absorbing | Causal):
            raise _no_mask(checkpoint, "decoding from left to right")
        model = (checkpoint.model, checkpoint.process, checkpoint.noise)
        return all(
            is_greedy(*model, x0, where.nonzero().squeeze(1), batch_size=self._batch_size, blocks=checkpoint.blocks)
            for x0, where in zip(self._canvases, self.windows.is_new, strict=True)
        )

    def rounds(self) -> Iterator[Score]:
        """Yields the score after each round of replicates, then once more with the pseudo-likelihood if requested."""
        ordered = self._left_to_right if self.request.order == "left-to-right" else self._bounds
        rounds = self._autoregressive if self._causal else ordered
        for score in rounds():
            yield score
        if self.request.pseudo:
            yield replace(score, pseudo=self._pseudo())

    def _score(
        self,
        form: ScoreForm,
        per_token: Tensor,
        error: float = 0.0,
        token_error: float | None = 0.0,
        replicates: int = 0,
    ) -> Score:
        windows, overlap = len(self.windows), self.windows.overlap
        return Score(form, per_token, error, token_error, replicates, self.ids, self.num_bytes, windows, overlap)

    def _bounds(self) -> Iterator[Score]:
        checkpoint, request = self.checkpoint, self.request
        x0, where = self._canvases, self.windows.is_new
        estimator = default_estimator(checkpoint.process, checkpoint.noise)
        statistics = _RoundStatistics()
        while statistics.replicates < self.goal:
            while (left := self.goal - statistics.replicates) > 0:
                result = estimate(
                    *(checkpoint.model, checkpoint.process, checkpoint.noise, x0),
                    estimator=estimator,
                    where=where,
                    replicates=next_round(left),
                    draws=self._draws,
                    seed=_seed_of_round(request.seed, statistics.rounds),
                    batch_size=self._batch_size,
                    blocks=checkpoint.blocks,
                )
                statistics.add(result.replicates.sum(1), result.per_token[where])
                yield self._score(
                    estimator, statistics.per_token, statistics.error, statistics.token_error, statistics.replicates
                )
            if request.until_error is not None:
                self.goal = replicates_needed(
                    statistics.replicates, statistics.error / len(self.ids), request.until_error
                )

    def _autoregressive(self) -> Iterator[Score]:
        checkpoint, x0, where = self.checkpoint, self._canvases, self.windows.is_new
        result = estimate(
            *(checkpoint.model, checkpoint.process, checkpoint.noise, x0),
            estimator="autoregressive",
            where=where,
            batch_size=self._batch_size,
        )
        yield self._score("autoregressive", result.per_token[where])

    def _left_to_right(self) -> Iterator[Score]:
        nats_of = partial(ordered_nats, blocks=self.checkpoint.blocks)
        yield self._score("left-to-right", self._exact(nats_of, self.windows.is_new))

    def _pseudo(self) -> Tensor:
        return self._exact(pseudo_likelihood, self.windows.has_most_context)

    def _exact(self, nats_of: Callable[..., Tensor], counted: Tensor) -> Tensor:
        """(n,) nats by a function of (model, process, noise, x0, positions), at the counted positions."""
        checkpoint, parts = self.checkpoint, []
        for x0, where in zip(self._canvases, counted, strict=True):
            positions = where.nonzero().squeeze(1)
            model = (checkpoint.model, checkpoint.process, checkpoint.noise)
            parts.append(nats_of(*model, x0, positions, batch_size=self._batch_size)[where])
        return torch.cat(parts)


class _RoundStatistics:
    """Running statistics over the replicates of several rounds."""

    def __init__(self) -> None:
        self.totals = torch.zeros(0, dtype=torch.float64, device="cpu")
        self.rounds = 0
        self._sum = self._squares = self._weighted = torch.zeros((), device="cpu")

    def add(self, totals: Tensor, per_token: Tensor) -> None:
        """Add a round: totals (R,) of its replicates and per-token means (n,)."""
        self.totals = torch.cat([self.totals, totals])
        self.rounds += 1
        self._weighted = self._weighted + len(totals) * per_token
        self._sum = self._sum + per_token
        self._squares = self._squares + per_token.square()

    @property
    def replicates(self) -> int:
        return len(self.totals)

    @property
    def per_token(self) -> Tensor:
        return self._weighted / self.replicates

    @property
    def error(self) -> float:
        return float(self.totals.std() / self.replicates**0.5)

    @property
    def token_error(self) -> float | None:
        """From the spread of the rounds, treated as equal in size."""
        if self.rounds < 2:
            return None
        variance = (self._squares - self._sum.square() / self.rounds) / (self.rounds - 1)
        return float((variance.mean().clamp(min=0) / self.rounds).sqrt())


def _seed_of_round(seed: int, number: int) -> int:
    """Seed of a round: rounds are independent, and do not depend on how many follow."""
    return int(uniforms(seed, number, MONTE_CARLO, size=1) * 2**53)


def _bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the text is not valid UTF-8 (at character {error.start})", "Give it as UTF-8 text."
        ) from None


def _no_mask(checkpoint: Checkpoint, asked: str) -> UsageError:
    return UsageError(
        f"{asked} needs a checkpoint of the absorbing process: {checkpoint.name} has no MASK to give tokens by",
        "What it reports by default can be had.",
    )


def _ids(checkpoint: Checkpoint, context: str, text: str) -> tuple[Tensor, Tensor]:
    """The tokens of the context, and those of the text: the two are encoded as one text.

    A token in both is the text's: what follows a blank is written with it.
    """
    tokenizer = require_tokenizer(checkpoint.tokenizer, "it cannot read text")
    if not text:
        raise UsageError("the text is empty", "There is nothing to score in it.")
    ids = tokenizer.encode(context + text)
    given = _tokens_within(tokenizer, ids, _bytes(context)) if context else 0
    first, second = torch.tensor(ids, dtype=torch.int64, device="cpu").tensor_split([given])
    return first, second


def _tokens_within(tokenizer: Tokenizer, ids: list[int], num_bytes: int) -> int:
    """The number of tokens that end within the first bytes."""
    return sum(end <= num_bytes for end in accumulate(len(tokenizer.bytes_of(i)) for i in ids))


def score(
    ckpt: Checkpoint,
    text: str,
    *,
    order: Order = "any",
    context: str = "",
    pseudo: bool = False,
    replicates: int = 8,
    seed: int = 0,
    until_error: float | None = None,
    length: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
) -> Score:
    """Score a text with a checkpoint; see `ScoreRequest` for the options.

    A text of more than `length` tokens is scored in windows. Every token counts in one of them, given the window's
    tokens before it, so by the chain rule the total bounds `-log p` of the text in that factorisation. (For `pseudo`,
    a token counts in the window where it has most context.) A score depends on the checkpoint, the text, the seed and
    the settings, and on a CPU not on `batch_size`. Raises `UsageError` if the request does not fit the checkpoint or
    the text.
    """
    request = ScoreRequest(
        order=order,
        context=context,
        pseudo=pseudo,
        replicates=replicates,
        seed=seed,
        until_error=until_error,
        length=length,
        overlap=overlap,
        batch_size=batch_size,
    )
    *_, result = ScoreEvaluation(ckpt, text, request).rounds()
    return result
