"""Search of a vocabulary by what its tokens spell."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from heapq import nsmallest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # A screen that is to be there at once imports no tokenizers.
    from sedd_cli.text.tokenizer import Tokenizer


@lru_cache(maxsize=1)
def vocabulary_of(tokenizer: "Tokenizer | None", size: int) -> "Vocabulary":
    """The vocabulary of a tokenizer; made once, while no other tokenizer is asked for."""
    return Vocabulary(tokenizer, size)


class Vocabulary:
    """The texts of a tokenizer's tokens; without one, their ids. Special tokens and parts of characters have no text.

    Making one decodes every token; a search looks at all of them, in some 10 ms for 150,000.
    """

    def __init__(self, tokenizer: "Tokenizer | None", size: int) -> None:
        """`size`: the number of tokens where there is no tokenizer."""
        if tokenizer is None:
            texts = [str(i) for i in range(size)]
        else:
            texts = [tokenizer.bytes_of(i).decode(errors="ignore") for i in range(tokenizer.size)]
            for i in tokenizer.broken_tokens:
                texts[i] = ""
        self._texts = [text.casefold() for text in texts]
        self._without_blank = [text[1:] if text[:1] == " " and len(text) > 1 else text for text in self._texts]

    def find(self, query: str, law: Sequence[float], limit: int, excluded: Collection[int] = frozenset()) -> list[int]:
        """The tokens that spell a text, then those that begin with it, then those that contain it; likeliest first.

        `law`: the probability of each token; tokens beyond it are not found. Case is ignored, and so is the blank
        before a word unless the query begins with one. An empty query finds all tokens.
        """
        wanted = query.casefold()
        texts = self._texts if wanted[:1] == " " else self._without_blank
        found = [
            i
            for i, text in enumerate(texts[: len(law)])
            if text and wanted in text and (not excluded or i not in excluded)
        ]
        if not wanted:
            return nsmallest(limit, found, key=lambda i: -law[i])

        def rank(i: int) -> tuple[int, float]:
            text = texts[i]
            return (0 if text == wanted else 1 if text.startswith(wanted) else 2), -law[i]

        return nsmallest(limit, found, key=rank)
