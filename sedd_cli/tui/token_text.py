"""Tokens and probabilities as people read them."""

from typing import TYPE_CHECKING

from sedd_cli.render.inert import inert

if TYPE_CHECKING:
    from sedd_cli.text.tokenizer import Tokenizer

BLANK = "·"
"""Stands for a blank, such as the one before a word."""
NOTICEABLE = 0.0005
"""The smallest probability that reads 0.1%."""
_SIGNS = str.maketrans({" ": BLANK, "\n": "↵", "\t": "→"})


def token_label(tokenizer: "Tokenizer | None", token: int) -> str:
    """A token with signs for blanks, newlines and tabs; its id where there is no tokenizer."""
    if tokenizer is None:
        return str(token)
    if token in tokenizer.special_ids:
        name = "end of text" if token == tokenizer.end_of_text_id else inert(tokenizer.id_to_token(token))
        return f"¶ {name}" if token in tokenizer.end_ids else name
    data = tokenizer.bytes_of(token)
    try:
        return text_label(data.decode())
    except UnicodeDecodeError:
        return "bytes " + data.hex(" ")


def text_label(text: str) -> str:
    """A text with signs for blanks, newlines and tabs."""
    return inert(text).translate(_SIGNS)


def percent_to_tenth(probability: float) -> str:
    """A probability in percent, to 0.1%: "99.8%", "100%", "<0.1%"."""
    if 0 < probability < NOTICEABLE:
        return "<0.1%"
    text = f"{100 * probability:.1f}%"
    return {"100.0%": "100%", "0.0%": "0%"}.get(text, text)
