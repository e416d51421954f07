"""Names that evaluation's choices go by; importing them costs nothing."""

from typing import Literal

Format = Literal["text", "wikitext", "ptb", "lambada", "lm1b"]
Split = Literal["test", "validation", "train"]
Separator = Literal["end-of-text", "none"]
Remainder = Literal["drop", "keep"]
SpanKind = Literal["word", "words", "half-line", "line", "sentence", "block"]
TextKind = Literal["prose", "markdown", "python", "code"]
TaskKind = Literal["single-line", "multi-line", "random-span", "task"]
