"""What can be written at a position: the likeliest tokens, tokens found by their text, and a word of one's own."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sedd_cli.ranges import counted
from sedd_cli.text.vocabulary import Vocabulary
from sedd_cli.tui.token_text import text_label, token_label

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

LIMIT = 60
"""The most tokens that are offered at once."""


@dataclass(frozen=True)
class Choice:
    """Tokens that can be written. `probability`: of a token of the vocabulary; None for a word of one's own.

    `problem`: why they cannot be written, "" if they can.
    """

    label: str
    tokens: tuple[int, ...]
    probability: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class TokenChoices:
    """The choices at one position of a canvas.

    `law`: the probability of each token by its id; `current`: the token that stands there, None for MASK;
    `begins_word`: whether a word of one's own gets a blank before it; `room`: the number of positions that can be
    written from here on; `excluded(i)`: tokens that cannot be written i positions on.
    """

    tokenizer: "Tokenizer | None"
    vocabulary: Vocabulary
    law: Sequence[float]
    current: int | None
    begins_word: bool
    room: int
    excluded: Callable[[int], Collection[int]]

    def find(self, query: str) -> list[Choice]:
        """The choices for what is typed, best first; the word itself is the second at the latest."""
        ids = self.vocabulary.find(query, self.law, LIMIT, self.excluded(0))
        choices = [Choice(token_label(self.tokenizer, i), (i,), self.law[i]) for i in ids]
        own = self.own_word(query)
        if own is not None and own.tokens not in [choice.tokens for choice in choices]:
            choices.insert(1, own)
        return choices

    def own_word(self, typed: str) -> Choice | None:
        """What is typed as it is, in as many tokens as it needs."""
        if self.tokenizer is None or not typed.strip():
            return None
        typed = typed.rstrip()
        text = f" {typed}" if self.begins_word and not typed[0].isspace() else typed
        tokens = tuple(self.tokenizer.encode(text))
        if len(tokens) > self.room:
            problem = (
                f"needs {counted(len(tokens), 'token')}; {self.room} {'is' if self.room == 1 else 'are'} free here"
            )
        elif any(token in self.excluded(i) for i, token in enumerate(tokens)):
            problem = "cannot be written here"
        else:
            problem = ""
        return Choice(text_label(text), tokens, None, problem)
