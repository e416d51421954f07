"""Texts, and the figures that a set of them comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sedd_cli.evaluation.judge_model import Rating
from sedd_cli.evaluation.mauve import Mauve, compute_mauve
from sedd_cli.evaluation.quality import (
    Estimate,
    distinct,
    mean,
    median_perplexity,
    perplexity,
    repetition,
    unigram_entropy,
)


@dataclass(frozen=True)
class Text:
    """A canvas: `ids` (L,), and the `text` looked at, of so many `tokens`; `nfe` network calls made it."""

    row: int
    ids: list[int]
    tokens: list[int]
    text: str
    nfe: int
    rating: Rating | None

    @property
    def entropy(self) -> float:
        return unigram_entropy(self.ids)


@dataclass
class Row:
    """Texts of one setting as far as they are done, and the seconds that drawing them took: none, of real ones."""

    label: str
    steps: int | None = None
    texts: list[Text] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """What a row of texts comes to; None where that cannot be told.

    `nfe`, `seconds`: means a text. `perplexity`: `exp` of all nats over all of the judge's tokens (`judged_tokens`),
    `median` of the texts' own. `entropy`: nats, of the tokens of a whole canvas, the mean. `distinct`: for n = 1, 2, 3.
    """

    texts: int
    nfe: float | None
    seconds: float | None
    perplexity: Estimate | None
    median: float | None
    judged_tokens: int | None
    entropy: Estimate
    distinct: tuple[float | None, ...]
    repetition: float | None
    mauve: Mauve | None


def figures_of(row: Row, reference: Sequence[Text], seed: int) -> Figures:
    """The figures of a row that has texts; its MAUVE is against the texts of `reference`, if there are any."""
    texts = row.texts
    ratings = [text.rating for text in texts if text.rating is not None]
    nats, counts = [v.nats for v in ratings], [v.tokens for v in ratings]
    tokens = [text.tokens for text in texts]
    return Figures(
        texts=len(texts),
        nfe=sum(text.nfe for text in texts) / len(texts) or None,
        seconds=row.seconds / len(texts) or None,
        perplexity=perplexity(nats, counts),
        median=median_perplexity(nats, counts),
        judged_tokens=sum(counts) if ratings else None,
        entropy=mean([text.entropy for text in texts]),
        distinct=tuple(distinct(tokens, n) for n in (1, 2, 3)),
        repetition=repetition(tokens),
        mauve=_mauve(texts, reference, seed),
    )


def _mauve(texts: Sequence[Text], reference: Sequence[Text], seed: int) -> Mauve | None:
    ours, real = (
        [text.rating.feature for text in side if text.rating is not None and text.rating.feature is not None]
        for side in (texts, reference)
    )
    return compute_mauve(ours, real, seed) if ours and real else None
