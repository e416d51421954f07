"""Text that says the same words twice in a row."""

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*")
MOST = 20
"""The most words that are looked for."""


def repeats_itself(text: str) -> bool:
    """Whether two words or more stand there twice, one right after the other, whatever is between them and their case.

    One word over and over is no such repetition, nor are numbers and single letters alone.

    >>> repeats_itself("They had fun. They had fun!"), repeats_itself("a very, very, very, very big dog")
    (True, False)
    """
    words = [word.casefold() for word in _WORD.findall(text)]
    return any(
        words[i : i + n] == words[i + n : i + 2 * n] and _is_phrase(words[i : i + n])
        for n in range(2, min(MOST, len(words) // 2) + 1)
        for i in range(len(words) - 2 * n + 1)
    )


def _is_phrase(words: list[str]) -> bool:
    return len(set(words)) > 1 and any(len(word) > 1 and word[0].isalpha() for word in words)
