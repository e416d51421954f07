"""How near are the lengths that are chosen for gaps, and what do texts of these lengths lose?

    python benchmarks/gap_lengths.py VALIDATION.txt [-m CHECKPOINT] [--before CHECKPOINT] [-n 120] [--exhaustive 20]
                                     [--length 128] [-o FOUND.jsonl]

1 to 12 words in a line are cut out of stories (documents end at lines `<|endoftext|>`), and the gap is filled at the
true length, at those that PAD and that the text beside the gap say, and with 8 tokens whatever was cut. Of the first
gaps the likeliest length by exhaustive search is printed beside them. `--before`: a checkpoint that is compared at the
true length and at 8 tokens, and by the bound of the stories. With -o every gap is written down once it is filled, and a
run that was stopped goes on there.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from sedd_cli import Checkpoint, Gap, Request, load_checkpoint
from sedd_cli.diffusion.likelihood import default_estimator, estimate
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.evaluation.exhaustive import likeliest_length
from sedd_cli.evaluation.infill_data import read_sources
from sedd_cli.evaluation.infill_metrics import token_f1
from sedd_cli.evaluation.spans import Cut, cuts_of
from sedd_cli.generation.infill import Infilling
from sedd_cli.text.gaps import DEFAULT_RANGE, Length

WORDS, FIXED, NEAR = (1, 12), 8, 1.5
CANVASES = 48
"""Canvases of stories whose bound is estimated, by 4 x 4 network calls each."""


def infilling(
    checkpoint: Checkpoint, cut: Cut, number: int, length: int, tokens: Length, *, padding: bool = True
) -> Infilling:
    gap = Gap(cut.at, cut.at, tokens, one_line=True)
    return Infilling(checkpoint, Request(seed=number, length=length), cut.text, [gap], padding=padding)


def fill(
    checkpoint: Checkpoint, cut: Cut, number: int, length: int, tokens: Length, *, padding: bool = True
) -> dict[str, Any]:
    started = time.monotonic()
    run = infilling(checkpoint, cut, number, length, tokens, padding=padding)
    chosen = time.monotonic() - started
    for _ in run.steps():
        pass
    (filling,) = run.fillings()
    return {
        "tokens": filling.tokens[0],
        "f1": token_f1(filling.text[slice(*filling.spans[0])], cut.truth),
        "calls": len(run.drawn_lengths(0)) + sum(each.calls for each in run.chosen_lengths),
        "seconds": chosen,
    }


def measure(
    checkpoint: Checkpoint, before: Checkpoint | None, cut: Cut, number: int, length: int, *, exhaustive: bool
) -> dict[str, Any]:
    """A gap filled in every way."""
    tokenizer, process = checkpoint.tokenizer, checkpoint.process
    assert tokenizer is not None and isinstance(process, Absorbing)
    absorbs = infilling(checkpoint, cut, number, length, 1).sized_gaps[0].absorbs_space
    true = len(tokenizer.encode(" " * absorbs + cut.truth))
    ways = {"true": fill(checkpoint, cut, number, length, true)}
    if checkpoint.config.pad_id is not None:
        ways["PAD"] = fill(checkpoint, cut, number, length, "auto")
    ways["text beside"] = fill(checkpoint, cut, number, length, "auto", padding=False)
    ways[f"{FIXED} tokens"] = fill(checkpoint, cut, number, length, FIXED)
    if before is not None:
        ways["true, before"] = fill(before, cut, number, length, true)
        ways[f"{FIXED} tokens, before"] = fill(before, cut, number, length, FIXED)
    if exhaustive:
        started, (low, high) = time.monotonic(), DEFAULT_RANGE
        windows = {n: infilling(checkpoint, cut, number, length, n).windows[0] for n in range(low, high + 1)}
        tokens = likeliest_length(checkpoint.model, process, checkpoint.noise, windows)
        seconds = time.monotonic() - started
        ways["exhaustive"] = {**fill(checkpoint, cut, number, length, tokens), "seconds": seconds}
    return {"true": true, "ways": ways}


def table(gaps: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Figures of every way in which all of these gaps were filled."""
    yield "| length | within 1.5 | ratio | spread | token F1 | of the true length's | calls | seconds |"
    yield "|:--" + "|--:" * 7 + "|"
    base = sum(gap["ways"]["true"]["f1"] for gap in gaps)
    for way in gaps[0]["ways"]:
        if not all(way in gap["ways"] for gap in gaps):
            continue
        found = [gap["ways"][way] for gap in gaps]
        logs = [math.log(each["tokens"] / gap["true"]) for each, gap in zip(found, gaps, strict=True)]
        near = sum(abs(each) <= math.log(NEAR) + 1e-9 for each in logs) / len(gaps)
        f1 = sum(each["f1"] for each in found)
        calls, seconds = (sum(each[key] for each in found) / len(gaps) for key in ("calls", "seconds"))
        yield (
            f"| {way} | {near:.0%} ± {math.sqrt(near * (1 - near) / len(gaps)):.0%} "
            f"| {math.exp(sum(logs) / len(gaps)):.2f} | {math.sqrt(sum(x * x for x in logs) / len(gaps)):.2f} "
            f"| {f1 / len(gaps):.3f} | {f1 / base if base else 0:.2f} | {calls:.0f} | {seconds:.2f} |"
        )


def bound(checkpoint: Checkpoint, texts: Sequence[str], length: int) -> torch.Tensor:
    """Nats a token of canvases of stories (N,); the same random numbers for every checkpoint."""
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None and tokenizer.end_of_text_id is not None
    ids = [i for text in texts for i in (*tokenizer.encode(text), tokenizer.end_of_text_id)]
    x0 = torch.tensor(ids[: len(ids) // length * length]).view(-1, length)[:CANVASES]
    estimator = default_estimator(checkpoint.process, checkpoint.noise)
    found = estimate(
        checkpoint.model, checkpoint.process, checkpoint.noise, x0, estimator=estimator, replicates=4, draws=4
    )
    return found.nats / length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("validation", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--before")
    parser.add_argument("-n", "--num", type=int, default=120)
    parser.add_argument("--exhaustive", type=int, default=20, metavar="GAPS")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    checkpoint, before = load_checkpoint(args.model), load_checkpoint(args.before) if args.before else None
    sources = read_sources([str(args.validation)])
    saved = args.output.read_text().splitlines() if args.output and args.output.exists() else []
    gaps: list[dict[str, Any]] = [json.loads(line) for line in saved]
    cuts = islice(cuts_of(sources, "words", args.seed, words=WORDS), args.num)
    for number, cut in enumerate(cuts):
        if number < len(gaps):
            continue
        exhaustive = number < args.exhaustive
        gaps.append(measure(checkpoint, before, cut, number, args.length, exhaustive=exhaustive))
        if args.output:
            with args.output.open("a") as file:
                file.write(json.dumps(gaps[-1]) + "\n")
    print(f"{len(gaps)} gaps of {WORDS[0]} to {WORDS[1]} words, {checkpoint.name}")
    print("\n".join(table(gaps)))
    if args.exhaustive:
        print(f"\nthe first {min(args.exhaustive, len(gaps))} of them")
        print("\n".join(table(gaps[: args.exhaustive])))
    if before is not None:
        now, then = (bound(each, [source.text for source in sources], 256) for each in (checkpoint, before))
        change = now - then
        error = float(change.std()) / math.sqrt(len(change))
        print(f"\nbound: {float(now.mean()):.3f} nats a token, {float(change.mean()):+.4f} ± {error:.4f} of before")


if __name__ == "__main__":
    main()
