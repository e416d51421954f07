"""The effect of float32 draws on samples, as a curve against the number of steps, compared with exact draws.

    python benchmarks/float32.py [-n 64] [--steps 32,64,...] [--judge smollm2] [--plot FILE.svg]

Both sides run the built-in checkpoint on the same grid and follow the same law, but for the draws: ours from 53-bit
uniforms by inversion, the other's as every public code draws (`RowCached`). A clock made from 24 bits cannot be early
enough for a rare token to beat MASK, whose weight in a step is 1 - 1/steps: the more steps, the more tokens are out of
reach, and the less the samples vary (Zheng et al., arXiv 2409.02908, section 4).
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from cached import RowCached
from torch import Tensor

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.atomic import write_file
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel
from sedd_cli.evaluation.plots import picture_of, require_plot
from sedd_cli.evaluation.quality import Statistic, distinct, mean, perplexity, unigram_entropy
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request

SEED = 0
AT_ONCE = 16
"""Texts that the baseline draws together."""


@dataclass(frozen=True)
class Point:
    """Texts of one side at one number of steps. `entropy`: unigram, nats, of whole canvases."""

    steps: int
    exact: bool
    entropy: Statistic
    distinct: float | None
    perplexity: Statistic | None


def drawn(checkpoint: Checkpoint, steps: int, num: int, exact: bool) -> Tensor:
    """`num` canvases (num, L)."""
    if exact:
        run = Run(checkpoint, Request(steps=steps, seed=SEED, num_samples=num))
        for _ in run.steps():
            pass
        return torch.stack([sample.ids for sample in run.samples()])
    batches = range(0, num, AT_ONCE)
    sampler = RowCached(checkpoint, steps)
    return torch.cat([sampler.sample(SEED + i, min(AT_ONCE, num - i), checkpoint.length) for i in batches])


def judged(checkpoint: Checkpoint, canvases: Tensor, judge: JudgeModel) -> Statistic | None:
    """Of the texts up to their end-of-text tokens."""
    assert checkpoint.tokenizer is not None
    texts = [checkpoint.tokenizer.compose(ids, full_canvas=False, at_start=True) for ids in canvases.tolist()]
    ratings = judge.rate([JudgeInput((text,)) for text in texts])
    return perplexity([v.nats for v in ratings], [v.tokens for v in ratings])


def points(checkpoint: Checkpoint, steps: Sequence[int], num: int, judge: JudgeModel | None) -> Iterator[Point]:
    for count in steps:
        for exact in (True, False):
            canvases = drawn(checkpoint, count, num, exact)
            yield Point(
                count,
                exact,
                mean([unigram_entropy(ids) for ids in canvases.tolist()]),
                distinct(canvases.tolist(), 1),
                None if judge is None else judged(checkpoint, canvases, judge),
            )


def line(point: Point) -> str:
    def written(figure: Statistic | None) -> str:
        return "-" if figure is None else f"{figure.value:.3f} +- {figure.error or 0:.3f}"

    kind = "exact" if point.exact else "float32"
    rare = "-" if point.distinct is None else f"{point.distinct:.4f}"
    return f"{point.steps:>6}  {kind:<8}{written(point.entropy):>18}{rare:>12}{written(point.perplexity):>20}"


def plot(path: Path, found: Sequence[Point]) -> None:
    format = require_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.8, 3.8), layout="constrained")
    panels = [("unigram entropy, nats", "entropy"), ("generative perplexity", "perplexity")]
    for axes, (title, name) in zip(figure.subplots(1, 2), panels, strict=True):
        for exact, label, color in ((True, "exact draws", "#2a6f97"), (False, "float32 clocks", "#c1121f")):
            of = [(p.steps, e) for p in found if p.exact == exact and (e := getattr(p, name)) is not None]
            axes.errorbar(
                [steps for steps, _ in of],
                [e.value for _, e in of],
                yerr=[2 * (e.error or 0.0) for _, e in of],
                fmt="o-",
                color=color,
                capsize=3,
                label=label,
            )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("steps")
        axes.set_title(title, loc="left", fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    write_file(path, picture_of(figure, format))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--num", type=int, default=64, help="texts at each number of steps")
    parser.add_argument("--steps", default="32,64,128,256,512,1024")
    parser.add_argument("--judge", help="as of sedd eval samples; without one there is no perplexity")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    checkpoint = load_checkpoint()
    judge = None if args.judge is None else load_judge(args.judge, checkpoint.device)
    print(f"{checkpoint.name}, {args.num} texts a line, seed {SEED}; errors are standard errors over texts")
    print(f"{'steps':>6}  {'draws':<8}{'entropy, nats':>18}{'distinct-1':>12}{'perplexity':>20}")
    found = []
    for point in points(checkpoint, [int(count) for count in args.steps.split(",")], args.num, judge):
        found.append(point)
        print(line(point), flush=True)
    if args.plot:
        plot(args.plot, found)


if __name__ == "__main__":
    main()
