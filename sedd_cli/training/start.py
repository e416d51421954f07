"""Starting from a checkpoint that exists: what that decides of a recipe, and the weights.

Architecture, process, schedule and tokenizer are the checkpoint's. What is learnt, how long, and on which canvases is
the recipe's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sedd_cli.errors import UsageError
from sedd_cli.models.checkpoint import build_network, read_weights
from sedd_cli.models.config import Config
from sedd_cli.models.folder import read_config
from sedd_cli.models.gpt2 import GPT2_TOKENS
from sedd_cli.models.names import TOKENIZER, find_checkpoint, hub_name
from sedd_cli.models.network import ScoreNetwork

OBJECTIVES = {"RADD": "simple", "SEDD": "dwdse", "D3PM": "d3pm-hybrid", "autoregressive": "autoregressive"}
"""What goes on with a checkpoint of each form where no recipe says it."""

FREE_OF_A_NETWORK = {"name", "length", "dropout", "use_checkpoint"}


def complete(table: dict[str, Any], source: str) -> None:
    """Add to a recipe's table all that its `start` decides. Raises `UsageError` where the table says otherwise,
    `NotLoadableError` if there is no such checkpoint."""
    folder = find_checkpoint(table["start"])
    config = read_config(folder)
    faults = list(_merge(table, {**_sections(config), "tokenizer": _tokenizer(table["start"], folder, config)}))
    if faults:
        raise UsageError(
            f"{source}: {', '.join(faults)} must be as in {table['start']}, from which the run is to start",
            "Leave them out: they come with it.",
        )


def _tokenizer(start: str, folder: Path, config: Config) -> str:
    """A recipe's name for the tokenizer that loading the checkpoint gives."""
    own = any((folder / name).is_file() for name in TOKENIZER)
    return start if own or config.tokens != GPT2_TOKENS else "gpt2"


def _sections(config: Config) -> dict[str, Any]:
    model, noise = config.model, config.noise
    sections: dict[str, Any] = {
        "model": {
            "form": "sedd" if model.time_conditioned else "radd",
            "process": config.graph.type,
            "hidden_size": model.hidden_size,
            "n_blocks": model.n_blocks,
            "n_heads": model.n_heads,
            "cond_dim": model.cond_dim,
            "scale_by_sigma": model.scale_by_sigma,
        },
        "noise": {"type": noise.type, "sigma_min": noise.sigma_min, "sigma_max": noise.sigma_max},
    }
    if config.d3pm is not None:
        sections["d3pm"] = {"steps": config.d3pm.steps, "mixture": config.d3pm.mixture}
    return sections


def _merge(table: dict[str, Any], decided: dict[str, Any]) -> Iterator[str]:
    """Put what is decided into a table; the keys that say something else."""
    for key, value in decided.items():
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in _merge(table.setdefault(key, {}), value))
        elif table.setdefault(key, value) != value:
            yield key


def start_from(name: str, network: ScoreNetwork, config: Config) -> dict[str, object]:
    """Give `network`, made by `config`, the weights of a checkpoint; returns where they came from, for the provenance.

    Raises `UsageError` if they would mean something else there, and what `load_checkpoint` does.
    """
    folder = find_checkpoint(name)
    theirs = read_config(folder)
    if _meaning(theirs) != _meaning(config):
        differing = ", ".join(key for key in _meaning(config) if _meaning(config)[key] != _meaning(theirs)[key])
        raise UsageError(
            f"this recipe cannot go on from {name}, which is of form {theirs.form}: they differ in {differing}",
            f"The objective {OBJECTIVES[theirs.form]} fits it.",
        )
    made = build_network(theirs, read_weights(folder), None, folder)
    network.transformer.load_state_dict(made.transformer.state_dict())
    return {"checkpoint": hub_name(folder) or theirs.model.name or folder.name, **theirs.provenance}


def _meaning(config: Config) -> dict[str, object]:
    """All that decides what the weights compute."""
    whole = config.model_dump(include={"tokens", "graph", "noise", "d3pm", "model"})
    known = {name: whole["model"][name] for name in type(config.model).model_fields if name not in FREE_OF_A_NETWORK}
    if not config.model.time_conditioned:
        known = {key: value for key, value in known.items() if key not in ("cond_dim", "scale_by_sigma")}
    noise = {name: whole["noise"][name] for name in type(config.noise).model_fields}
    return {"tokens": config.tokens, "graph": config.graph.type, "noise": noise, "d3pm": whole["d3pm"], "model": known}
