"""What proofreading found: a list for people, and lines that editors read."""

from collections.abc import Sequence

from sedd_cli.evaluation.proofreading import Finding
from sedd_cli.text.gaps import line_and_column

Part = tuple[str, str]
"""Text and its style."""
CONTEXT = 24
"""Characters shown on either side of a word."""
WRONG, RIGHT = "bold red", "bold green"


def percent(probability: float) -> str:
    """A probability for people: never 0% and never 100%."""
    if probability < 0.0001:
        return "under 0.01%"
    if probability > 0.999:
        return "over 99.9%"
    return f"{probability:.{0 if 0.1 <= probability < 0.99 else 1 if probability >= 0.01 else 2}%}"


def listed(text: str, findings: Sequence[Finding]) -> list[Part]:
    """Two lines for each finding: its place and the word among those beside it; the suggestion, both probabilities."""
    places = [":".join(map(str, line_and_column(text, finding.start))) for finding in findings]
    width = max(map(len, places), default=0)
    parts: list[Part] = []
    for place, finding in zip(places, findings, strict=True):
        before, behind = _beside(text, finding)
        parts += [(f"{place:>{width}}  ", "dim"), (before, ""), (finding.word, WRONG), (behind, "")]
        parts += [(f"\n{'':{width}}  {percent(finding.probability)}; ", "dim")]
        if finding.suggestion_probability is None:
            parts += [("leave it out", RIGHT), (": it repeats the word before it\n", "dim")]
        else:
            parts += [(finding.suggestion, RIGHT), (f" {percent(finding.suggestion_probability)}\n", "dim")]
    return parts


def editor_lines(text: str, findings: Sequence[Finding], name: str) -> str:
    """`file:line:column: message`, both counted from 1, the column in UTF-8 bytes as Vim and ripgrep do."""
    lines = []
    for finding in findings:
        line, column = line_and_column(text, finding.start)
        column = len(text[finding.start - column + 1 : finding.start].encode()) + 1
        lines.append(f"{name}:{line}:{column}: {message(finding)}\n")
    return "".join(lines)


def message(finding: Finding) -> str:
    """A finding as a sentence."""
    found = f'"{finding.word}" is {percent(finding.probability)} likely'
    if finding.suggestion_probability is None:
        return f"{found}, and repeats the word before it"
    return f'{found}, "{finding.suggestion}" {percent(finding.suggestion_probability)}'


def _beside(text: str, finding: Finding) -> Part:
    """What stands before and behind a word on its line, in whole words where it is cut."""
    begin = text.rfind("\n", 0, finding.start) + 1
    stop = text.find("\n", finding.end)
    before, behind = text[begin : finding.start], text[finding.end : len(text) if stop < 0 else stop].rstrip("\r")
    if len(before) > CONTEXT:
        before = f"\u2026{before[-CONTEXT:].partition(' ')[2]}"
    if len(behind) > CONTEXT:
        behind = f"{behind[:CONTEXT].rpartition(' ')[0]}\u2026"
    return before, behind
