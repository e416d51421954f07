"""How well does a checkpoint model short canvases?

    python benchmarks/short.py VALIDATION.txt [-m CHECKPOINT] [--documents 48]

The first n tokens of held-out documents (they end at lines `<|endoftext|>`), any-order bound in nats a token: alone, on
a canvas of n tokens, and on the canvas that the network was trained on, with MASK after them, which is summed out. Text
is cut at n either way; a network trained on one size of canvas only fails on others.
"""

import argparse
from itertools import islice
from pathlib import Path

import torch

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.diffusion.likelihood import Estimate, estimate
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.text.corpus import read_documents

LENGTHS = (4, 8, 16, 32, 64, 128)
REPLICATES = 4


def bound(checkpoint: Checkpoint, ids: torch.Tensor, length: int, draws: int) -> Estimate:
    """Of ids (N, n) at the beginning of a canvas of `length`, the rest of which is unknown."""
    assert isinstance(checkpoint.process, Absorbing)
    x0 = torch.full((len(ids), length), checkpoint.process.mask_id)
    x0[:, : ids.shape[1]] = ids
    where = torch.arange(length).expand(x0.shape) < ids.shape[1]
    return estimate(
        checkpoint.model,
        checkpoint.process,
        checkpoint.noise,
        x0,
        estimator="ao",
        where=where,
        replicates=REPLICATES,
        draws=draws,
    )


def figure(estimate: Estimate, n: int) -> str:
    tokens = n * len(estimate.nats)
    return f"{float(estimate.nats.sum()) / tokens:.3f} +- {estimate.standard_error / tokens:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--documents", type=int, default=48)
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.model)
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    documents = [tokenizer.encode(text.strip()) for text in islice(read_documents(args.corpus), args.documents)]
    print(f"{checkpoint.name}: nats a token of the first n tokens, alone and with MASK after them")
    for n in LENGTHS:
        ids = torch.tensor([document[:n] for document in documents if len(document) >= n])
        if not len(ids) or n > checkpoint.length:
            break
        alone = bound(checkpoint, ids, n, draws=max(1, 64 // n))
        among = bound(checkpoint, ids, checkpoint.length, draws=1)
        print(f"  {n:4d}  {len(ids)} documents  {figure(alone, n)}  {figure(among, n)}", flush=True)


if __name__ == "__main__":
    main()
