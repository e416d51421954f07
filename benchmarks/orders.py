"""What orders, remasking, corrections and blocks do to the texts of the built-in checkpoint, at equal network calls.

    python benchmarks/orders.py FOLDER --reference stories.txt [--texts 32] [--calls 16,64,256] [--plot FILE.svg]

FOLDER keeps what is drawn and judged, eight texts a file; started again, the script makes what is missing, and
`--no-make` prints the tables of what is there. Every way of sampling is given as many network calls, by its number of
steps. A lower temperature lowers perplexity and entropy alike, so each way is compared with plain sampling at the
temperature whose texts have the same entropy (`frontier.compare`).
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, takewhile
from pathlib import Path
from statistics import mean
from typing import Any

from frontier import Comparison, compare

from sedd_cli import Checkpoint, Request, Run, UsageError, load_checkpoint
from sedd_cli.atomic import write_file
from sedd_cli.diffusion.samplers.revised import GROUPS
from sedd_cli.evaluation.frontier_plot import Curve, plot_frontier
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel, Rating
from sedd_cli.evaluation.plots import require_plot
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.evaluation.reference import Reference, read_reference
from sedd_cli.evaluation.sample_metrics import EvaluatedText, SampleMetrics, SampleSet, compute_metrics
from sedd_cli.evaluation.tables import Value, as_table

SEED = 0
AT_ONCE = 8
"""Texts of a file."""
COUNTED = 16
"""Texts whose mean number of calls is brought near the number asked."""
REWRITTEN = 0.075
"""The share of the tokens that a round of `revise` writes anew, about: as many more steps."""
REAL = "real text"


@dataclass(frozen=True)
class Way:
    """A way of sampling: its options. `corrected`: the share of the calls that correct."""

    name: str
    options: dict[str, Any]
    corrected: float = 0.0

    @property
    def chooses_calls(self) -> bool:
        """Whether it makes as many calls as it likes."""
        return "threshold" in self.options

    def request(self, checkpoint: Checkpoint, calls: int, length: int) -> Request:
        """The request whose texts take so many calls, as nearly as its number of steps can bring it."""
        correct = round(self.corrected * calls)
        options = {**self.options, "correct": correct, "seed": SEED, "length": length, "num_samples": COUNTED}
        if "revise" in options:
            return Request(**options, steps=round((calls - GROUPS) / (1 + REWRITTEN)))
        if not {"order", "remask"} & set(options) and not correct and calls >= length:
            return Request(**options, sampler="first-hitting")
        run = Run(checkpoint, Request(**options, steps=calls))
        if not run.sampler.exact_calls:
            return run.request.asked

        def made(steps: int) -> float:
            return Run(checkpoint, Request(**options, steps=steps)).calls_needed() / COUNTED

        return Request(**options, steps=nearest(made, calls, calls - correct))


PLAIN = tuple(Way(f"temperature {t:g}", {"temperature": t}) for t in (1.0, 0.85, 0.7, 0.5, 0.3))
WAYS = (
    *PLAIN,
    Way("top-p 0.9", {"top_p": 0.9}),
    Way("top-p 0.9, revise", {"top_p": 0.9, "revise": 1}),
    *(Way(f"order {order}", {"order": order}) for order in ("confidence", "margin", "entropy")),
    *(Way(f"remask {kind}", {"remask": kind}) for kind in ("cap", "rescale", "confidence", "loop")),
    Way("correct, a quarter of the calls", {}, 0.25),
    Way("correct, half of the calls", {}, 0.5),
    *(Way(f"block {size}", {"block": size}) for size in (32, 64)),
    Way("order confidence, threshold 0.9", {"order": "confidence", "threshold": 0.9}),
)


def nearest(made: Callable[[int], float], calls: int, first: int) -> int:
    """The number of steps, from `first` on, that makes the number of calls nearest to `calls`."""
    low = high = first
    while made(high) < calls and high < 16 * calls:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if made(middle) < calls else (low, middle)
    return min((low, high), key=lambda steps: abs(made(steps) - calls))


@dataclass(frozen=True)
class Point:
    """`calls`: asked of a way; 0 where it chooses them itself."""

    way: str
    calls: int

    def file(self, folder: Path, first: int) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in self.way)
        return folder / f"{name}_{self.calls}_{first}.json"


def points(calls: Sequence[int]) -> dict[Point, Way]:
    chosen = {Point(way.name, count): way for count in calls for way in WAYS if not way.chooses_calls}
    return chosen | {Point(way.name, 0): way for way in WAYS if way.chooses_calls}


@dataclass
class Store:
    """A folder of files, each of `AT_ONCE` texts of a point: `make` adds to it, `read` reads it."""

    folder: Path
    checkpoint: Checkpoint
    length: int

    def make(
        self, wanted: Sequence[Point], first: int, draw: Callable[[Point, range], list[Any]], judge: JudgeModel
    ) -> None:
        """Draw and judge texts of the points that lack a file, each (ids (L,), network calls)."""
        for point in wanted:
            file = point.file(self.folder, first)
            if file.exists():
                continue
            started = time.perf_counter()
            drawn = draw(point, range(first, first + AT_ONCE))
            if not drawn:
                continue
            ratings = judge.rate([JudgeInput((self._text(ids),)) for ids, _ in drawn])
            seconds = time.perf_counter() - started
            record = {
                "checkpoint": self.checkpoint.hash,
                "judge": judge.card.origin,
                "way": point.way,
                "calls": point.calls,
                "seconds": seconds,
                "texts": [
                    {"row": first + i, "nfe": nfe, "ids": ids, "nats": rating.nats, "judged_tokens": rating.tokens}
                    for i, ((ids, nfe), rating) in enumerate(zip(drawn, ratings, strict=True))
                ],
            }
            write_file(file, json.dumps(record).encode())
            print(f"{point.way}, {point.calls or 'own'} calls, texts {first} on: {seconds:.0f} s", flush=True)

    def read(self, judge: JudgeModel | None = None) -> dict[Point, SampleSet]:
        """What the files hold. Raises `UsageError` for a file of another checkpoint, length or judge."""
        found: dict[Point, SampleSet] = {}
        for file in sorted(self.folder.glob("*.json")):
            record = json.loads(file.read_bytes())
            lengths = {len(text["ids"]) for text in record["texts"]}
            same_judge = judge is None or record["judge"] == judge.card.origin
            if record["checkpoint"] != self.checkpoint.hash or lengths != {self.length} or not same_judge:
                raise UsageError(f"{file} is of another checkpoint, length or judge", "Name another folder.")
            texts = found.setdefault(Point(record["way"], record["calls"]), SampleSet(record["way"])).texts
            texts += [self._evaluated(text) for text in record["texts"]]
        return found

    def _evaluated(self, text: dict[str, Any]) -> EvaluatedText:
        assert self.checkpoint.tokenizer is not None
        ids, rating = text["ids"], Rating(text["nats"], text["judged_tokens"], None)
        ends = self.checkpoint.tokenizer.end_ids
        # As the text: up to the first end-of-text token that another token precedes.
        tokens = list(takewhile(lambda token: token not in ends, dropwhile(lambda token: token in ends, ids)))
        return EvaluatedText(text["row"], ids, tokens, self._text(ids), text["nfe"], rating)

    def _text(self, ids: list[int]) -> str:
        assert self.checkpoint.tokenizer is not None
        return self.checkpoint.tokenizer.compose(ids, full_canvas=False, at_start=True)


def drawer(store: Store, ways: dict[Point, Way], reference: Reference | None) -> Callable[[Point, range], list[Any]]:
    """Draws rows of a point: (ids, network calls)."""
    checkpoint, length = store.checkpoint, store.length
    requests: dict[Point, Request] = {}

    def draw(point: Point, rows: range) -> list[Any]:
        if reference is not None and point.way == REAL:
            return [(ids, 0) for ids in reference.canvases[rows.start : rows.stop].tolist()]
        if point not in requests:
            requests[point] = ways[point].request(checkpoint, point.calls or length, length)
        request = replace(requests[point], row=rows.start, num_samples=len(rows), batch_size=len(rows))
        run = Run(checkpoint, request)
        for _ in run.steps():
            pass
        return [(sample.ids.tolist(), sample.nfe) for sample in run.samples()]

    return draw


@dataclass(frozen=True)
class Table:
    """The points of one number of calls, in the order of `WAYS`, with their metrics."""

    calls: int
    metrics: dict[str, SampleMetrics]
    comparisons: dict[str, Comparison]

    def rows(self) -> list[dict[str, Value]]:
        return [
            {
                "": name,
                "NFE": metrics.nfe and f"{metrics.nfe:.1f}",
                "texts": metrics.texts,
                "perplexity": _figure(metrics.perplexity, 1),
                "entropy": _figure(metrics.entropy, 3),
                "repetition": f"{metrics.repetition or 0:.3f}",
                "unknown words": None if metrics.unknown_words is None else f"{metrics.unknown_words:.1f}",
                "over plain at equal entropy": str(self.comparisons[name]) if name in self.comparisons else None,
            }
            for name, metrics in self.metrics.items()
        ]


def tables(found: dict[Point, SampleSet], reference: Reference | None) -> Iterator[Table]:
    """One for each number of calls. A way that chooses its calls stands in that of the nearest number."""
    known = None if reference is None else reference.words
    counts = sorted({point.calls for point in found if point.calls})
    for calls in counts:
        sets = {way.name: found[point] for way in WAYS if (point := Point(way.name, calls)) in found}
        for point, sample_set in found.items():
            made = mean(text.nfe for text in sample_set.texts)
            if point.calls == 0 and made and calls == min(counts, key=lambda c: abs(math.log(c / made))):
                sets[point.way] = sample_set
        plain = [sets[way.name] for way in PLAIN if way.name in sets]
        metrics = {name: compute_metrics(sample_set, [], SEED, known) for name, sample_set in sets.items()}
        others = [name for name in sets if len(plain) > 1 and sets[name] not in plain]
        yield Table(calls, metrics, {name: compare(sets[name], plain) for name in others})


def real_metrics(found: dict[Point, SampleSet], reference: Reference | None) -> SampleMetrics | None:
    if Point(REAL, 0) not in found:
        return None
    elsewhere = {word for word, documents in (reference.words if reference else {}).items() if documents > 1}
    return compute_metrics(found[Point(REAL, 0)], [], SEED, elsewhere or None)


def curves(table: Table) -> list[Curve]:
    """Plain sampling as one curve of its temperatures, every other way as a point."""
    plain = {way.name: f"{way.options['temperature']:g}" for way in PLAIN}
    line = [(plain[name], metrics) for name, metrics in table.metrics.items() if name in plain]
    others = [Curve(name, [("", metrics)]) for name, metrics in table.metrics.items() if name not in plain]
    return [Curve("temperature", line), *others]


def _figure(statistic: Statistic | None, digits: int) -> str | None:
    return None if statistic is None else f"{statistic.value:.{digits}f} ± {statistic.error or 0:.{digits}f}"


def make(store: Store, calls: Sequence[int], texts: int, reference: Reference | None, judge: JudgeModel) -> None:
    """Make what is missing, a few texts of every point before more of any."""
    store.read(judge)
    ways = points(calls)
    draw = drawer(store, ways, reference)
    wanted = [*([] if reference is None else [Point(REAL, 0)]), *ways]
    for first in range(0, texts, AT_ONCE):
        store.make(wanted, first, draw, judge)


def report(store: Store, reference: Reference | None, judge: str, plot: Path | None) -> None:
    """Print the tables of what is stored, and draw the picture."""
    found = store.read()
    real, by_calls = real_metrics(found, reference), list(tables(found, reference))
    for table in by_calls:
        print(f"\n{table.calls} network calls\n\n{as_table(table.rows())}", end="")
    if real is not None:
        print("\n" + as_table(Table(0, {REAL: real}, {}).rows()), end="")
    if plot is not None:
        panels = {f"{table.calls} network calls": curves(table) for table in by_calls}
        write_file(plot, plot_frontier(panels, real, judge, require_plot(plot)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--texts", type=int, default=32, help=f"texts of a point, in files of {AT_ONCE}")
    parser.add_argument("--calls", default="16,64,256", help="network calls of a text")
    parser.add_argument("--length", type=int, help="canvas in tokens; the checkpoint's by default")
    parser.add_argument("--judge", default="smollm2", help="as of sedd eval samples")
    parser.add_argument("--reference", type=Path, help="real text, and the words that are known")
    parser.add_argument("--no-make", action="store_true", help="print the tables of what is there")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.plot is not None:
        require_plot(args.plot)
    checkpoint = load_checkpoint(args.model)
    assert checkpoint.tokenizer is not None
    args.folder.mkdir(parents=True, exist_ok=True)
    store = Store(args.folder, checkpoint, args.length or checkpoint.length)
    reference = None
    if args.reference is not None:
        reference = read_reference(args.reference, checkpoint.tokenizer, store.length, args.texts + AT_ONCE)
    if not args.no_make:
        judge, calls = load_judge(args.judge, checkpoint.device), [int(count) for count in args.calls.split(",")]
        make(store, calls, args.texts, reference, judge)
    report(store, reference, args.judge, args.plot)


if __name__ == "__main__":
    main()
