"""Which planted mistakes does proofreading name, and which right words?

    python benchmarks/proofreading.py VALIDATION.txt [-m CHECKPOINT] [--typos 500] [--length 128] [-o FOUND.jsonl]

In stories (documents end at lines `<|endoftext|>`) one word in 25 is spoilt, by turns: two letters inside it swapped,
one left out, a word of another story in its place, the word doubled. Prints recall by kind and precision for each P,
and how often the suggestion is what stood there, of the words misspelt and of the others. With -o every story is
written down once it is read, and a run that was stopped goes on there. The last story is read whole, so there may be a
few mistakes more.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.evaluation.proofreading import Proofreading, ProofRequest
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.words import word_spans

KINDS = ("swapped", "left out", "wrong", "doubled")
MISSPELT = KINDS[:2]
EVERY = 25
"""Words to a mistake."""
THRESHOLDS = (0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


def swapped(word: str, chance: random.Random) -> str | None:
    """The word with two neighbouring letters behind its first one swapped; None if that changes nothing."""
    places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1] and word[i : i + 2].isalpha()]
    if not places:
        return None
    i = chance.choice(places)
    return f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}"


def shortened(word: str, chance: random.Random) -> str | None:
    """The word without one of the letters behind its first one; None if it has no such letter."""
    places = [i for i in range(1, len(word)) if word[i].isalpha()]
    if len(word) < 3 or not places:
        return None
    i = chance.choice(places)
    return f"{word[:i]}{word[i + 1 :]}"


def spoilt(word: str, kind: str, others: Sequence[str], chance: random.Random) -> str | None:
    if kind == "swapped":
        return swapped(word, chance)
    if kind == "left out":
        return shortened(word, chance)
    if kind == "doubled":
        return f"{word} {word}"
    wrong = chance.choice(others)
    return wrong if wrong.casefold() != word.casefold() else None


def planted(story: str, other: str, chance: random.Random, begin: int) -> tuple[str, list[dict[str, Any]]]:
    """The story with mistakes, and where they are: start, end, kind, and the word that stood there."""
    words, others = word_spans(story), [other[slice(*span)] for span in word_spans(other)]
    parts, mistakes, at, size = list[str](), list[dict[str, Any]](), 0, 0
    for first in range(0, len(words) - EVERY, EVERY):
        start, end = chance.choice(words[first : first + EVERY - 1])
        kind, word = KINDS[(begin + len(mistakes)) % len(KINDS)], story[start:end]
        new = spoilt(word, kind, others, chance)
        if new is None:
            continue
        parts += [story[at:start], new]
        size += start - at
        mistakes.append({"start": size, "end": size + len(new), "kind": kind, "word": word})
        size, at = size + len(new), end
    return "".join([*parts, story[at:]]), mistakes


def read(checkpoint: Checkpoint, text: str, length: int) -> Iterator[dict[str, Any]]:
    """What is named at the highest P; `probability` is the higher of both readings: below it the word is named."""
    proofreading = Proofreading(checkpoint, text, ProofRequest(below=max(THRESHOLDS), length=length))
    for _ in proofreading.steps():
        pass
    first = {law.word.start: law.probability for law in proofreading.unlikely}
    for finding in proofreading.findings():
        probability = max(finding.probability, first.get(finding.start, 0.0))
        yield {
            "start": finding.edit_start,
            "end": finding.end,
            "suggestion": finding.suggestion,
            "probability": probability,
        }


def table(stories: Sequence[dict[str, Any]]) -> Iterator[str]:
    mistakes = [(story, mistake) for story in stories for mistake in story["mistakes"]]
    right = sum(story["words"] for story in stories) - len(mistakes)
    yield f"{len(mistakes)} mistakes among {right:,} right words, {sum(s['seconds'] for s in stories):.0f} s"
    yield (
        "| P | "
        + " | ".join(f"{kind} named" for kind in KINDS)
        + " | named | right words named | precision | misspelt mended | others mended |"
    )
    yield "|---" * (len(KINDS) + 6) + "|"
    for threshold in THRESHOLDS:
        hits = {kind: [0, 0] for kind in KINDS}
        mended = {True: 0, False: 0}
        for story, mistake in mistakes:
            named = [f for f in story["found"] if f["probability"] < threshold and overlap(f, mistake)]
            hits[mistake["kind"]][0] += bool(named)
            hits[mistake["kind"]][1] += 1
            meant = "" if mistake["kind"] == "doubled" else mistake["word"]
            mended[mistake["kind"] in MISSPELT] += any(f["suggestion"] == meant for f in named)
        count = sum(n for n, _ in hits.values())
        false = sum(
            f["probability"] < threshold and not any(overlap(f, m) for m in s["mistakes"])
            for s in stories
            for f in s["found"]
        )
        cells = [f"{n / max(1, of):.0%}" for n, of in hits.values()]
        cells += [
            f"{count / len(mistakes):.0%}",
            f"{false} ({false / right:.1%})",
            f"{count / max(1, count + false):.0%}",
        ]
        misspelt = sum(hits[kind][0] for kind in MISSPELT)
        cells += [f"{mended[True] / max(1, misspelt):.0%}", f"{mended[False] / max(1, count - misspelt):.0%}"]
        yield f"| {threshold:.2%} | {' | '.join(cells)} |"


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return bool(a["start"] < b["end"] and b["start"] < a["end"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("validation", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--typos", type=int, default=500)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.model)
    saved = args.output.read_text().splitlines() if args.output and args.output.exists() else []
    stories: list[dict[str, Any]] = [json.loads(line) for line in saved]
    count = 0
    for number, (story, other) in enumerate(pairwise(read_documents(args.validation))):
        if count >= args.typos:
            break
        text, mistakes = planted(story, other, random.Random(f"{args.seed} {number}"), count)
        count += len(mistakes)
        if number < len(stories):
            continue
        started = time.monotonic()
        record = {
            "mistakes": mistakes,
            "found": list(read(checkpoint, text, args.length)),
            "words": len(word_spans(text)),
        }
        stories.append({**record, "seconds": time.monotonic() - started})
        if args.output:
            with args.output.open("a") as file:
                file.write(json.dumps(stories[-1]) + "\n")
    print("\n".join(table(stories)))


if __name__ == "__main__":
    main()
