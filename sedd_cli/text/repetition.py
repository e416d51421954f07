"""Text that says the same words twice in a row."""

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*")
MOST = 20
"""The most words that are looked for."""


def repeats_itself(text: str) -> bool:
    """Whether two words or more stand there twice, one right after the other, whatever is between them and their case.

    >>> repeats_itself("They had lots of fun. They had lots of fun!"), repeats_itself("a very, very big dog")
    (True, False)
    """
    words = [word.casefold() for word in _WORD.findall(text)]
    return any(
        words[i : i + n] == words[i + n : i + 2 * n]
        for n in range(2, min(MOST, len(words) // 2) + 1)
        for i in range(len(words) - 2 * n + 1)
    )
