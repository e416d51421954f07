"""How the authors of a checkpoint draw from it: `generation_config.json` beside config.json, the hub's convention."""

from collections.abc import Mapping
from types import MappingProxyType

from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.hub_ids import cached_repository

OURS = ("order", "sampler", "steps", "block", "eos_confidence", "remask", "correct")
"""Keys that no autoregressive checkpoint has."""
SHARED = ("temperature", "top_p")
"""Keys that adapted checkpoints inherit from an autoregressive file: they count with `do_sample`, or beside ours."""

AUTHORS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "GSAI-ML/LLaDA-8B-Instruct": {"temperature": 0, "order": "confidence", "steps": 128, "block": 32},
        "Dream-org/Dream-v0-Base-7B": {"temperature": 0.2, "top_p": 0.95, "order": "entropy", "steps": 512},
        "Dream-org/Dream-v0-Instruct-7B": {"temperature": 0.2, "top_p": 0.95, "order": "entropy", "steps": 512},
    }
)
"""What the examples of public repositories run with, as far as they name it."""


def authors_settings(checkpoint: Checkpoint) -> dict[str, object]:
    """Sampling options by name, as the checkpoint's file has them, else as our table has; values are not checked.

    Raises `NotLoadableError` for a generation_config.json that is no JSON.
    """
    table = Facts(checkpoint.folder).generation
    ours = {name: table[name] for name in OURS if table.get(name) is not None}
    shared = {name: table[name] for name in SHARED if table.get(name) is not None}
    if ours or table.get("do_sample"):
        return shared | ours
    return dict(AUTHORS.get(cached_repository(checkpoint.folder) or "", {}))
