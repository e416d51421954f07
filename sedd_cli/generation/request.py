"""What is asked for: one frozen record that the command, the interface and the library fill in alike."""

from dataclasses import dataclass
from typing import TypedDict

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.names import SamplerName, ScoreUse
from sedd_cli.errors import UsageError, check_integer
from sedd_cli.text.canvas import Canvas


class Options(TypedDict, total=False):
    """Keyword arguments of `generate` and `stream`; see `Request`."""

    length: int | None
    steps: int
    seed: int | None
    num_samples: int
    row: int
    prompt: str | None
    suffix: str | None
    sampler: SamplerName | None
    score: ScoreUse
    temperature: float
    top_k: int | None
    top_p: float | None
    batch_size: int | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """Samples to draw: rows `row ... row + num_samples - 1` of `seed`.

    `length`: the canvas in tokens, prompt and suffix included (None: the checkpoint's). `seed`: None for a fresh
    one. `sampler`: None for tweedie, or of an autoregressive checkpoint left-to-right; `ancestral` takes the steps of
    the checkpoint's own chain, not `steps`. `score`: `normalised` reads the network's score as `p(x_i | unmasked)`,
    `raw` as the original code does. `temperature`, `top_k`, `top_p` change the law of the samples. `batch_size`: rows
    in one network call (None: one on a CPU, 16 elsewhere); it changes no sample on a CPU. Raises `UsageError` for a
    value out of range.
    """

    length: int | None = None
    steps: int = 256
    seed: int | None = None
    num_samples: int = 1
    row: int = 0
    prompt: str | None = None
    suffix: str | None = None
    sampler: SamplerName | None = None
    score: ScoreUse = "normalised"
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("steps", self.steps, 1),
            ("length", self.length, 1),
            ("the number of samples", self.num_samples, 1),
            ("batch size", self.batch_size, 1),
            ("seed", self.seed, 0),
            ("row", self.row, 0),
        ):
            check_integer(name, value, least)
        for name, text in (("prompt", self.prompt), ("suffix", self.suffix)):
            check_text(name, text or "")
        self.logits_processor()

    def logits_processor(self, canvas: Canvas | None = None) -> LogitsProcessor:
        """How draws are bent, and what may not stand on a canvas."""
        limits = (canvas.forbidden, canvas.space_positions, canvas.forbidden_at_space) if canvas else ()
        return LogitsProcessor(self.temperature, self.top_k, self.top_p, *limits)


def check_text(name: str, text: str) -> None:
    """Raises `UsageError` for what is no text, or none that UTF-8 can hold."""
    if not isinstance(text, str):
        raise UsageError(f"the {name} must be a text, not {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {name} is not valid UTF-8 (at character {error.start})", "Give it as UTF-8 text."
        ) from None
