"""How the authors of a checkpoint draw from it: `generation_config.json` beside config.json, the hub's convention."""

from collections.abc import Mapping
from types import MappingProxyType

from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.hub_ids import cached_repository

OURS = ("order", "sampler", "steps", "block", "eos_confidence", "remask", "correct", "revise")
"""Keys that no autoregressive checkpoint has."""
SHARED = ("temperature", "top_p")
"""Keys that adapted checkpoints inherit from an autoregressive file: they count beside ours, or with `do_sample`."""
INFILL = "infill"
"""The key of an object of such keys, ours: those of the gaps of a document, which precede the others there."""

_LLADA = MappingProxyType({"temperature": 0, "order": "confidence", "steps": 128, "block": 32})
_DREAM = MappingProxyType({"temperature": 0.2, "top_p": 0.95, "order": "entropy", "steps": 512})
_BD3LM = MappingProxyType({"top_p": 0.9, "sampler": "first-hitting"})

AUTHORS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        # ML-GSAI/LLaDA, generate.py and chat.py.
        "GSAI-ML/LLaDA-8B-Instruct": _LLADA,
        # DreamLM/Dream, eval/eval_dream_gen.sh (HumanEval) and demo_completion.py.
        "Dream-org/Dream-v0-Base-7B": _DREAM,
        "Dream-org/Dream-v0-Instruct-7B": _DREAM,
        # ZHZisZZ/dllm, examples/a2d/mdlm/sample.py and examples/a2d/bd3lm/sample.py.
        "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1": _LLADA,
        # The latter's blocks of 32 are those of its training.
        "dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1": {"temperature": 0, "order": "confidence", "steps": 128},
        # pengzhangzhi/Open-dLLM, README.md; entropy is its default. Its sample.py has an order, P2, that is not ours.
        "fredzzp/open-dcoder-0.5B": {"temperature": 0.7, "order": "entropy", "steps": 200},
        # kuleshov-group/bd3lms, README.md; first-hitting is its default.
        "kuleshov-group/bd3lm-owt-block_size4": _BD3LM,
        "kuleshov-group/bd3lm-owt-block_size8": _BD3LM,
        "kuleshov-group/bd3lm-owt-block_size16": _BD3LM,
    }
)
"""What the examples of public repositories run with, as far as our options can express it."""


def authors_settings(checkpoint: Checkpoint, *, filling: bool = False) -> dict[str, object]:
    """Sampling options by name, as the checkpoint's file has them, else as our table has; values are not checked.

    `filling`: for the gaps of a document, whose own (`INFILL`) come first, whatever their names; None there unsets one.
    The table precedes a file without keys of ours, which may be that of the autoregressive network it was adapted from.
    Raises `NotLoadableError` for a generation_config.json that is no JSON.
    """
    table = Facts(checkpoint.folder).generation
    ours = {name: table[name] for name in OURS if table.get(name) is not None}
    shared = {name: table[name] for name in SHARED if table.get(name) is not None}
    examples = AUTHORS.get(cached_repository(checkpoint.folder) or "")
    settings = shared | ours if ours else dict(examples or (shared if table.get("do_sample") else {}))
    of_gaps = table.get(INFILL) if filling else None
    if of_gaps is None:
        return settings
    if not isinstance(of_gaps, Mapping):
        # No setting has this name: it is left out, and named.
        return {INFILL: of_gaps, **settings}
    return {name: value for name, value in {**of_gaps, **settings, **of_gaps}.items() if value is not None}


def inherited_settings(checkpoint: Checkpoint) -> dict[str, object]:
    """The generation_config.json of a checkpoint that is trained from this one; empty if that has no settings.

    Raises as `authors_settings`.
    """
    settings, of_gaps = authors_settings(checkpoint), Facts(checkpoint.folder).generation.get(INFILL)
    if of_gaps is not None:
        settings[INFILL] = of_gaps
    return {"do_sample": True, **settings} if settings else {}
