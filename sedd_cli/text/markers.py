"""Markers in a text, such as `[[12]]`, that name gaps."""

import re

from sedd_cli.errors import UsageError
from sedd_cli.text.gap_style import GapStyle
from sedd_cli.text.gaps import MARKED_LENGTH, Gap, Length, length_range, line_and_column, parse_length
from sedd_cli.text.letter_case import NEAR


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
    gaps = []
    for match in re.finditer(f"{opening}{MARKED_LENGTH}{closing}", document, re.ASCII):
        length = parse_length(match[1]) if match[1] != "..." else tokens
        if length is None or length == "auto":
            before, after = (
                document[max(0, match.start() - NEAR) : match.start()],
                document[match.end() : match.end() + NEAR],
            )
            style = GapStyle(before + after, len(before), len(before))
            length = length_range("auto", 0, style.is_within_sentence)
        low, high = length if isinstance(length, tuple) else (length, length)
        if isinstance(low, int) and isinstance(high, int) and not 1 <= low <= high:
            line, column = line_and_column(document, match.start())
            raise UsageError(
                f"the marker {match[0]} at {line}:{column} asks for an impossible number of tokens",
                "If it is not a marker, name the gaps with --mask, or choose other brackets with --marker.",
            )
        gaps.append(Gap(*match.span(), length))
    return gaps


def _style(document: str, start: int, end: int) -> GapStyle:
    """What is asked of a text in the place of a marker, whatever its brackets."""
    before, after = document[max(0, start - NEAR) : start], document[end : end + NEAR]
    return GapStyle(before + after, len(before), len(before))
