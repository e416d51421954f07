"""Spans cut out and filled: the same ones for a seed, figures that are right, rows of whole gaps."""

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest

from sedd_cli import Checkpoint, Gap, Request, UsageError, infill
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.evaluation import infill_metrics as metrics
from sedd_cli.evaluation.exhaustive import likeliest_length
from sedd_cli.evaluation.infill import InfillEvaluation, InfillRequest
from sedd_cli.evaluation.infill_data import Source, read_sources
from sedd_cli.evaluation.names import SpanKind
from sedd_cli.evaluation.spans import Cut, cuts_of, spans_of
from sedd_cli.generation.infill import Infilling

STORY = "Once upon a time, there was a dog. He ran to the park and saw a cat.\n\nThey were happy. The end came.\n"
CODE = 'def add(a, b):\n    """Add."""\n    total = a + b\n    return total\n'


@pytest.mark.parametrize(
    ("kind", "text", "some"),
    [
        ("word", STORY, ["Once", "dog", "happy"]),
        ("half-line", STORY, ["He ran to the park and saw a cat.", "The end came."]),
        ("line", CODE, ["def add(a, b):", "    return total"]),
        ("sentence", STORY, ["He ran to the park and saw a cat.", "They were happy.", "The end came."]),
    ],
)
def test_spans_are_whole_units(kind: SpanKind, text: str, some: list[str]) -> None:
    found = [text[start:end] for start, end in spans_of(text, kind, random.Random(0))]
    assert [each for each in found if each in some] == some
    assert all(each == each.strip() for each in found) or kind == "line"


def test_words_and_blocks_are_of_a_number_that_is_drawn() -> None:
    rng = random.Random(0)
    words = {len(CODE[a:b].split()) for _ in range(30) for a, b in spans_of(CODE, "words", rng)}
    lines = {CODE[a:b].count("\n") + 1 for _ in range(30) for a, b in spans_of(CODE, "block", rng)}
    assert words == {2, 3, 4} and lines == {2, 3}
    assert all("\n" not in STORY[a:b] for _ in range(9) for a, b in spans_of(STORY, "words", rng))


@pytest.mark.parametrize("kind", get_args(SpanKind))
def test_a_cut_is_what_is_missing_and_the_seed_says_which(kind: SpanKind) -> None:
    sources = [Source("a", "prose", STORY * 2), Source("b", "prose", STORY.upper() * 3)]
    cuts = list(islice(cuts_of(sources, kind, 3), 8))
    texts = {source.name: source.text for source in sources}
    assert all(cut.text[: cut.at] + cut.truth + cut.text[cut.at :] == texts[cut.source] for cut in cuts)
    assert cuts == list(islice(cuts_of(sources, kind, 3), 8)) != list(islice(cuts_of(sources, kind, 4), 8))
    assert len({(cut.source, cut.at, cut.truth) for cut in cuts}) == len(cuts)
    assert list(cuts_of(sources, kind, 3, lambda truth: False)) == []


def test_likeness() -> None:
    assert metrics.is_exact(" the dog\n", "the dog") and not metrics.is_exact("The dog", "the dog")
    assert metrics.token_f1("the dog ran", "ran the") == pytest.approx(0.8)
    assert (metrics.token_f1("", "a"), metrics.token_f1("", " "), metrics.token_f1("a.b", "b . a")) == (0, 1, 1)
    assert metrics.edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert metrics.edit_similarity("", "") == 1 and metrics.edit_similarity("", "ab") == 0
    assert metrics.parses(CODE) and not metrics.parses(CODE[:12]) and not metrics.parses("a\0")


