"""Markers in a text, such as `[[12]]`, that name gaps."""

import re
from dataclasses import replace

from sedd_cli.errors import UsageError
from sedd_cli.text.gap_style import GapStyle
from sedd_cli.text.gaps import MARKED_LENGTH, Gap, Length, length_range, line_and_column, parse_length


def marker_gaps(document: str, brackets: tuple[str, str] = ("[[", "]]"), tokens: Length = None) -> list[Gap]:
    """A gap for each marker: `[[12]]`, `[[5-20]]`, or `[[...]]` for `tokens`.

    If `tokens` is None or "auto", `[[...]]` means what "auto" does where nothing stood. Anything else between such
    brackets is text. Raises `UsageError` for a marker that is not closed on its line or has an impossible number, and
    for empty brackets.
    """
    if not all(brackets):
        raise UsageError("a marker's brackets cannot be empty", "Write --marker '<<' '>>'.")
    opening, closing = map(re.escape, brackets)
    unclosed = re.search(rf"{opening}{MARKED_LENGTH}\s*?$", document, re.MULTILINE | re.ASCII)
    if unclosed:
        line, column = line_and_column(document, unclosed.start())
        raise UsageError(f"the marker at {line}:{column} is never closed", f"Write {brackets[0]}12{brackets[1]}.")
    found = [*re.finditer(f"{opening}{MARKED_LENGTH}{closing}", document, re.ASCII)]
    gaps = [Gap(*match.span(), None if match[1] == "..." else parse_length(match[1]), marker=True) for match in found]
    for i, gap in enumerate(gaps):
        length = tokens if gap.tokens is None else gap.tokens
        if length is None or length == "auto":
            length = length_range("auto", 0, GapStyle.of_gap(document, gaps, i).is_within_sentence)
        gaps[i] = replace(gap, tokens=length)
        low, high = length if isinstance(length, tuple) else (length, length)
        if not 1 <= low <= high:
            line, column = line_and_column(document, gap.start)
            marker = document[gap.start : gap.end]
            raise UsageError(
                f"the marker {marker} at {line}:{column} asks for an impossible number of tokens",
                "If it is not a marker, name the gaps with --mask, or choose other brackets with --marker.",
            )
    return gaps
