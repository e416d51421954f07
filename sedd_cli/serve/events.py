"""What the engine's thread posts of a request. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Logprob(NamedTuple):
    """A token of a text: its characters, its bytes, the logarithm of its probability, and the likeliest instead."""

    text: str
    data: bytes
    logprob: float
    top: list[tuple[bytes, float]]


@dataclass(frozen=True)
class Begun:
    """The request can be carried out: so many texts will follow."""

    texts: int


@dataclass(frozen=True)
class Delta:
    """Characters of a text, whose number is `index`, before which all stands."""

    index: int
    text: str


@dataclass(frozen=True)
class Revealed:
    """A canvas after `step` of `steps` and `nfe` network calls: strings, and numbers of tokens still masked."""

    index: int
    step: int
    steps: int
    nfe: int
    canvas: Sequence[str | int]


@dataclass(frozen=True)
class GapsRevealed:
    """The gaps of a window of a document after a step: of each, strings and numbers of tokens still masked."""

    index: int
    window: int
    step: int
    nfe: int
    gaps: Sequence[Sequence[str | int]]


@dataclass(frozen=True)
class Written:
    """A text at its end."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: list[Logprob] | None = None


@dataclass(frozen=True)
class Done:
    """The last event of a request that was carried out. `taken`: options that are the checkpoint's own settings."""

    prompt_tokens: int
    completion_tokens: int
    seed: int
    nfe: int
    taken: Mapping[str, object]
    record: Mapping[str, Any] = field(default_factory=dict)
    """Of documents: what was filled."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Of documents: before the first network call, and from there to the last."""
