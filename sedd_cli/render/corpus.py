"""What was read of a corpus and what was not, as lines for the terminal."""

from collections.abc import Iterable, Iterator

from sedd_cli.text.corpus_files import EXPECTED, Skipped
from sedd_cli.training.preparation import CorpusPart, CorpusReport

NAMES = 3
"""So many skipped files are named for each reason."""


def corpus_table(report: CorpusReport) -> str:
    """A row for files that are read alike, and one for all if there are several."""
    parts = list(report.parts)
    if len(parts) > 1:
        columns = ((part.files, part.documents, part.tokens) for part in report.parts)
        parts.append(CorpusPart("in all", *map(sum, zip(*columns, strict=True))))
    rows = [(report.name, "files", "documents", "tokens")]
    rows += [(part.label, f"{part.files:,}", f"{part.documents:,}", f"{part.tokens:,}") for part in parts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([name.ljust(widths[0]), *(n.rjust(width) for n, width in zip(numbers, widths[1:], strict=True))])
        for name, *numbers in rows
    )


def skipped_lines(skipped: Iterable[Skipped]) -> Iterator[tuple[str, bool]]:
    """Yield a line for each reason, with a hint if there is one, and whether nobody expects it."""
    by_reason: dict[str, list[Skipped]] = {}
    for item in skipped:
        by_reason.setdefault(item.reason, []).append(item)
    for reason, items in by_reason.items():
        names = ", ".join(item.name for item in items[:NAMES])
        more = f" and {len(items) - NAMES:,} more" if len(items) > NAMES else ""
        hint = f"\n{items[0].hint}" if items[0].hint else ""
        yield f"not read ({reason}): {names}{more}{hint}", reason not in EXPECTED
