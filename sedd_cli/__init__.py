"""Score-entropy discrete diffusion on text: load a checkpoint, generate, watch it denoise.

All public names are importable from here and loaded on first use, so importing the package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sedd_cli.errors import NotLoadableError, SeddError, UsageError
    from sedd_cli.evaluation.proofreading import Finding, proof
    from sedd_cli.evaluation.score import Score, score
    from sedd_cli.generation.engine import Run, Sample, Step, generate, stream
    from sedd_cli.generation.filling import Filling
    from sedd_cli.generation.infill import infill
    from sedd_cli.generation.request import Request
    from sedd_cli.models.checkpoint import Checkpoint, load_checkpoint
    from sedd_cli.text.gaps import Gap

__version__ = "0.2.0"

_MODULES = {
    "Checkpoint": "models.checkpoint",
    "Filling": "generation.filling",
    "Finding": "evaluation.proofreading",
    "Gap": "text.gaps",
    "NotLoadableError": "errors",
    "Request": "generation.request",
    "Run": "generation.engine",
    "Sample": "generation.engine",
    "Score": "evaluation.score",
    "SeddError": "errors",
    "Step": "generation.engine",
    "UsageError": "errors",
    "generate": "generation.engine",
    "infill": "generation.infill",
    "load_checkpoint": "models.checkpoint",
    "proof": "evaluation.proofreading",
    "score": "evaluation.score",
    "stream": "generation.engine",
}

__all__ = [
    "Checkpoint",
    "Filling",
    "Finding",
    "Gap",
    "NotLoadableError",
    "Request",
    "Run",
    "Sample",
    "Score",
    "SeddError",
    "Step",
    "UsageError",
    "generate",
    "infill",
    "load_checkpoint",
    "proof",
    "score",
    "stream",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
