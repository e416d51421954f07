"""How near a filling is to what stood in its place. Pure functions."""

import ast
import re
import warnings
from collections import Counter

_PIECES = re.compile(r"\w+|[^\w\s]")
_PYTHON_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)


def is_exact(written: str, truth: str) -> bool:
    """Whether they are the same text, blanks at the ends aside."""
    return written.strip() == truth.strip()


def token_f1(written: str, truth: str) -> float:
    """The harmonic mean of precision and recall over words and signs, whatever their order (as in SQuAD)."""
    ours, theirs = Counter(_PIECES.findall(written)), Counter(_PIECES.findall(truth))
    common = sum((ours & theirs).values())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * common / (ours.total() + theirs.total())


def edit_similarity(written: str, truth: str) -> float:
    """1 less the Levenshtein distance in characters over the longer text's length; 1 for two empty texts."""
    longest = max(len(written), len(truth))
    return 1 - _distance(written, truth) / longest if longest else 1.0


def parses(source: str) -> bool:
    """Whether a text is Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except _PYTHON_ERRORS:
            return False
    return True


def _distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
            diagonal, row[j] = row[j], cost
    return row[-1]
