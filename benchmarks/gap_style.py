"""How many fillings do not fit their places, with tokens drawn again for it and without?

    python benchmarks/gap_style.py FILE... [-m CHECKPOINT] [-n 60] [--steps 16] [--tokens 40]

Spans of at most --tokens tokens are cut out of documents (prose, Markdown, code: `sedd eval infill` reads the same), -n
of each kind, and filled at their true length, once as an insertion, where what stood there is not known, and once in
its place. Prints by kind of text how many fillings double a word or have a blank too many or too few at an edge, begin
in the wrong case, are indented otherwise, and leave other quotes or brackets open than what stood there; and the
network calls a filling.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from sedd_cli import Checkpoint, Gap, Request, load_checkpoint
from sedd_cli.evaluation.infill_data import Source, read_sources
from sedd_cli.evaluation.names import SpanKind
from sedd_cli.evaluation.spans import ONE_LINE, Cut, cuts_of
from sedd_cli.generation import edges
from sedd_cli.generation.infill import Infilling
from sedd_cli.text.balance import is_balanced
from sedd_cli.text.gap_style import GapStyle

KINDS: tuple[SpanKind, ...] = ("word", "words", "half-line", "line", "sentence")
COLUMNS = ("edges", "case", "indentation", "unbalanced")


def fill(checkpoint: Checkpoint, cut: Cut, row: int, steps: int, inserted: bool) -> tuple[str, int]:
    """What is written in the place of a span, at its true length, and the network calls that it took."""
    assert checkpoint.tokenizer is not None
    text, end = (cut.text, cut.at) if inserted else (cut.filled(cut.truth), cut.at + len(cut.truth))
    request = Request(steps=steps, seed=0, num_samples=1, row=row)
    (size,) = Infilling(checkpoint, request, text, [Gap(cut.at, end, 1)]).sized_gaps
    tokens = len(checkpoint.tokenizer.encode(" " * size.absorbs_space + cut.truth))
    run = Infilling(checkpoint, request, text, [Gap(cut.at, end, tokens, one_line=cut.span_kind in ONE_LINE)])
    for _ in run.steps():
        pass
    (filling,) = run.fillings()
    return filling.text[slice(*filling.spans[0])], filling.nfe


def faults(cut: Cut, written: str) -> Iterator[str]:
    """The columns that a filling counts in."""
    style = GapStyle(cut.filled(cut.truth), cut.at, cut.at + len(cut.truth))
    found = style.faults(cut.text[: cut.at], written, cut.text[cut.at :])
    if found.keys() & {"left", "right"}:
        yield "edges"
    yield from found.keys() & {"case", "indentation"}
    if not is_balanced(written, cut.truth):
        yield "unbalanced"


def cuts(checkpoint: Checkpoint, sources: Sequence[Source], count: int, most: int) -> Iterator[tuple[int, Cut]]:
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    for kind in KINDS:
        of_kind = cuts_of(sources, kind, 0, lambda truth: len(tokenizer.encode(truth)) <= most)
        yield from enumerate(islice(of_kind, count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("-m", "--model")
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=40)
    options = parser.parse_args()
    checkpoint, sources = load_checkpoint(options.model), read_sources(options.data)
    print("| text | gap | drawn again | fillings |", " | ".join(COLUMNS), "| NFE |")
    print("|---" * (5 + len(COLUMNS)) + "|")
    redraws = edges.EDGE_REDRAWS
    for text in dict.fromkeys(source.kind for source in sources):
        of_text = [source for source in sources if source.kind == text]
        planned = list(cuts(checkpoint, of_text, options.n, options.tokens))
        for inserted in (True, False):
            for again in (False, True):
                edges.EDGE_REDRAWS = redraws if again else 0
                found, calls = Counter[str](), 0
                for number, cut in planned:
                    written, nfe = fill(checkpoint, cut, number, options.steps, inserted)
                    found.update(faults(cut, written))
                    calls += nfe
                row = text, "inserted" if inserted else "replaced", "yes" if again else "no", len(planned)
                shares = " | ".join(f"{found[name]} ({found[name] / len(planned):.1%})" for name in COLUMNS)
                print("|", " | ".join(map(str, row)), f"| {shares} | {calls / len(planned):.2f} |", flush=True)


if __name__ == "__main__":
    main()
