"""The report on filled gaps: a table, a card with the settings, and a record for JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from sedd_cli.diffusion.names import SLOTS
from sedd_cli.evaluation.execution import SECONDS, is_offline
from sedd_cli.evaluation.infill import DRAWS, REPLICATES, FilledGap, InfillEvaluation, Row
from sedd_cli.evaluation.quality import Statistic
from sedd_cli.evaluation.spans import LINES
from sedd_cli.evaluation.tables import printable
from sedd_cli.generation.options import TABLE
from sedd_cli.ranges import counted

HEADINGS = (
    *("", "length", "gaps", "exact", "token F1", "edit similarity", "nats, truth", "nats, ours"),
    *("length ratio", "within 1.5", "balanced", "fits", "parses", "pass@1", "seconds", "NFE", "calls for lengths"),
)


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The table's rows, the headings first; columns without any figure are left out."""
    several = len({row.text_kind for row in rows}) > 1
    columns = zip(*(_cells(row, several) for row in rows), strict=True)
    filled = [(h, *column) for h, column in zip(HEADINGS, columns, strict=True) if set(column) != {"-"}]
    return [list(row) for row in zip(*filled, strict=True)]


def _cells(row: Row, several: bool) -> list[str]:
    return [
        f"{row.text_kind}, {row.span_kind}" if several else row.span_kind,
        str(row.length),
        str(row.gaps),
        _share(row.exact),
        _statistic(row.token_f1, 2),
        _statistic(row.edit_similarity, 2),
        _statistic(row.nats_of_truth, 1),
        _statistic(row.nats, 1),
        f"{row.ratio:.2f}",
        f"{row.near:.0%}",
        _share(row.balanced),
        _share(row.fitting),
        _share(row.parses),
        "-" if row.passed is None else _percent(row.passed),
        f"{row.seconds:.2f}",
        f"{row.nfe:.1f}",
        f"{row.length_calls:.0f}" if row.length_calls else "-",
    ]


def _share(statistic: Statistic | None) -> str:
    return "-" if statistic is None else f"{statistic.value:.0%}"


def _percent(statistic: Statistic) -> str:
    error = "" if statistic.error is None else f" ± {100 * statistic.error:.1f}"
    return f"{100 * statistic.value:.1f}{error}%"


def _statistic(statistic: Statistic | None, digits: int) -> str:
    if statistic is None:
        return "-"
    error = "" if statistic.error is None else f" ± {statistic.error:.{digits}f}"
    return f"{statistic.value:.{digits}f}{error}"


def card(evaluation: InfillEvaluation) -> list[tuple[str, str]]:
    """How the figures were obtained: (what, how), in one line each."""
    checkpoint, request = evaluation.checkpoint, evaluation.request
    kinds = Counter(source.kind for source in evaluation.sources)
    documents = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    of_documents = [("documents", f"{counted(len(evaluation.sources), 'document')}: {documents}")] * bool(kinds)
    of_tasks = [("tasks", f"{counted(len(tasks.tasks), 'task')}: {tasks.source}") for tasks in evaluation.task_sets]
    if too_long := evaluation.too_long:
        of_tasks.append(("left out", f"{counted(too_long, 'task')}, whose answers take more than half a canvas"))
    lines = [
        ("complete", "yes" if evaluation.complete else "NO: stopped early, the figures are of what was done by then"),
        ("model", f"{checkpoint.name}, {checkpoint.parameterization}, sha256 {checkpoint.hash}"),
        ("precision", f"network {checkpoint.precision} on {checkpoint.device}; draws in float64"),
        ("sampling", _sampling(evaluation)),
        *of_documents,
        *of_tasks,
        ("gaps", f"cut out by seed {request.seed}; gap k of a kind is filled by seed {request.seed} + k"),
        ("spans", f"words: {request.words[0]} to {request.words[1]} in a line; block: {LINES[0]} to {LINES[1]} lines"),
        ("length", _lengths(evaluation)),
        ("exact", "the same text, blanks at the ends aside"),
        ("token F1", "of words and signs, whatever their order"),
        ("edit similarity", "1 less the Levenshtein distance over the longer text's characters"),
        ("length ratio", "tokens written over tokens cut out, geometric mean; within 1.5: share within that factor"),
        ("balanced", "as many quotes and brackets are left open, and closed, as by what stood there"),
        ("fits", "no blank, double word, letter case or indentation that does not fit the text beside it"),
        ("faults", _faults(evaluation)),
        ("seconds, NFE", "of filling; comparing lengths takes calls of its own, and is part of the seconds"),
        ("±", "one standard error over gaps"),
    ]
    if request.nats:
        calls = f"{REPLICATES} x {DRAWS} network calls each"
        lines.insert(-1, ("nats", f"bound on -log p of what stands in the gap, given the rest; {calls}"))
    if request.execute:
        lines.insert(-1, ("pass@1", _tests(evaluation)))
    if kinds["python"] or evaluation.task_sets:
        lines.insert(-1, ("parses", "share of the Python documents that parse, of those that did before"))
    return [(what, printable(how)) for what, how in lines]