def test_sources_by_suffix_and_separator(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text(CODE)
    (tmp_path / "b.md").write_text("# Notes\n\nSome.\n")
    (tmp_path / "c.txt").write_text("one\n<|endoftext|>\ntwo\n")
    (tmp_path / "d.rs").write_text("fn main() {}\n")
    (tmp_path / "e.txt").write_bytes(b"caf\xe9")
    (tmp_path / ".hidden.py").write_text(CODE)
    (tmp_path / "picture.png").write_bytes(b"\0")
    found = [(source.name, source.kind) for source in read_sources([str(tmp_path)])]
    assert found == [
        *[("b.md", "markdown"), ("c.txt:1", "prose"), ("c.txt:2", "prose"), ("d.rs", "code")],
        ("deep/a.py", "python"),
    ]
    with pytest.raises(UsageError, match="not UTF-8"):
        read_sources([str(tmp_path / "e.txt")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is no text"):
        read_sources([str(tmp_path / "empty")])


def test_gaps_are_filled_as_infill_does_it(shallow: Checkpoint) -> None:
    sources = [Source("story", "prose", STORY * 2), Source("code", "python", CODE)]
    request = InfillRequest(
        sampling=Request(steps=4, seed=5), spans=("word", "line"), lengths=("true", 3), num=2, nats=False
    )
    evaluation = InfillEvaluation(shallow, request, sources)
    labels = list(evaluation.run())
    assert evaluation.complete and len(labels) == 16 == evaluation.fillings_planned and len(evaluation.gaps) == 8
    for number, gap in enumerate(evaluation.gaps):
        cut, (true, fixed) = gap.cut, gap.fillings
        assert (true.tokens, fixed.tokens) == (gap.tokens, 3) and gap.nats is true.nats is None
        asked = Gap(cut.at, cut.at, gap.tokens, one_line=True)
        (alone,) = infill(shallow, cut.text, [asked], steps=4, seed=5 + number // 4)
        assert true.written == alone.text[slice(*alone.spans[0])]
        filled = cut.text[: cut.at] + fixed.written + cut.text[cut.at :]
        assert fixed.parses == (metrics.parses(filled) if cut.text_kind == "python" else None)
    rows = evaluation.rows()
    assert [(row.text_kind, row.span_kind, row.length) for row in rows] == [
        (text, span, length) for text in ("prose", "python") for span in ("word", "line") for length in ("true", 3)
    ]
    assert all(row.gaps == 2 and (row.parses is None) == (row.text_kind == "prose") for row in rows)
    assert [row.ratio for row in rows if row.length == "true"] == [1.0] * 4


def test_the_truth_is_as_likely_as_the_same_text_of_our_own(built_in: Checkpoint) -> None:
    before, after = "Once upon a ", ", there was a little girl named Lily."
    request = InfillRequest(sampling=Request(seed=1, temperature=0.0), spans=("word",), lengths=("true",), num=1)
    evaluation = InfillEvaluation(built_in, request, [Source("a", "prose", f"{before}time{after}")])
    for truth in ("time", "banana"):
        assert list(evaluation._fill(Cut("a", "prose", "word", before + after, len(before), truth), 0))
    same, other = evaluation.gaps
    assert same.fillings[0].exact and same.nats == same.fillings[0].nats
    assert other.nats is not None and same.nats is not None and other.nats > same.nats + 5


def test_the_likeliest_length_is_found_by_trying_every_one(built_in: Checkpoint) -> None:
    document = "Once upon a time, there was a little girl named Lily. She loved to play."
    at = document.index(" time")
    windows = {
        n: Infilling(built_in, Request(seed=1), document, [Gap(at, document.index(" a little"), n)]).windows[0]
        for n in (1, 3, 4, 5, 9)
    }
    assert isinstance(built_in.process, Absorbing)
    assert likeliest_length(built_in.model, built_in.process, built_in.noise, windows, draws=8) == 4


def test_gaps_are_added_until_the_error_is_small_or_none_is_left(built_in: Checkpoint) -> None:
    request = InfillRequest(sampling=Request(steps=2, seed=2), spans=("word",), lengths=(1,), num=2, nats=False)
    counts = []
    for target in (9.0, 1e-9):
        source = Source("a", "prose", "Once upon a time there was a cat.")
        evaluation = InfillEvaluation(built_in, replace(request, until_error=target), [source])
        list(evaluation.run())
        counts.append(len(evaluation.gaps))
    assert counts[0] == 2 and 2 < counts[1] <= 8 and evaluation.complete


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spans": ("chapter",)}, "'chapter' is no kind of span"),
        ({"lengths": (0,)}, "cannot have 0 tokens"),
        ({"lengths": ()}, "or no length"),
        ({"words": (3, 2)}, "cannot have 3 to 2 words"),
        ({"until_error": 0.0}, "must be above 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InfillRequest(sampling=Request(), **options)  # type: ignore[arg-type]
