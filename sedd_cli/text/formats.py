"""Formats of files: where a gap may not write a line end, or the sign between two fields."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sedd_cli.text.gaps import Gap, Length

LINE_FORMATS = "csv ipynb json jsonl ndjson po pot properties psv srt strings tab tsv vtt"
"""Suffixes of files in which a line end is part of the format, so that one within a line would break it."""
CODE_FORMATS = (
    "bash bat c cc cfg conf cpp cs env fish go h hpp ini java jl js jsx kt lua mk php pl ps1 py r rb rs scala sh sql "
    "swift tex toml ts tsx vim yaml yml zsh"
)
"""Suffixes of files in which one within a line may break it, but the place of a line may take several."""
DELIMITERS = {"csv": ",;", "psv": "|", "tab": "\t", "tsv": "\t"}
"""The sign between the fields of a line, by suffix: of several, the most frequent one in the first line."""
PROSE_FORMATS = ("tex",)
"""Code whose lines are paragraphs."""
_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022>|]|\d{1,9}[.)]|#{1,6})[ \t]")
"""How a line begins that a line end would break: an item of a list, a quotation, a row of a table or a heading."""
_CUE = re.compile(r"\d+|.*-->.*|WEBVTT.*")
"""A line of subtitles that is no text."""
_LINE_END = re.compile(r"[\r\n]")


def is_code(path: Path | None) -> bool:
    """Whether the lines of a file are of code, to be read as they stand."""
    return _suffix(path) in CODE_FORMATS.split() and _suffix(path) not in PROSE_FORMATS


def keep_lines(gaps: Iterable[Gap], document: str, path: Path | None) -> list[Gap]:
    """Limit gaps within a line, or a field of it, to what the format of a document's file lets stand there.

    See `LINE_FORMATS`, `CODE_FORMATS`, `DELIMITERS`. In other texts items of lists, quotations, rows of tables and
    headings stay on their lines.
    """
    suffix = _suffix(path)
    fields = _structure(document, suffix).removeprefix("\r\n")

    def limited(gap: Gap) -> Gap:
        if _LINE_END.search(document, gap.start, gap.end):
            return gap
        start = 1 + max(document.rfind(end, 0, gap.start) for end in "\r\n")
        line_end = _LINE_END.search(document, gap.end)
        before = document[start : gap.start].strip()
        after = document[gap.end : line_end.start() if line_end else len(document)].strip()
        # Before all of a line, behind it, and in its place there is room for others.
        within = (before and after) if gap.start == gap.end else (before or after)
        code = suffix in CODE_FORMATS.split() and within
        if not (code or suffix in LINE_FORMATS.split() or _ITEM.match(document, start)):
            return gap
        within_field = not set(fields) & set(document[gap.start : gap.end])
        return replace(gap, one_line=True, without=gap.without + fields * within_field)

    return [limited(gap) for gap in gaps]


def split_gaps(gaps: Iterable[Gap], document: str, path: Path | None) -> list[Gap]:
    """Split gaps where lines or fields end that the format of a document's file is made of: what ends them stays.

    So do the numbers and times of subtitles where there is text besides. The parts share the tokens.
    """
    suffix = _suffix(path)
    if suffix not in LINE_FORMATS.split():
        return list(gaps)
    part = re.compile(rf"[^{re.escape(_structure(document, suffix))}]+")
    parts = [(gap, [match.span() for match in part.finditer(document, gap.start, gap.end)]) for gap in gaps]
    return [piece for gap, spans in parts for piece in _pieces(gap, document, spans, suffix)]


def _pieces(gap: Gap, document: str, spans: Sequence[tuple[int, int]], suffix: str) -> list[Gap]:
    """The spans that hold text, without the blanks around it, as gaps; the gap itself if it is one span, or none."""
    if spans == [(gap.start, gap.end)]:
        return [gap]
    words = [match.span() for span in spans if (match := re.compile(r"\S(?:.*\S)?").search(document, *span))]
    if suffix in ("srt", "vtt"):
        words = [span for span in words if not _CUE.fullmatch(document, *span)] or words
    size = sum(end - start for start, end in words)
    return [Gap(a, b, _share(gap.tokens, (b - a) / size), one_line=True) for a, b in words] or [gap]


def _share(tokens: Length, share: float) -> Length:
    if isinstance(tokens, tuple):
        low, high = (max(1, round(number * share)) for number in tokens)
        return low, high
    return max(1, round(tokens * share)) if isinstance(tokens, int) else tokens


def _suffix(path: Path | None) -> str:
    return "" if path is None else path.suffix.lower().removeprefix(".")


def _structure(document: str, suffix: str) -> str:
    """The signs that a format of lines is made of: line ends, and where it has fields their delimiter and quotes."""
    if suffix not in DELIMITERS:
        return "\r\n"
    header = document.partition("\n")[0]
    return "\r\n" + max(DELIMITERS[suffix], key=header.count) + '"'