def _lengths(evaluation: InfillEvaluation) -> str:
    compared = "1 to 32, by the likelihood of the text beside"
    padded = evaluation.checkpoint.config.pad_id is not None
    named = {
        "true": "as many tokens as were cut out",
        "auto": f"1 to {SLOTS[-1]}, the median of what the network says with PAD" if padded else compared,
        "auto-neighbours": compared,
        "exhaustive": "the one of 1 to 32 with the best bound of the whole text",
    }
    asked = [length for length in evaluation.request.lengths if isinstance(length, str)]
    return "; ".join(f"{length}: {named[length]}" for length in asked) or "fixed"


def _faults(evaluation: InfillEvaluation) -> str:
    """How many fillings do not fit, of all, by what does not."""
    total = sum(len(gap.fillings) for gap in evaluation.gaps)
    found = ", ".join(f"{kind} {count}" for kind, count in sorted(evaluation.faults.items())) or "none"
    return f"{found}; of {counted(total, 'filling')}"


def _tests(evaluation: InfillEvaluation) -> str:
    """How the tests of tasks were run, and whether what stood there passes them."""
    outcomes = Counter(gap.outcome for gap in evaluation.gaps if gap.outcome is not None)
    network = "without a network" if is_offline() else "without a network in Python alone"
    truths = f"of {counted(outcomes.total(), 'true text')} {outcomes['passed']} pass"
    return f"share whose test passes within {SECONDS} s, a process each, {network}; {truths}"


def _sampling(evaluation: InfillEvaluation) -> str:
    """The options of sampling that are not as by default."""
    ignored = ("seed", "num_samples", "row", "batch_size")
    given = asdict(evaluation.request.sampling)
    changed = {
        entry.label: given[name]
        for name, entry in TABLE.items()
        if name not in ignored and given[name] != entry.default
    }
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "as by default"


def as_record(evaluation: InfillEvaluation) -> dict[str, object]:
    """The record for JSON: settings, card, rows, and every gap with its fillings."""
    checkpoint, request = evaluation.checkpoint, evaluation.request
    return {
        "model": {"name": checkpoint.name, "sha256": checkpoint.hash, "precision": checkpoint.precision},
        "complete": evaluation.complete,
        "settings": {
            **asdict(request.sampling),
            "seed": request.seed,
            "num_samples": request.num,
            "spans": list(request.spans),
            "lengths": list(request.lengths),
            "words": list(request.words),
            "until_error": request.until_error,
            "execute": request.execute,
        },
        "documents": len(evaluation.sources),
        "tasks": len(evaluation.tasks),
        "card": dict(card(evaluation)),
        "rows": [asdict(row) for row in evaluation.rows()],
        "gaps": [_gap_record(gap) for gap in evaluation.gaps],
    }


def _gap_record(gap: FilledGap) -> dict[str, object]:
    cut = gap.cut
    return {
        "document": cut.source,
        "text_kind": cut.text_kind,
        "span_kind": cut.span_kind,
        "start": cut.at,
        "end": cut.at + len(cut.truth),
        "truth": cut.truth,
        "tokens": gap.tokens,
        "nats": gap.nats,
        "outcome": gap.outcome,
        "fillings": [asdict(filling) for filling in gap.fillings],
    }
