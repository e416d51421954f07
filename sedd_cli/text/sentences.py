"""Whole sentences of a text."""

import re
from itertools import pairwise

_END = re.compile(r"""(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)[.!?…]+["'”’»)\]]*(?=\s|$)|[。！？]+["”’」』）]*""")
SENTENCE_STOPS = ".!?"
_CLOSING = "\"'”’"
LAST = 32
"""Characters of an end that are looked at."""
_SECOND_END = re.compile(r"""(?<![.!?])[.!?]++(?:["”][.!?"”'’]+|['’]+[.!?])["'”’.!?]*\Z""")
STOPS_AND_QUOTES = SENTENCE_STOPS + _CLOSING
"""What a sentence ends with."""
_OPENING = " \t\r\n\"'“‘«「『（([-—*#>"


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The spans of the sentences of a text, without the blanks around them.

    A sentence begins with anything but a lowercase letter, and ends before a blank line at the latest.
    """
    spans = []
    for part in re.finditer(r"(?:.+\n?)+", text):
        bounds = [part.start(), *(match.end() for match in _END.finditer(text, *part.span())), part.end()]
        starts = [bound for bound in bounds[:-1] if _begins(text[bound : part.end()])]
        for start, end in pairwise([*starts, part.end()]):
            sentence = text[start:end]
            spans.append((end - len(sentence.lstrip()), start + len(sentence.rstrip())))
    return spans


def whole_sentences(text: str, limit: int) -> str:
    """The first whole sentences of a text, in at most `limit` characters if more than one; "" if it has none.

    A sentence begins with anything but a lowercase letter: the text need not begin with one.
    """
    bounds = [0, *(match.end() for match in _END.finditer(text))]
    starts = [bound for bound in bounds if _begins(text[bound:])]
    if not starts:
        return ""
    start = starts[0]
    ends = [bound for bound in bounds if bound > start and (bound in starts or not text[bound:].strip())]
    fitting = [end for end in ends if len(text[start:end].strip()) <= limit] or ends[:1]
    return text[start : fitting[-1]].strip() if fitting else ""


def may_end_sentence(text: str) -> bool:
    """Whether a text that `ends_sentence` may end with this one: with a stop, or a quote that stands behind one."""
    return ends_sentence(text) or text in ('"', "”")


def ends_sentence(text: str) -> bool:
    """Whether a text ends with a stop that ends a sentence, one alone, and the quotes that are closed behind it."""
    text = text[-LAST:]
    return text.rstrip(_CLOSING).endswith(tuple(SENTENCE_STOPS)) and second_end(text) is None


def second_end(text: str) -> int | None:
    """Where a sentence ends behind which, at the end of the text, there is but one more stop or quote."""
    match = _SECOND_END.search(text)
    return match and match.start()


def _begins(text: str) -> bool:
    """Whether a sentence begins here."""
    first = text.lstrip(_OPENING)[:1]
    return first.isalnum() and not first.islower()
