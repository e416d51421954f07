"""Line ends: a network reads and writes LF, a document keeps its own."""

import re
from bisect import bisect_left
from collections.abc import Callable

CRLF = "\r\n"


def newline_of(document: str) -> str:
    """The line end that a document is written with: CRLF if it holds more of them than of bare LF, else LF."""
    count = document.count(CRLF)
    return CRLF if count > document.count("\n") - count else "\n"


def with_newlines(text: str, newline: str) -> str:
    """A text with its line ends written as `newline`, LF or CRLF; for LF it stays as it is."""
    return text.replace(CRLF, "\n").replace("\n", CRLF) if newline == CRLF else text


def read_as_lf(document: str) -> tuple[str, Callable[[int], int]]:
    """The document with each CRLF as LF, and the function from offsets in it to offsets in the document."""
    if CRLF not in document:
        return document, lambda offset: offset
    # Each CRLF before it has shifted a line end by one.
    ends = [match.start() - n for n, match in enumerate(re.finditer(CRLF, document))]
    return document.replace(CRLF, "\n"), lambda offset: offset + bisect_left(ends, offset)
