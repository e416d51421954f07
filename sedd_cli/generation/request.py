"""Requests: as they are asked, and as they are resolved for a checkpoint."""

from dataclasses import asdict, dataclass, fields
from typing import get_args

from sedd_cli.diffusion.draws import LogitsProcessor
from sedd_cli.diffusion.names import MaskedFirst, SamplerName
from sedd_cli.diffusion.randomness import fresh_seed
from sedd_cli.diffusion.samplers import default_sampler
from sedd_cli.diffusion.schedules import Discrete
from sedd_cli.diffusion.unmasking import Unmasking
from sedd_cli.errors import UsageError
from sedd_cli.generation.options import TABLE, SamplingOptions, check_ranges
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.encodings import check_text
from sedd_cli.text.words import encode_ends

NEW_TOKENS, LENGTH_STEP = 128, 32
"""Tokens to write by default with a checkpoint that has no canvas of its own; what canvases are a multiple of."""
LAW_OPTIONS = tuple(TABLE[field.name] for field in fields(LogitsProcessor) if field.name in TABLE)
"""The options that change a draw: those that `LogitsProcessor` has a field of the same name for."""
ORDER_OPTIONS = tuple(TABLE[field.name] for field in fields(Unmasking))
"""The options that choose which positions are written when."""


@dataclass(frozen=True, kw_only=True)
class Request(SamplingOptions):
    """`SamplingOptions` that are checked. Raises `UsageError` for a value out of range."""

    def __post_init__(self) -> None:
        check_ranges(self)
        for name, text in (("prompt", self.prompt), ("suffix", self.suffix)):
            check_text(name, text or "")
        self.unmasking()
        if self.by not in get_args(MaskedFirst):
            raise UsageError(f"unknown by {self.by!r}", f"Choose one of {', '.join(get_args(MaskedFirst))}.")

    def logits_processor(self, canvas: Canvas | None = None) -> LogitsProcessor:
        """How draws are changed, and which tokens are excluded on a canvas."""
        names = ("forbidden", "space_positions", "forbidden_at_space", "exclusions")
        limits = {name: getattr(canvas, name) for name in names} if canvas else {}
        return LogitsProcessor(**{entry.name: getattr(self, entry.name) for entry in LAW_OPTIONS}, **limits)

    def unmasking(self) -> Unmasking:
        """Which positions are written when. Raises `UsageError` for options that exclude each other."""
        return Unmasking(**{entry.name: getattr(self, entry.name) for entry in ORDER_OPTIONS})


@dataclass(frozen=True, kw_only=True)
class ResolvedRequest:
    """A request with every default filled in for a checkpoint, by `resolve`. `asked` is the request itself."""

    asked: Request
    seed: int
    length: int
    sampler: SamplerName
    steps: int
    batch_size: int

    @property
    def rows(self) -> range:
        """The rows of the seed that are drawn."""
        return range(self.asked.row, self.asked.row + self.asked.num_samples)

    def settings(self) -> dict[str, object]:
        """The options as they are recorded: as asked, but for the sampler and its steps."""
        return {**asdict(self.asked), "sampler": self.sampler, "steps": self.steps}


def resolve(request: Request | ResolvedRequest, checkpoint: Checkpoint) -> ResolvedRequest:
    """Fill in the defaults: a fresh seed, the checkpoint's length, its sampler, and the steps of that sampler.

    Returns a request that is resolved as it is: the windows of a document share one seed.
    """
    if isinstance(request, ResolvedRequest):
        return request
    sampler, steps = request.sampler or default_sampler(checkpoint.process), request.steps
    if sampler == "ancestral" and isinstance(checkpoint.noise, Discrete):
        steps = checkpoint.noise.steps
    return ResolvedRequest(
        asked=request,
        seed=fresh_seed() if request.seed is None else request.seed,
        length=request.length or _default_length(request, checkpoint),
        sampler=sampler,
        steps=steps,
        batch_size=request.batch_size or (1 if checkpoint.device.type == "cpu" else 16),
    )


def _default_length(request: Request, checkpoint: Checkpoint) -> int:
    """The canvas of the checkpoint's training; where it had none, room for `NEW_TOKENS` beside prompt and suffix."""
    tokenizer = checkpoint.tokenizer
    if checkpoint.config.trained_canvas or tokenizer is None:
        return checkpoint.length
    head, tail, _ = encode_ends(tokenizer, request.prompt or "", request.suffix or "")
    return room_for(len(head) + len(tail), checkpoint.length)


def room_for(given: int, longest: int) -> int:
    """The length of a canvas that holds so many tokens and `NEW_TOKENS` new ones, a multiple of `LENGTH_STEP`."""
    return min(longest, -(-(given + NEW_TOKENS) // LENGTH_STEP) * LENGTH_STEP)
