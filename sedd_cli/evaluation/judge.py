"""A judge: a causal language model that says how likely it finds a text, and where it puts it (features)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sedd_cli.errors import SeddError
from sedd_cli.evaluation.score import make_windows
from sedd_cli.text.spelling import END_OF_TEXT

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_ONCE = 4096
"""Tokens, padding included, of which an accelerator holds the logits at once. On a CPU one text alone is as fast."""


@dataclass(frozen=True)
class JudgeCard:
    """What a judge is. `origin`: the SHA-256 of its weights, or its commit on the hub; `stored`: their precision.

    `context`: the tokens it reads at once, None for any number. `start`: the token put before each text; None if it
    has none, and then a text's first token does not count. `end`: the token between two documents of a canvas.
    """

    name: str
    origin: str
    stored: str
    context: int | None
    start: str | None
    end: str | None


@dataclass(frozen=True)
class Passage:
    """What a judge reads. The tokens of `documents` count, in the light of `before`; those around them do not.

    The three are tokenised on their own. Between documents stands the judge's end-of-text token, which counts.
    """

    documents: tuple[str, ...]
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Verdict:
    """`nats`: `-log p` of the `tokens` that count, in the judge's tokens. `feature` (D,): its last hidden state.

    The feature is that of the last token, None for an empty text of a judge without a start token.
    """

    nats: float
    tokens: int
    feature: Tensor | None


@dataclass(frozen=True)
class _Window:
    """Tokens of a passage that are read together, the part from `start` on; those from `fresh` on are new."""

    passage: int
    start: int
    fresh: int
    ids: list[int]

    @property
    def stop(self) -> int:
        return self.start + len(self.ids)


class Judge:
    """A loaded causal language model with its tokenizer; see `evaluation.judges.load_judge`."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", card: JudgeCard) -> None:
        self.model, self.tokenizer, self.card = model, tokenizer, card
        vocabulary = tokenizer.get_vocab()
        self._start = [] if card.start is None else [vocabulary[card.start]]
        self._end = [] if card.end is None else [vocabulary[card.end]]

    def judge(self, passages: Sequence[Passage], at_once: int | None = None) -> list[Verdict]:
        """A verdict on each passage; up to rounding it depends on no other, nor on `at_once`, the tokens in a batch.

        What is longer than the judge's context is read in windows that overlap by half. Raises `SeddError` if the
        judge's figures are not finite.
        """
        read = [self._read(passage) for passage in passages]
        costs = [torch.zeros(len(ids), dtype=torch.float64) for ids, _ in read]
        features: list[Tensor | None] = [None] * len(read)
        windows = [window for i, (ids, _) in enumerate(read) for window in self._windows(i, ids)]
        for batch in _batches(windows, at_once or (1 if self.model.device.type == "cpu" else AT_ONCE)):
            for window, cost, feature in zip(batch, *self._run([w.ids for w in batch]), strict=True):
                costs[window.passage][window.start + window.fresh : window.stop] = cost[window.fresh :]
                if window.stop == len(costs[window.passage]):
                    features[window.passage] = feature
        if not all(bool(cost.isfinite().all()) for cost in costs):
            raise SeddError(f"the judge {self.card.name} gives figures that are not finite", "Fetch its weights anew.")
        return [
            Verdict(float(cost[counted.start : counted.stop].sum()), len(counted), feature)
            for (_, counted), cost, feature in zip(read, costs, features, strict=True)
        ]

    def _encode(self, text: str) -> list[int]:
        # A text that spells a special token is still a text.
        return list(
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        )

    def _read(self, passage: Passage) -> tuple[list[int], range]:
        """The judge's tokens, and which of them count."""
        ids = self._start + self._encode(passage.before)
        # What nothing stands before has no probability.
        first = max(1, len(ids))
        for i, document in enumerate(passage.documents):
            ids += (self._end if i else []) + self._encode(document)
        return ids + self._encode(passage.after), range(first, max(first, len(ids)))

    def _windows(self, passage: int, ids: list[int]) -> Iterator[_Window]:
        if not ids:
            return
        length = self.card.context or len(ids)
        windows = make_windows(len(ids), length, length // 2)
        for start, fresh in zip(windows.starts.tolist(), windows.unseen.int().argmax(1).tolist(), strict=True):
            yield _Window(passage, start, fresh, ids[start : start + windows.length])

    @torch.inference_mode()
    def _run(self, rows: list[list[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Of each row the cost in nats of every token (n,) float64, 0 for the first, and the last hidden state (D,)."""
        width = max(map(len, rows))
        # Padded on the right, where a causal model does not look.
        x = torch.tensor([ids + [0] * (width - len(ids)) for ids in rows], device=self.model.device)
        seen = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in rows], device=self.model.device)
        out = self.model(input_ids=x, attention_mask=seen, output_hidden_states=True, use_cache=False)
        costs, features = [], []
        for i, ids in enumerate(rows):
            cost = cross_entropy(out.logits[i, : len(ids) - 1].float(), x[i, 1 : len(ids)], reduction="none")
            costs.append(torch.cat([torch.zeros(1), cost.cpu()]).double())
            features.append(out.hidden_states[-1][i, len(ids) - 1].float().cpu())
        return costs, features


def _batches(windows: list[_Window], at_once: int) -> Iterator[list[_Window]]:
    """Windows of like length together, the longest first, as many as `at_once` tokens allow."""
    waiting = sorted(windows, key=lambda w: len(w.ids), reverse=True)
    while waiting:
        size = max(1, at_once // len(waiting[0].ids))
        yield waiting[:size]
        waiting = waiting[size:]


def marks(tokenizer: "PreTrainedTokenizerBase") -> tuple[str | None, str | None]:
    """What stands before a text, and between two documents, as in the judge's training as far as one can tell.

    Before: the start token that the tokenizer adds by itself; else (GPT-2, SmolLM2) what stands between documents.
    Between: `<|endoftext|>` where it has that, else its end-of-sequence token.
    """
    end = END_OF_TEXT if END_OF_TEXT in tokenizer.get_vocab() else tokenizer.eos_token
    added = tokenizer("a")["input_ids"]
    if tokenizer.bos_token_id is not None and added[:1] == [tokenizer.bos_token_id]:
        return tokenizer.bos_token, end
    return end, end
