"""The report on samples: a table, a card with the settings, and both as Markdown and as a record for JSON."""

from collections.abc import Sequence
from dataclasses import asdict

from sedd_cli.evaluation.judge_model import JudgeModel
from sedd_cli.evaluation.mauve import MIN_TEXTS
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.evaluation.sample_metrics import SampleMetrics, SampleSet
from sedd_cli.evaluation.samples import Evaluation
from sedd_cli.evaluation.sweep import described, shown
from sedd_cli.evaluation.tables import printable
from sedd_cli.generation.options import TABLE
from sedd_cli.generation.request import LAW_OPTIONS, ORDER_OPTIONS
from sedd_cli.ranges import counted

Results = Sequence[tuple[SampleSet, SampleMetrics]]

HEADINGS = (
    *("", "texts", "NFE", "seconds", "perplexity", "median", "entropy"),
    *("distinct-1", "distinct-2", "distinct-3", "repetition", "unknown words", "MAUVE"),
)


def cells(results: Results) -> list[list[str]]:
    """The table's rows, the headings first; columns without any figure are left out."""
    columns = zip(*([sample_set.label, *_cells(metrics)] for sample_set, metrics in results), strict=True)
    filled = [(h, *column) for h, column in zip(HEADINGS, columns, strict=True) if set(column) != {"-"}]
    return [list(row) for row in zip(*filled, strict=True)]


def _cells(metrics: SampleMetrics) -> list[str]:
    return [
        str(metrics.texts),
        _number(metrics.nfe, ".1f"),
        _number(metrics.seconds, ".2f"),
        _statistic(metrics.perplexity, 2),
        _number(metrics.median, ".2f"),
        _statistic(metrics.entropy, 3),
        *(_number(value, ".3f") for value in metrics.distinct),
        _number(metrics.repetition, ".3f"),
        _number(metrics.unknown_words, ".1f"),
        _number(metrics.mauve.value if metrics.mauve else None, ".3f"),
    ]


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _statistic(statistic: Statistic | None, digits: int) -> str:
    if statistic is None:
        return "-"
    error = "" if statistic.error is None else f" ± {statistic.error:.{digits}f}"
    return f"{statistic.value:.{digits}f}{error}"


def card(evaluation: Evaluation, judge: JudgeModel | None, results: Results) -> list[tuple[str, str]]:
    """How the figures were obtained: (what, how), in one line each."""
    request = evaluation.request
    lines = [
        ("complete", "yes" if evaluation.complete else "NO: stopped early, the figures are of what was done by then"),
        *_network_facts(evaluation),
        *_judge_facts(judge, request.full_canvas),
        ("entropy", "nats, of how often the checkpoint's tokens occur on a whole canvas; mean over texts"),
        ("distinct-n", "distinct n-grams of the checkpoint's tokens over all n-grams, all texts of a row together"),
        ("repetition", "share of 4-grams that occurred before in the same text"),
        *_words_facts(evaluation),
        ("MAUVE", _mauve(evaluation, judge, results)),
        ("real text", _real(evaluation)),
        ("±", "one standard error over texts (perplexity: delta method)"),
    ]
    return [(what, printable(how)) for what, how in lines]


def _network_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    checkpoint, request, sampling = evaluation.checkpoint, evaluation.request, evaluation.request.sampling
    process = type(checkpoint.process).__name__.lower()
    values = {
        entry.label: "swept" if entry.name in request.sweep else getattr(sampling, entry.name) for entry in LAW_OPTIONS
    }
    temperature = values.pop("temperature")
    limits = ", ".join(f"{name} {'off' if value is None else value}" for name, value in values.items())
    asked = [run.request.asked for run in evaluation.runs]
    changed = any(each.logits_processor().changes_law or each.unmasking().changes_law for each in asked)
    own = "" if changed else "; the network's own law"
    sampler = "swept" if "sampler" in request.sweep else evaluation.runs[0].request.sampler
    score = "swept" if "score" in request.sweep else sampling.score
    use = "" if process == "uniform" else f", score {score}"
    seen = (
        "as whole canvases, documents and what follows them" if request.full_canvas else "up to the end-of-text token"
    )
    rows = "row 0" if evaluation.num == 1 else f"rows 0 to {evaluation.num - 1}"
    return [
        ("model", f"{checkpoint.name}, {checkpoint.parameterization}, {process}, sha256 {checkpoint.hash}"),
        ("precision", f"network {checkpoint.precision} on {checkpoint.device}; draws in float64"),
        *_sweep_facts(evaluation),
        ("sampler", f"{sampler}{use}"),
        *_order_facts(evaluation),
        ("temperature", f"{shown(temperature)}, {limits}{own}"),
        ("rejections", "none: every text that was drawn counts"),
        (
            "samples",
            f"{rows} of seed {evaluation.seed}, canvases of {counted(evaluation.length, 'token')}",
        ),
        *_prompt_facts(evaluation),
        ("texts", f"looked at {seen}"),
    ]


def _sweep_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    swept = [
        f"{name.replace('_', '-')} {', '.join(map(shown, values))}" for name, values in evaluation.request.sweep.items()
    ]
    return [("sweep", f"{'; '.join(swept)}: each combination")] if swept else []


