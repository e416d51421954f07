"""int8 and bfloat16 against float32 on this machine's CPU: seconds, memory, and the difference in nats.

    python benchmarks/int8.py [--text VALIDATION.txt [--only-text]]

SEDD-small's size has random weights; their fidelity is measured with the built-in checkpoint only, on canvases
of 256 tokens of a text. The calls alternate, so that drift of the machine's speed hits both alike.
Needs Linux (/proc).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from measure import aligned, machine, seconds
from ours import SEED, network_named
from safetensors.torch import save_file

from sedd_cli import Checkpoint, generate, load_checkpoint
from sedd_cli.evaluation.blocks import make_blocks
from sedd_cli.evaluation.fidelity import fidelity
from sedd_cli.models.int8 import has_exact_products
from sedd_cli.text.corpus import read_documents

PRECISIONS = ("float32", "bfloat16", "int8")
REVEALED = 8
"""Positions scored by a timed call: about what a call of 1,024 positions in 128 steps reveals."""
CANVASES, LENGTH = 16, 256


@contextmanager
def folder_of(network: str) -> Iterator[str]:
    """Where `load_checkpoint` finds a network."""
    checkpoint = network_named(network)
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(checkpoint.config.model_dump_json())
        save_file(checkpoint.model.backbone.state_dict(), Path(folder) / "model.safetensors")
        del checkpoint
        yield folder


def load(folder: str, precision: str) -> None:
    """Seconds and memory of loading, as JSON, in a process of its own (ru_maxrss would begin at its parent's size)."""
    begin = perf_counter()
    checkpoint = load_checkpoint(folder, dtype=precision)
    took = perf_counter() - begin
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    loaded, peak = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    assert checkpoint.precision == precision
    print(json.dumps({"seconds": took, "loaded": loaded, "peak": peak}))


def show_loading(network: str, folder: str) -> None:
    rows = []
    for precision in PRECISIONS:
        command = [sys.executable, __file__, "--load", folder, precision]
        measured = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        rows.append((precision, f"{measured['seconds']:.2f}", f"{measured['loaded']:.0f}", f"{measured['peak']:.0f}"))
    print(f"\nLoading {network}, a fresh process each (MiB)")
    print(aligned(("", "s", "process, loaded", "peak until then"), rows))


def call(checkpoint: Checkpoint, length: int) -> Callable[[], object]:
    """A network call on a canvas of which half is masked."""
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randint(checkpoint.config.tokens, (1, length), generator=generator)
    x[:, ::2] = checkpoint.config.tokens
    where = torch.zeros_like(x, dtype=torch.bool)
    where[:, : 2 * REVEALED : 2] = True
    sigma = torch.full((1,), 0.7)
    return lambda: list(checkpoint.model.log_scores(x, sigma, where))


def run(checkpoint: Checkpoint, length: int) -> Callable[[], object]:
    return lambda: generate(checkpoint, length=length, steps=64, seed=SEED)


def race(works: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Median seconds of each, in turn, after one round that is not counted."""
    taken = [[seconds(work) for work in works] for _ in range(times + 1)][1:]
    return [median(column) for column in zip(*taken, strict=True)]


def show_speed(network: str, checkpoints: Sequence[Checkpoint], lengths: Sequence[int]) -> None:
    """Calls; of the built-in checkpoint whole runs as well (`sampling.py` has those of the other)."""
    kinds = [(f"call, {REVEALED} positions", call, 7), ("run of 64 steps", run, 3)]
    rows = []
    for length in lengths:
        for name, work, times in kinds if network == "built-in" else kinds[:1]:
            exact, *others = race([work(checkpoint, length) for checkpoint in checkpoints], times)
            ratios = (f"{exact / other:.2f}x" for other in others)
            rows.append((f"{length}, {name}", *(f"{taken:.4f}" for taken in (exact, *others)), *ratios))
    print(f"\n{network}: median seconds, and float32's over the others'")
    print(aligned(("L", *PRECISIONS, *PRECISIONS[1:]), rows))


def show_fidelity(text: Path) -> None:
    exact = load_checkpoint()
    assert exact.tokenizer is not None
    x0 = make_blocks(list(read_documents(text)), exact.tokenizer, LENGTH).first(CANVASES).groups[0]
    print(f"\nFidelity of the built-in checkpoint, {CANVASES} canvases of {LENGTH} tokens of {text.name}")
    for precision in PRECISIONS[1:]:
        compared = fidelity(exact, load_checkpoint(dtype=precision), x0, estimator="ao", replicates=16, seed=SEED)
        drawn = compared.agreement
        print(f"\nany-order bound: {compared.bound:.4f} nats a token in float32")
        print(f"{precision} minus that, same noise: {compared.difference:+.4f} +- {compared.standard_error:.4f}")
        print(f"log c at one canvas: {compared.mean:.3f} apart in the mean, {compared.largest:.2f} at most")
        print(f"total variation of c: {compared.variation:.4f}, the share of draws that have to differ")
        print(
            f"one seed: {drawn.same:.1%} of the tokens are the same; parted at call {drawn.parted_at} of {drawn.calls}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="of the built-in checkpoint's kind: TinyStories that were held out")
    parser.add_argument("--only-text", action="store_true", help="the fidelity alone")
    parser.add_argument("--load", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        load(*args.load)
        return
    print(machine())
    print(f"int8 products: {'oneDNN' if has_exact_products() else 'in float32 (this CPU has no exact ones)'}")
    for network, lengths in () if args.only_text else (("built-in", (64, 256, 1024)), ("sedd-small", (128, 1024))):
        with folder_of(network) as folder:
            show_loading(network, folder)
            show_speed(network, [load_checkpoint(folder, dtype=precision) for precision in PRECISIONS], lengths)
    if args.text:
        show_fidelity(args.text)


if __name__ == "__main__":
    main()
