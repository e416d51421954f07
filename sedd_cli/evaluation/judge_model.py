"""A judge: a causal language model that rates texts by `-log p` and gives a feature vector of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sedd_cli.errors import SeddError
from sedd_cli.evaluation.score import make_score_windows
from sedd_cli.text.byte_level import END_OF_TEXT

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_BATCH_TOKENS = 4096
"""Tokens of a batch on an accelerator, padding included: a bound on the memory of logits. A CPU gains nothing by it."""


@dataclass(frozen=True)
class JudgeCard:
    """Description of a judge.

    `origin`: the SHA-256 of the weights, or the commit on the hub. `stored`: the precision of the weights on disk.
    `context`: the maximum number of tokens of one call, None if unlimited. `start`: the token put before each text;
    None if there is none: a text's first token then does not count. `end`: the token between two documents of a canvas.
    """

    name: str
    origin: str
    stored: str
    context: int | None
    start: str | None
    end: str | None


@dataclass(frozen=True)
class JudgeInput:
    """A text to rate: the tokens of `documents` count, conditioned on `before`; those of `before` and `after` do not.

    The three are tokenised separately. The judge's end-of-text token separates documents, and counts.
    """

    documents: tuple[str, ...]
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Rating:
    """`nats`: `-log p` of the tokens that count; `tokens`: their number, in the judge's tokens.

    `feature` (D,): the last hidden state at the last token; None for an empty text if the judge has no start token.
    """

    nats: float
    tokens: int
    feature: Tensor | None


@dataclass(frozen=True)
class _Window:
    """Tokens `start` onwards of input number `index`; those from `first_new` on are in no earlier window."""

    index: int
    start: int
    first_new: int
    ids: list[int]

    @property
    def stop(self) -> int:
        return self.start + len(self.ids)


class JudgeModel:
    """A loaded causal language model with its tokenizer; see `evaluation.judge_loader.load_judge`."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", card: JudgeCard) -> None:
        self.model, self.tokenizer, self.card = model, tokenizer, card
        vocabulary = tokenizer.get_vocab()
        self._start = [] if card.start is None else [vocabulary[card.start]]
        self._end = [] if card.end is None else [vocabulary[card.end]]

    def rate(self, inputs: Sequence[JudgeInput], max_tokens: int | None = None) -> list[Rating]:
        """Rate each input, at most `max_tokens` tokens in a batch.

        Up to rounding, a rating does not depend on the other inputs nor on `max_tokens`. An input longer than the
        judge's context is read in windows that overlap by half. Raises `SeddError` if the judge's output is not finite.
        """
        tokenized = [self._tokenize(judge_input) for judge_input in inputs]
        nats = [torch.zeros(len(ids), dtype=torch.float64, device="cpu") for ids, _ in tokenized]
        features: list[Tensor | None] = [None] * len(tokenized)
        windows = [window for i, (ids, _) in enumerate(tokenized) for window in self._windows(i, ids)]
        for batch in _batches(windows, max_tokens or (1 if self.model.device.type == "cpu" else MAX_BATCH_TOKENS)):
            for window, token_nats, feature in zip(batch, *self._forward([w.ids for w in batch]), strict=True):
                nats[window.index][window.start + window.first_new : window.stop] = token_nats[window.first_new :]
                if window.stop == len(nats[window.index]):
                    features[window.index] = feature
        if not all(bool(token_nats.isfinite().all()) for token_nats in nats):
            raise SeddError(f"the output of the judge {self.card.name} is not finite", "Download its weights again.")
        return [
            Rating(float(token_nats[counted.start : counted.stop].sum()), len(counted), feature)
            for (_, counted), token_nats, feature in zip(tokenized, nats, features, strict=True)
        ]

    def _encode(self, text: str) -> list[int]:
        # A special token's name within a text is encoded as text.
        return list(
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        )

    def _tokenize(self, judge_input: JudgeInput) -> tuple[list[int], range]:
        """Returns the judge's tokens and the range of those that count."""
        ids = self._start + self._encode(judge_input.before)
        # The first token of all has no probability.
        first = max(1, len(ids))
        for i, document in enumerate(judge_input.documents):
            ids += (self._end if i else []) + self._encode(document)
        return ids + self._encode(judge_input.after), range(first, max(first, len(ids)))

    def _windows(self, index: int, ids: list[int]) -> Iterator[_Window]:
        if not ids:
            return
        length = self.card.context or len(ids)
        windows = make_score_windows(len(ids), length, length // 2)
        for start, first_new in zip(windows.starts.tolist(), windows.is_new.int().argmax(1).tolist(), strict=True):
            yield _Window(index, start, first_new, ids[start : start + windows.length])

    @torch.inference_mode()
    def _forward(self, rows: list[list[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Returns per row `-log p` of every token (n,) float64, 0 for the first, and the last hidden state (D,)."""
        width = max(map(len, rows))
        # Padded on the right, where a causal model does not look.
        x = torch.tensor([ids + [0] * (width - len(ids)) for ids in rows], device=self.model.device)
        attention_mask = torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids in rows], device=self.model.device
        )
        out = self.model(input_ids=x, attention_mask=attention_mask, output_hidden_states=True, use_cache=False)
        nats, features = [], []
        for i, ids in enumerate(rows):
            token_nats = cross_entropy(out.logits[i, : len(ids) - 1].float(), x[i, 1 : len(ids)], reduction="none")
            nats.append(torch.cat([torch.zeros(1, device="cpu"), token_nats.cpu()]).double())
            features.append(out.hidden_states[-1][i, len(ids) - 1].float().cpu())
        return nats, features


def _batches(windows: list[_Window], max_tokens: int) -> Iterator[list[_Window]]:
    """Batches of windows of similar length, longest first, of at most `max_tokens` tokens each."""
    remaining = sorted(windows, key=lambda w: len(w.ids), reverse=True)
    while remaining:
        size = max(1, max_tokens // len(remaining[0].ids))
        yield remaining[:size]
        remaining = remaining[size:]


def boundary_tokens(tokenizer: "PreTrainedTokenizerBase") -> tuple[str | None, str | None]:
    """The tokens before a text and between two documents, as probably used in the judge's training.

    Before: the start token that the tokenizer adds by itself; else (GPT-2, SmolLM2) the token between documents.
    Between: `<|endoftext|>` if the vocabulary has it, else the end-of-sequence token.
    """
    end = END_OF_TEXT if END_OF_TEXT in tokenizer.get_vocab() else tokenizer.eos_token
    added = tokenizer("a")["input_ids"]
    if tokenizer.bos_token_id is not None and added[:1] == [tokenizer.bos_token_id]:
        return tokenizer.bos_token, end
    return end, end
