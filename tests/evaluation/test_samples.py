"""Samples drawn and judged: the figures are those of `generate`'s texts, however they were come by."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, UsageError, generate, load_checkpoint
from sedd_cli.evaluation.card import as_markdown, as_text
from sedd_cli.evaluation.frontier_plot import curves_of, plot_frontier
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel
from sedd_cli.evaluation.quality import Statistic, distinct, mean, perplexity, repetition, unigram_entropy
from sedd_cli.evaluation.sample_metrics import EvaluatedText, SampleMetrics, SampleSet, compute_metrics
from sedd_cli.evaluation.samples import Evaluation, SamplesRequest
from sedd_cli.evaluation.samples_plot import plot_samples
from sedd_cli.evaluation.samples_report import card, cells
from sedd_cli.generation.request import Request
from tests.conftest import PARITY
from tests.judges import make_judge

LENGTH = 24
STORIES = [f"Once upon a time there was a {what}. He liked to play in the park all day." * 2 for what in ("dog", "cat")]
STORIES += [
    "The sun was warm.",
    "Tom and Sue went to the shop to buy a big red ball and some bread for mum and dad today.",
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> JudgeModel:
    return load_judge(str(make_judge(tmp_path_factory.mktemp("judge"), context=512)), torch.device("cpu"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "stories.txt"
    path.write_text("\n\n".join(STORIES))
    return path


def request(steps: tuple[int, ...] = (4,), num: int = 2, length: int = LENGTH, **options: object) -> SamplesRequest:
    ours = {name: options.pop(name) for name in ("conditional", "prompt_tokens", "full_canvas") if name in options}
    sampling = Request(seed=3, num_samples=num, length=length, **options)  # type: ignore[arg-type]
    return SamplesRequest(sampling=sampling, steps=steps, **ours)  # type: ignore[arg-type]


def carried_out(evaluation: Evaluation, judge: JudgeModel | None = None) -> list[tuple[SampleSet, SampleMetrics]]:
    for _ in evaluation.run(judge):
        pass
    assert evaluation.complete
    return evaluation.metrics()


def test_figures_are_those_of_the_texts(shallow: Checkpoint, judge: JudgeModel, reference: Path) -> None:
    evaluation = Evaluation(shallow, request((3, 6)), reference)
    assert evaluation.calls_needed == sum(
        s.nfe for n in (3, 6) for s in generate(shallow, steps=n, seed=3, num_samples=2, length=LENGTH)
    )
    results = carried_out(evaluation, judge)
    assert [sample_set.label for sample_set, _ in results] == ["3 steps", "6 steps", "real text"]
    for (sample_set, metrics), steps in zip(results[:2], (3, 6), strict=True):
        samples = generate(shallow, steps=steps, seed=3, num_samples=2, length=LENGTH)
        assert [(t.row, t.ids, t.text, t.nfe) for t in sample_set.texts] == [
            (s.row, s.ids.tolist(), s.text, s.nfe) for s in samples
        ]
        ratings = judge.rate([JudgeInput((s.text,)) for s in samples])
        expected = perplexity([v.nats for v in ratings], [v.tokens for v in ratings])
        assert metrics.perplexity is not None and expected is not None
        assert metrics.perplexity.value == pytest.approx(expected.value)
        assert metrics.perplexity.error == pytest.approx(expected.error)
        assert metrics.entropy == mean([unigram_entropy(s.ids.tolist()) for s in samples])
        assert metrics.nfe == sum(s.nfe for s in samples) / 2
        assert metrics.seconds is not None and metrics.mauve is not None and metrics.mauve.texts == (2, 2)
    real = results[2][1]
    assert real.nfe is None and real.seconds is None and real.texts == 2
    # Four documents: two of them are held against the other two.
    assert evaluation.compares_real_texts and real.mauve is not None and real.mauve.texts == (2, 2)


def test_figures_are_of_what_stands_before_the_end_or_of_all(
    shallow: Checkpoint, judge: JudgeModel, reference: Path
) -> None:
    """The third story ends before its canvas does."""
    assert shallow.tokenizer is not None and evaluation_tokens(shallow, STORIES[2]) < LENGTH
    short = carried_out(Evaluation(shallow, request(num=3), reference), judge)[-1][0].texts[2]
    assert (
        short.text == STORIES[2] and short.tokens == shallow.tokenizer.encode(STORIES[2]) and len(short.ids) == LENGTH
    )
    sample_set, metrics = carried_out(Evaluation(shallow, request(num=3, full_canvas=True), reference), judge)[-1]
    whole = sample_set.texts[2]
    assert whole.text.startswith(f"{STORIES[2]}\n<|endoftext|>\nTom and Sue") and whole.tokens == whole.ids == short.ids
    following = shallow.tokenizer.decode(whole.ids[len(short.tokens) + 1 :])
    assert whole.rating is not None
    assert whole.rating.nats == pytest.approx(judge.rate([JudgeInput((STORIES[2], following))])[0].nats)
    assert metrics.distinct[0] == distinct([t.ids for t in sample_set.texts], 1)
    assert metrics.repetition == repetition([t.ids for t in sample_set.texts])


def evaluation_tokens(checkpoint: Checkpoint, text: str) -> int:
    assert checkpoint.tokenizer is not None
    return len(checkpoint.tokenizer.encode(text))


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_change_nothing(shallow: Checkpoint, batch_size: int) -> None:
    sample_set, _ = carried_out(Evaluation(shallow, request(num=3, batch_size=batch_size)))[0]
    samples = generate(shallow, steps=4, seed=3, num_samples=3, length=LENGTH)
    assert [text.ids for text in sample_set.texts] == [sample.ids.tolist() for sample in samples]


@pytest.mark.parametrize(("form", "start", "end"), [("prefix", 7, 0), ("infill", 4, 3)])
def test_conditional_samples_continue_real_texts(
    shallow: Checkpoint, judge: JudgeModel, reference: Path, form: str, start: int, end: int
) -> None:
    evaluation = Evaluation(shallow, request(num=5, conditional=form, prompt_tokens=7, length=20), reference)
    # Three of the stories have twenty tokens.
    assert evaluation.num == 3
    assert evaluation.request.prompt_lengths == (start, end)
    (drawn, metrics), (real, of_real) = carried_out(evaluation, judge)
    tokenizer = shallow.tokenizer
    assert tokenizer is not None and metrics.mauve is not None and of_real.mauve is None
    for text, given, story in zip(drawn.texts, real.texts, (STORIES[0], STORIES[1], STORIES[3]), strict=True):
        assert given.ids == tokenizer.encode(story)[:20]
        assert text.ids[:start] == given.ids[:start] and text.ids[20 - end :] == given.ids[20 - end :]
        assert text.ids != given.ids
    pieces = [tokenizer.decode(part) for part in (real.texts[0].ids[:start], real.texts[0].ids[start : 20 - end])]
    after = tokenizer.decode(real.texts[0].ids[20 - end :])
    rating = judge.rate([JudgeInput((pieces[1],), pieces[0], after)])[0]
    assert real.texts[0].rating is not None
    assert real.texts[0].rating.nats == pytest.approx(rating.nats, rel=1e-5)


def test_rows_of_a_conditional_run_do_not_depend_on_each_other(shallow: Checkpoint, reference: Path) -> None:
    runs = [
        carried_out(
            Evaluation(
                shallow, request(num=3, conditional="prefix", length=20, prompt_tokens=7, batch_size=b), reference
            )
        )
        for b in (1, 3)
    ]
    assert [t.ids for t in runs[0][0][0].texts] == [t.ids for t in runs[1][0][0].texts]


def test_what_is_done_stays_when_it_is_stopped(shallow: Checkpoint) -> None:
    evaluation = Evaluation(shallow, request((4, 8)))
    for progress in evaluation.run(None):
        if progress.label == "8 steps" and progress.done == 1:
            break
    assert not evaluation.complete
    assert [(sample_set.label, len(sample_set.texts)) for sample_set, _ in evaluation.metrics()] == [
        ("4 steps", 2),
        ("8 steps", 1),
    ]
    facts = dict(card(evaluation, None, evaluation.metrics()))
    assert facts["complete"].startswith("NO")


def test_first_hitting_has_one_row_without_steps(shallow: Checkpoint) -> None:
    sample_set, metrics = carried_out(Evaluation(shallow, request((256,), 1, 8, sampler="first-hitting")))[0]
    assert (sample_set.label, sample_set.steps, metrics.nfe) == ("first-hitting", None, 8)


def test_settings_of_a_sweep_are_those_of_generate(shallow: Checkpoint) -> None:
    sweep = {"top_p": (None, 0.5), "order": ("random", "confidence")}
    results = carried_out(Evaluation(shallow, replace(request((2,), length=8), sweep=sweep)))
    assert [(s.label, s.setting) for s, _ in results] == [
        (f"top-p {shown}, order {order}, 2 steps", {"top_p": top_p, "order": order})
        for shown, top_p in (("none", None), ("0.5", 0.5))
        for order in ("random", "confidence")
    ]
    for sample_set, _ in results:
        samples = generate(shallow, steps=2, seed=3, num_samples=2, length=8, **sample_set.setting)  # type: ignore[arg-type]
        assert [t.ids for t in sample_set.texts] == [s.ids.tolist() for s in samples]
    ((title, curves),) = curves_of(results).items()
    assert (title, [curve.name for curve in curves]) == (
        "2 steps, 2 network calls",
        ["order random", "order confidence"],
    )


def test_unknown_words_stand_nowhere_in_the_reference(shallow: Checkpoint, reference: Path) -> None:
    """Of real text: in none of its other documents."""
    evaluation = Evaluation(shallow, request(num=1, length=8), reference)
    assert evaluation.reference is not None
    words = evaluation.reference.words
    # The first two stories have them, and documents after the one canvas count too.
    assert (words["liked"], words["dog"], words["bread"], words["the"]) == (2, 1, 1, 4)
    # The end of the canvas may have cut the last word.
    texts = [EvaluatedText(0, [0] * 9, [0] * n, "The DOG barked: dogx", 1, None) for n in (8, 9)]
    assert [text.words for text in texts] == [["the", "dog", "barked", "dogx"], ["the", "dog", "barked"]]
    for text, unknown in zip(texts, (500, 1000 / 3), strict=True):
        metrics = compute_metrics(SampleSet("a", texts=[text]), [], 0, words)
        assert metrics.unknown_words == pytest.approx(unknown)
    assert compute_metrics(SampleSet("a", texts=texts), [], 0).unknown_words is None


def test_without_a_tokenizer_there_are_figures_of_tokens(tiny: Checkpoint) -> None:
    sample_set, metrics = carried_out(Evaluation(tiny, request((2,), 2, 8)))[0]
    assert sample_set.texts[0].text == "" and len(sample_set.texts[0].tokens) == 8
    assert 0 < metrics.entropy.value <= math.log(8) and metrics.perplexity is None


def test_the_card_says_how(shallow: Checkpoint, judge: JudgeModel, reference: Path) -> None:
    evaluation = Evaluation(shallow, request(score="normalised", temperature=0.5, top_p=0.9), reference)
    results = carried_out(evaluation, judge)
    facts = dict(card(evaluation, judge, results))
    assert facts["complete"] == "yes" and facts["rejections"].startswith("none")
    assert "float32 on cpu" in facts["precision"] and "float64" in facts["precision"]
    assert facts["temperature"].startswith("0.5, top-k off, top-p 0.9")
    assert facts["samples"] == f"rows 0 to 1 of seed 3, canvases of {LENGTH} tokens"
    assert judge.card.origin in facts["judge"] and "stored as float32" in facts["judge"]
    assert "'<|endoftext|>' stands before" in facts["judge reads"] and facts["entropy"].startswith("nats")
    assert "not comparable with published figures" in facts["MAUVE"] and "2 texts are TOO FEW" in facts["MAUVE"]


def test_pages_hold_the_table_and_the_card_inert(shallow: Checkpoint, tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b]0;x\x07|<b>\n.txt"
    hostile.write_text("\n\n".join(STORIES))
    evaluation = Evaluation(shallow, request(), hostile)
    results = carried_out(evaluation)
    table, facts = cells(results), card(evaluation, None, results)
    # No judge: no columns of it.
    assert table[0] == [
        "",
        "texts",
        "NFE",
        "seconds",
        "entropy",
        "distinct-1",
        "distinct-2",
        "distinct-3",
        "repetition",
        "unknown words",
    ]
    assert [row[0] for row in table[1:]] == ["4 steps", "real text"]
    page, text = (
        as_markdown("Quality of samples", "Quality against network calls", table, facts, "plot.svg"),
        as_text(table, facts),
    )
    for written in (page, text):
        assert "\x1b" not in written and "\\x1b]0;x\\x07|<b>\\n.txt" in written
    lines = page.splitlines()
    assert lines[2].startswith("| ") and lines[2].count("|") == lines[3].count("|") == 11
    assert "![Quality against network calls](<plot.svg>)" in lines
    assert text.splitlines()[1].split()[:4] == ["4", "steps", "2", table[1][2]]


@pytest.mark.parametrize(("format", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_plots_are_pictures_and_the_same_each_time(
    shallow: Checkpoint, reference: Path, format: str, begins: bytes
) -> None:
    pytest.importorskip("matplotlib")
    bare = carried_out(Evaluation(shallow, request((2, 4)), reference))
    judged = [(sample_set, replace(metrics, perplexity=Statistic(50.0, 30.0))) for sample_set, metrics in bare]
    # Stopped when only real text was done, too; and a judge that found no token.
    for results, judge in ((bare, None), (judged, "$a judge"), (judged[-1:], "$a judge"), (bare, "$a judge")):
        picture = plot_samples(results, judge, format)
        assert picture.startswith(begins)
    assert picture == plot_samples(bare, "$a judge", format)
    assert format == "png" or b"$a judge" in picture


@pytest.mark.slow
def test_plots_of_a_sweep_are_pictures_and_the_same_each_time(shallow: Checkpoint, reference: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep = {"temperature": (0.5, 1.0), "top_p": (None, 0.9)}
    bare = carried_out(Evaluation(shallow, replace(request((2, 4), length=8), sweep=sweep), reference))
    judged = [(sample_set, replace(metrics, perplexity=Statistic(50.0, 30.0))) for sample_set, metrics in bare]
    real = judged[-1][1]
    # Stopped when only real text was done, too; and a judge that found no token.
    for results, of_real, judge in (
        (bare, None, None),
        (judged[-1:], real, "$a judge"),
        (bare, bare[-1][1], "$a judge"),
    ):
        assert plot_frontier(curves_of(results), of_real, judge, "svg").startswith(b"<?xml")
    picture = plot_frontier(curves_of(judged), real, "$a judge", "svg")
    assert picture == plot_frontier(curves_of(judged), real, "$a judge", "svg")
    for written in (b"$a judge", b"top-p none", b"top-p 0.9", b"4 steps, 4 network calls", b"real text"):
        assert written in picture
    assert plot_frontier(curves_of(judged), real, None, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": ()}, "numbers of steps"),
        ({"steps": (4, 4)}, "numbers of steps"),
        ({"steps": (4, 8), "sampler": "first-hitting"}, "number of steps of first-hitting cannot be chosen"),
        ({"conditional": "prefix", "full_canvas": True}, "end at their end-of-text token"),
        ({"conditional": "prefix", "prompt_tokens": 1}, "at least 2 tokens"),
        ({"conditional": "infill", "prompt_tokens": 24}, "fills the canvas of 24"),
        ({"conditional": "prefix", "prompt_tokens": 4}, "need real texts"),
        ({"steps": (0,)}, "steps must be at least 1"),
    ],
)
def test_requests_that_cannot_be_carried_out(shallow: Checkpoint, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Evaluation(shallow, request(**options))  # type: ignore[arg-type]


def test_a_reference_needs_a_tokenizer(reference: Path) -> None:
    with pytest.raises(UsageError, match="no tokenizer, so it cannot read a reference"):
        Evaluation(load_checkpoint(PARITY / "radd"), request(length=8), reference)
