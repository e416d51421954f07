"""Sets of texts and the metrics of a set."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from sedd_cli.evaluation import quality
from sedd_cli.evaluation.judge_model import Rating
from sedd_cli.evaluation.mauve import Mauve, compute_mauve
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.words import words_of


@dataclass(frozen=True)
class EvaluatedText:
    """A canvas `ids` (L,) and the `text` on it that counts, made of `tokens`; `nfe`: its network calls."""

    row: int
    ids: list[int]
    tokens: list[int]
    text: str
    nfe: int
    rating: Rating | None

    @property
    def entropy(self) -> float:
        return quality.unigram_entropy(self.ids)

    @property
    def words(self) -> list[str]:
        """Its words, without a last one that the end of the canvas may have cut."""
        words = words_of(self.text.replace(END_OF_TEXT, " "))
        return words[:-1] if len(self.tokens) == len(self.ids) else words


@dataclass
class SampleSet:
    """Finished texts of one setting, and the seconds that sampling them took (0 for real text).

    `setting`: its values of the options that are swept.
    """

    label: str
    steps: int | None = None
    setting: Mapping[str, object] = field(default_factory=dict)
    texts: list[EvaluatedText] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class SampleMetrics:
    """Metrics of a set of texts; None where a metric is undefined.

    `nfe`, `seconds`: means a text. `perplexity`: `exp` of all nats over all of the judge's tokens (`judged_tokens`),
    `median` of the texts' own. `entropy`: nats, of the tokens of a whole canvas, the mean. `distinct`: for n = 1, 2, 3.
    `unknown_words`: of a thousand words, those that stand nowhere in the reference.
    """

    texts: int
    nfe: float | None
    seconds: float | None
    perplexity: Statistic | None
    median: float | None
    judged_tokens: int | None
    entropy: Statistic
    distinct: tuple[float | None, ...]
    repetition: float | None
    unknown_words: float | None
    mauve: Mauve | None


def compute_metrics(
    sample_set: SampleSet, reference: Sequence[EvaluatedText], seed: int, known_words: Container[str] | None = None
) -> SampleMetrics:
    """Compute the metrics of a set of one or more texts; MAUVE is against the texts of `reference`, if any."""
    texts = sample_set.texts
    ratings = [text.rating for text in texts if text.rating is not None]
    nats, counts = [v.nats for v in ratings], [v.tokens for v in ratings]
    tokens = [text.tokens for text in texts]
    return SampleMetrics(
        texts=len(texts),
        nfe=sum(text.nfe for text in texts) / len(texts) or None,
        seconds=sample_set.seconds / len(texts) or None,
        perplexity=quality.perplexity(nats, counts),
        median=quality.median_perplexity(nats, counts),
        judged_tokens=sum(counts) if ratings else None,
        entropy=quality.mean([text.entropy for text in texts]),
        distinct=tuple(quality.distinct(tokens, n) for n in (1, 2, 3)),
        repetition=quality.repetition(tokens),
        unknown_words=None
        if known_words is None
        else quality.unknown_words([text.words for text in texts], known_words),
        mauve=_mauve(texts, reference, seed),
    )


def _mauve(texts: Sequence[EvaluatedText], reference: Sequence[EvaluatedText], seed: int) -> Mauve | None:
    ours, real = (
        [text.rating.feature for text in side if text.rating is not None and text.rating.feature is not None]
        for side in (texts, reference)
    )
    return compute_mauve(ours, real, seed) if ours and real else None
