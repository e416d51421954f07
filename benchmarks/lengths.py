"""Does a gap of unknown length get the original length?

    python benchmarks/lengths.py VALIDATION.txt [-m CHECKPOINT] [--stories 120]

From the middle of each story (documents end at lines `<|endoftext|>`) 1, 2, 3, 4, 6 or 8 words are cut out, and a gap
of 1 to 32 tokens is chosen in their place, as a marker `[[...]]` is.
"""

import argparse
import math
import re
from itertools import cycle, islice
from pathlib import Path
from statistics import mean

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.generation.lengths import choose_lengths
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.gaps import DEFAULT_RANGE, Gap

WORDS = (1, 2, 3, 4, 6, 8)


def compared(checkpoint: Checkpoint, story: str, count: int) -> tuple[int, int] | None:
    """How many tokens so many words in the middle are, and how many are chosen; None where there are too few words."""
    words = list(re.finditer(r"\S+", story))
    first = (len(words) - count) // 2
    if first < count:
        return None
    start, end = words[first].start(), words[first + count - 1].end()
    assert checkpoint.tokenizer is not None
    stood = len(checkpoint.tokenizer.encode(story[start - 1 : end]))
    _, (chosen,) = choose_lengths(
        checkpoint, story[:start] + story[end:], [Gap(start, start, DEFAULT_RANGE)], checkpoint.length
    )
    return stood, chosen.tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("validation", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--stories", type=int, default=120)
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.model)
    stories = islice(read_documents(args.validation), args.stories)
    found = [compared(checkpoint, story, count) for story, count in zip(stories, cycle(WORDS), strict=False)]
    pairs = [each for each in found if each is not None]
    ratios = [math.log(chosen / stood) for stood, chosen in pairs]
    near = sum(abs(ratio) <= math.log(1.5) for ratio in ratios)
    long, short = (sum(sign * ratio > math.log(2) for ratio in ratios) for sign in (1, -1))
    print(f"{len(pairs)} gaps of {mean(stood for stood, _ in pairs):.1f} tokens on average")
    print(f"within a factor of 1.5: {near}; over twice as long: {long}; less than half: {short}")


if __name__ == "__main__":
    main()
