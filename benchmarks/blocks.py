"""A network trained by blocks, whose finished blocks are kept, beside full canvases of the same shape at equal calls.

    python benchmarks/blocks.py [--new 512] [--block 32] [--calls 4] [--full-calls 6]

The shape is Qwen2.5-0.5B's, weights are random. The run by blocks is timed whole; of the full canvas a few calls, whose
median counts for each of as many calls as the run by blocks made.
"""

import argparse
from itertools import islice, pairwise
from statistics import median
from time import perf_counter

from measure import machine, seconds
from ours import SEED, half_billion, random_weights

from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request


def by_blocks(new: int, block: int, calls: int) -> tuple[float, int]:
    """Seconds and network calls of a whole run."""
    run = Run(random_weights(half_billion(block)), Request(length=new, steps=calls * new // block, seed=SEED))
    taken = seconds(lambda: list(run.steps()))
    (sample,) = run.samples()
    assert sample.complete
    return taken, sample.nfe


def full_call(new: int, steps: int, calls: int) -> float:
    """Seconds of a call, the median of several."""
    steps_made = Run(random_weights(half_billion()), Request(length=new, steps=steps, seed=SEED)).steps()
    edges = [perf_counter()] + [perf_counter() for _ in islice(steps_made, calls)]
    return median(b - a for a, b in pairwise(edges))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--new", type=int, default=512, help="tokens to write")
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--calls", type=int, default=4, help="steps a block")
    parser.add_argument("--full-calls", type=int, default=6, help="calls of the full canvas that are timed")
    args = parser.parse_args()
    print(machine())
    taken, nfe = by_blocks(args.new, args.block, args.calls)
    full = nfe * full_call(args.new, nfe, args.full_calls)
    print(f"{args.new} tokens in {nfe} calls")
    print(f"blocks of {args.block}: {args.new / taken:.2f} tokens a second ({taken:.1f} s)")
    print(f"full canvas: {args.new / full:.2f} tokens a second ({full:.0f} s)")
    print(f"ratio {full / taken:.1f}")


if __name__ == "__main__":
    main()