def _order_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The options of the order that are not as by default."""
    sampling = evaluation.request.sampling
    given = {entry.name: getattr(sampling, entry.name) for entry in ORDER_OPTIONS}
    changed = {name: value for name, value in given.items() if value != TABLE[name].default}
    return [("order and corrections", described(changed))] if changed else []


def _words_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    if evaluation.reference is None:
        return []
    name = evaluation.reference.name
    return [
        ("unknown words", f"of 1,000, those that stand nowhere in {name}; of real text, in no other document of it")
    ]


def _prompt_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    request = evaluation.request
    if request.conditional is None:
        return []
    first, last = request.prompt_lengths
    given = f"first {counted(first, 'token')}" if not last else f"first {first} and last {counted(last, 'token')}"
    return [
        (
            "given",
            f"the {given} of real texts (conditional, {request.conditional}); perplexity is of what was "
            "written, given what stands before; all else is of texts with what was given",
        )
    ]


def _judge_facts(judge: JudgeModel | None, full_canvas: bool) -> list[tuple[str, str]]:
    if judge is None:
        return [("judge", "none, so no perplexity and no MAUVE; --judge NAME gives them")]
    judge_card = judge.card
    start = (
        f"{judge_card.start!r} stands before each text"
        if judge_card.start
        else "nothing stands before a text, so its first token does not count"
    )
    context = (
        "of any length"
        if judge_card.context is None
        else f"{judge_card.context} tokens; a longer text in windows that overlap by half"
    )
    end = f"{judge_card.end!r} between documents, which counts" if full_canvas else "the end of a text does not count"
    return [
        ("judge", f"{judge_card.name}, stored as {judge_card.stored}, run in float32, {judge_card.origin}"),
        ("judge reads", f"context {context}; {start}; {end}"),
        (
            "perplexity",
            "exp(all nats / all of the judge's tokens), all texts of a row together; median: of the texts' own",
        ),
    ]


def _mauve(evaluation: Evaluation, judge: JudgeModel | None, results: Results) -> str:
    scores = [metrics.mauve for _, metrics in results if metrics.mauve]
    if judge is None or not scores:
        return "none: it needs a judge, and a reference of two texts or more"
    smallest = min(min(mauve.texts) for mauve in scores)
    clusters = " or ".join(str(n) for n in sorted({mauve.clusters for mauve in scores}))
    own = (
        "that of real text is against as many others"
        if evaluation.compares_real_texts
        else "too few real texts for one of theirs"
    )
    return (
        f"against real text, in {clusters} clusters; {own}; features: last hidden state of {judge.card.name} at the "
        "last token, not GPT-2-large: not comparable with published figures"
        + (f"; {smallest} texts are TOO FEW to say much (its authors take thousands)" if smallest < MIN_TEXTS else "")
    )


def _real(evaluation: Evaluation) -> str:
    if evaluation.reference is None:
        return "none; --reference FILE gives its figures, and MAUVE"
    if evaluation.request.conditional:
        return f"the first documents of {evaluation.reference.name} that fill a canvas, cut at its end"
    return f"the first documents of {evaluation.reference.name}, one a canvas, cut or filled up with those that follow"


def as_record(evaluation: Evaluation, judge: JudgeModel | None, results: Results) -> dict[str, object]:
    """The record for JSON: settings, judge, card, and the rows with their texts."""
    checkpoint, request = evaluation.checkpoint, evaluation.request
    return {
        "model": {"name": checkpoint.name, "sha256": checkpoint.hash},
        "complete": evaluation.complete,
        "settings": {
            **asdict(request.sampling),
            "sampler": evaluation.runs[0].request.sampler,
            "seed": evaluation.seed,
            "steps": list(request.steps),
            "sweep": {name: list(values) for name, values in request.sweep.items()},
            "length": evaluation.length,
            "num_samples": evaluation.num,
            "precision": checkpoint.precision,
            "device": str(checkpoint.device),
            "conditional": request.conditional,
            "given": list(request.prompt_lengths),
            "whole_canvas": request.full_canvas,
            "rejections": "none",
            "entropy_unit": "nats",
        },
        "judge": None if judge is None else asdict(judge.card),
        "reference": evaluation.reference.name if evaluation.reference else None,
        "card": dict(card(evaluation, judge, results)),
        "rows": [_sample_set_record(sample_set, metrics) for sample_set, metrics in results],
    }


def _sample_set_record(sample_set: SampleSet, metrics: SampleMetrics) -> dict[str, object]:
    return {
        "label": sample_set.label,
        "steps": sample_set.steps,
        "setting": dict(sample_set.setting),
        **asdict(metrics),
        "samples": [
            {
                "row": text.row,
                "nfe": text.nfe,
                "tokens": len(text.tokens),
                "entropy": text.entropy,
                "nats": text.rating.nats if text.rating else None,
                "judged_tokens": text.rating.tokens if text.rating else None,
                "text": text.text,
            }
            for text in sample_set.texts
        ],
    }
