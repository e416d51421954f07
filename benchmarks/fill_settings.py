"""How well do fillings read, by how their tokens are drawn?

    python benchmarks/fill_settings.py FILE... [-m CHECKPOINT] [-n 40] [--kinds words,sentence] [--judge smollm2]

Spans are cut out of documents (`sedd eval infill` reads the same), -n of each kind, and filled at their true length by
each of `SETTINGS`, three candidates each. Prints by kind of span: what the judge finds the filling and the text after
it, in nats over what it finds the truth there (lower reads better), with standard errors over the gaps; the same over
the first setting; how many of three candidates differ; how often the truth comes back; how much of longer fillings
repeats 4-grams of tokens; seconds a candidate.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import mean as average
from typing import Any

from sedd_cli import Checkpoint, Gap, Request, load_checkpoint
from sedd_cli.evaluation.infill_data import read_sources
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeInput
from sedd_cli.evaluation.names import SpanKind
from sedd_cli.evaluation.quality import Statistic, mean, repetition
from sedd_cli.evaluation.spans import ONE_LINE, Cut, cuts_of
from sedd_cli.evaluation.tables import Value, as_table
from sedd_cli.generation.infill import Infilling

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "top-p 0.82": {"top_p": 0.82},
    "temperature 0.5": {"temperature": 0.5},
    "order confidence, top-p 0.82": {"order": "confidence", "top_p": 0.82},
    "order confidence, top-p 0.82, temperature 0.7": {"order": "confidence", "top_p": 0.82, "temperature": 0.7},
    "order confidence, top-p 0.82, temperature 0.7, differs": {
        "order": "confidence",
        "top_p": 0.82,
        "temperature": 0.7,
        "differs": True,
    },
    "order confidence, top-p 0.82, temperature 0.5": {"order": "confidence", "top_p": 0.82, "temperature": 0.5},
    "order confidence, temperature 0": {"order": "confidence", "temperature": 0.0},
    "order entropy, top-p 0.82": {"order": "entropy", "top_p": 0.82},
    "its own law": {},
}
CANDIDATES = 3
BEFORE, AFTER = 300, 150
"""Characters that the judge reads before a gap, and that it rates after it."""
MOST = 100
"""Tokens of a span."""


@dataclass
class Outcome:
    """Of a kind's gaps with one setting: `nats`, the judge's over the truth, by gap; `exact`, `tokens` by candidate."""

    nats: list[float] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    exact: list[bool] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    seconds: float = 0.0


def fill(checkpoint: Checkpoint, cut: Cut, row: int, *, differs: bool = False, **options: Any) -> list[str]:
    """The candidates of a gap, as they come; `differs`: see `Infilling`."""
    request = Request(seed=0, row=CANDIDATES * row, num_samples=CANDIDATES, **options)
    gap = Gap(cut.at, cut.at + len(cut.truth), one_line=cut.span_kind in ONE_LINE)
    run = Infilling(checkpoint, request, cut.filled(cut.truth), [gap], differs=differs)
    for _ in run.steps():
        pass
    return [filling.written[0] for filling in run.fillings()]


def judged(cut: Cut, text: str) -> JudgeInput:
    return JudgeInput((text + cut.text[cut.at : cut.at + AFTER],), before=cut.text[max(0, cut.at - BEFORE) : cut.at])


def row_of(kind: SpanKind, name: str, found: Outcome, first: Outcome) -> dict[str, Value]:
    def written(figure: Statistic) -> str:
        return f"{figure.value:.1f} ± {figure.error or 0:.1f}"

    repeated = repetition(found.tokens)
    return {
        kind: name,
        "nats over truth": written(mean(found.nats)),
        "over the first": written(mean([a - b for a, b in zip(found.nats, first.nats, strict=True)])),
        "different of 3": f"{average(found.different):.1f}",
        "truth": f"{average(found.exact):.0%}",
        "repetition": None if repeated is None else f"{repeated:.3f}",
        "s": f"{found.seconds / len(found.exact):.2f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("-m", "--model")
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--kinds", default="words,sentence")
    parser.add_argument("--judge", default="smollm2")
    asked = parser.parse_args()
    checkpoint = load_checkpoint(asked.model)
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    judge, sources = load_judge(asked.judge, checkpoint.device), read_sources(asked.data)
    kinds: Sequence[SpanKind] = asked.kinds.split(",")
    for kind in kinds:
        outcomes: dict[str, Outcome] = defaultdict(Outcome)
        cuts = cuts_of(sources, kind, 0, lambda truth: len(tokenizer.encode(truth)) <= MOST)
        for number, cut in enumerate(islice(cuts, asked.n)):
            (truth,) = judge.rate([judged(cut, cut.truth)])
            for name, options in SETTINGS.items():
                found, started = outcomes[name], time.monotonic()
                texts = fill(checkpoint, cut, number, **options)
                found.seconds += time.monotonic() - started
                ratings = judge.rate([judged(cut, text) for text in texts])
                found.nats.append(average(rating.nats for rating in ratings) - truth.nats)
                found.different.append(len(set(texts)))
                found.exact += [text == cut.truth for text in texts]
                found.tokens += [tokenizer.encode(text) for text in texts]
        first = next(iter(outcomes.values()))
        print(as_table([row_of(kind, name, found, first) for name, found in outcomes.items()]), flush=True)


if __name__ == "__main__":
    main()
