"""What is asked for: one frozen record that the command, the interface and the library fill in alike."""

from dataclasses import dataclass

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.errors import UsageError
from sedd_cli.generation.options import SamplingOptions, check_ranges
from sedd_cli.text.canvas import Canvas


@dataclass(frozen=True, kw_only=True)
class Request(SamplingOptions):
    """`SamplingOptions` that are checked. Raises `UsageError` for a value out of range."""

    def __post_init__(self) -> None:
        check_ranges(self)
        for name, text in (("prompt", self.prompt), ("suffix", self.suffix)):
            check_text(name, text or "")

    def logits_processor(self, canvas: Canvas | None = None) -> LogitsProcessor:
        """How draws are bent, and what may not stand on a canvas."""
        if canvas is None:
            return LogitsProcessor(self.temperature, self.top_k, self.top_p)
        return LogitsProcessor(
            self.temperature,
            self.top_k,
            self.top_p,
            canvas.forbidden,
            canvas.space_positions,
            canvas.forbidden_at_space,
            canvas.line_positions,
            canvas.forbidden_in_line,
        )


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
