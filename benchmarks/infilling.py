"""Does the ranking tell a right sentence from a wrong one?

    python benchmarks/infilling.py VALIDATION.txt [-m CHECKPOINT] [--stories 100]

Of each story (documents end at lines `<|endoftext|>`) a middle sentence is cut out. In its place the ranking score of
`sedd infill`, the any-order bound over common noise, is taken of the true sentence, of one from the middle of another
story, and of what our sampler writes there (seed 0, as many tokens as stood there). The score is a total, in which
every token costs nats, and candidates of one request are equally long: so the other story is the next whose sentence
has as many tokens, or if there is none one more or less, or two.

And of each story one word in its middle is masked without the blank before it, as `--unit words` does (seed 0): is what
is written a word that the stories hold, and is it the one that stood there?
"""

import argparse
import re
from pathlib import Path
from statistics import mean

import torch

from sedd_cli import Checkpoint, Request, load_checkpoint
from sedd_cli.generation.infill import Filling, Infilling
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.gaps import Gap
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.text.windows import SizedGap, make_windows

TOLERANCE = 2


def middle_sentence(story: str) -> tuple[int, int] | None:
    """The span of the sentence nearest to the middle, the space before it included; None if there are too few."""
    ends = [found.end() for found in re.finditer(r"[.!?]\"?(?=\s)", story)]
    if len(ends) < 3:
        return None
    k = min(range(1, len(ends) - 1), key=lambda k: abs(ends[k - 1] + ends[k] - len(story)))
    return ends[k - 1], ends[k]


def nats_of(checkpoint: Checkpoint, story: str, span: tuple[int, int], sentence: str) -> float:
    """The ranking score of a sentence in the place of the span."""
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    ids = tokenizer.encode(sentence)
    (window,) = make_windows(tokenizer, story, [SizedGap(*span, len(ids))], checkpoint.length)
    run = Infilling(checkpoint, Request(seed=0), story, [Gap(*span, len(ids))])
    state = run.start(0)
    state.ids[state.free] = torch.tensor(ids)
    assert torch.equal(state.free, window.canvas.free)
    return Filling("", [], 0, 0, 0, 0, True, [state], checkpoint).nats


def another(tokenizer: Tokenizer, sentences: list[str], i: int) -> str | None:
    """The sentence of another story whose number of tokens is nearest, of those the next."""
    wanted = len(tokenizer.encode(sentences[i]))
    others = [other for other in sentences[i + 1 :] + sentences[:i] if other != sentences[i]]
    nearest = min(others, key=lambda other: abs(len(tokenizer.encode(other)) - wanted))
    return nearest if abs(len(tokenizer.encode(nearest)) - wanted) <= TOLERANCE else None


def middle_word(story: str) -> tuple[int, int]:
    """The span of the word nearest to the middle, of those between blanks."""
    words = [found.span() for found in re.finditer(r"(?<= )[A-Za-z]+(?= )", story)]
    return min(words, key=lambda span: abs(sum(span) - len(story)))


def filled(checkpoint: Checkpoint, story: str, span: tuple[int, int]) -> Filling:
    run = Infilling(checkpoint, Request(seed=0), story, [Gap(*span)])
    for _ in run.steps():
        pass
    return run.fillings()[0]


def print_words(checkpoint: Checkpoint, stories: list[str]) -> None:
    known = {word for story in stories for word in re.findall(r"\w+", story)}
    spans = [middle_word(story) for story in stories]
    written = [filled(checkpoint, story, span) for story, span in zip(stories, spans, strict=True)]
    words = [filling.text[slice(*filling.spans[0])] for filling in written]
    right = sum(word == story[slice(*span)] for word, story, span in zip(words, stories, spans, strict=True))
    found = sum(word in known for word in words)
    print(f"  a word masked by itself: a word in {found} of {len(words)}, the true one in {right}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-m", "--model")
    parser.add_argument("--stories", type=int, default=100)
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.model)
    assert checkpoint.tokenizer is not None
    stories = [text.strip() for text in read_documents(args.corpus)]
    cut = [(story, span) for story in stories if (span := middle_sentence(story))]
    sentences = [story[slice(*span)] for story, span in cut]
    true, wrong, ours = [], [], []
    for i, (story, span) in enumerate(cut):
        other = another(checkpoint.tokenizer, sentences, i)
        if other is None:
            continue
        true.append(nats_of(checkpoint, story, span, sentences[i]))
        wrong.append(nats_of(checkpoint, story, span, other))
        ours.append(filled(checkpoint, story, span).nats)
        if len(true) == args.stories:
            break
    n = len(true)
    print(f"{checkpoint.name}, {n} stories of {args.corpus.name}, mean nats of the sentence given the rest:")
    print(f"  true {mean(true):.1f}   ours {mean(ours):.1f}   another story's {mean(wrong):.1f}")
    for name, these in (("true", true), ("ours", ours)):
        print(f"  {name} above another story's: {sum(a < b for a, b in zip(these, wrong, strict=True))} of {n}")
    print(f"  ours above the true one: {sum(a < b for a, b in zip(ours, true, strict=True))} of {n}")
    print_words(checkpoint, [story for story, _ in cut][: args.stories])


if __name__ == "__main__":
    main()
