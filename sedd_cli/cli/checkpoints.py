"""Load checkpoints for the commands, downloading from the hub where needed, with progress."""

from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.cli.terminal import Terminal
from sedd_cli.generation.options import SamplingOptions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sedd_cli.models.checkpoint import Checkpoint


def load(model: str | None, device: str, dtype: str, terminal: Terminal, *, identified: bool = False) -> "Checkpoint":
    """Load the checkpoint that `-m` names, and print its notes.

    Raises what `load_checkpoint` and `fetch_if_missing` raise.

    `identified`: the result will contain its hash. It is computed now: if the file were replaced meanwhile, as a
    training run does, computing it later would fail and lose the result.
    """
    fetch_if_missing(model, terminal)
    from sedd_cli.models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(model, device, dtype)
    for note in checkpoint.notes:
        terminal.info(note)
    if identified:
        _ = checkpoint.hash
    return checkpoint


def resolve_sampling(
    checkpoint: "Checkpoint",
    sampling: SamplingOptions,
    given: "Collection[str] | None",
    terminal: Terminal,
    *,
    filling: bool = False,
) -> tuple[SamplingOptions, tuple[str, ...]]:
    """Options with the checkpoint's own settings where they are not `given`, and the names of those; they are noted.

    `given` is None where the checkpoint's settings are not wanted. `filling`: for the gaps of a document.
    """
    if given is None:
        return sampling, ()
    from sedd_cli.generation.defaults import with_defaults

    defaulted = with_defaults(checkpoint, sampling, given, filling=filling)
    terminal.info_each(defaulted.notes(checkpoint.name))
    return defaulted.options, defaulted.taken


def fetch_if_missing(model: str | None, terminal: Terminal) -> None:
    """On a terminal, download the checkpoint that `-m` names if it is a hub id and not cached.

    Elsewhere loading raises an error with the command to run. Raises `NotLoadableError` or `SeddError` if the download
    fails.
    """
    from sedd_cli.models.hub_ids import split_hub_id
    from sedd_cli.models.names import local_folder

    parts = None if model is None or local_folder(model) is not None else split_hub_id(model)
    if parts is None or not terminal.interactive:
        return
    from sedd_cli.models.cache import cached_folder

    if cached_folder(*parts) is None:
        terminal.info(f"there is no folder {model!r}, and it is not in the hub's cache: asking the hub")
        fetch_checkpoint(*parts, terminal)


def fetch_checkpoint(repository: str, revision: str | None, terminal: Terminal, *, to_train: bool = False) -> Path:
    """Download a checkpoint from the hub after reporting its size. Returns its folder; if offline, the cached one.

    `to_train`: as for `plan_download`. Raises `NotLoadableError` or `SeddError` if the download fails.
    """
    from rich.filesize import decimal

    from sedd_cli.models.cache import offline_folder

    folder = offline_folder(repository, revision)
    if folder is not None:
        terminal.info(f"HF_HUB_OFFLINE: using {repository} from the cache, commit {folder.name}; not verified")
        return folder
    from sedd_cli.models.hub import fetch, plan_download

    plan = plan_download(repository, revision, to_train=to_train)
    files = [file.name for file in plan.checkpoint.missing]
    if plan.tokenizer is not None:
        files.append("GPT-2's tokenizer.json")
    summary = f"{', '.join(files)} ({decimal(plan.bytes)})" if files else "nothing to download, all files are cached"
    terminal.info(f"{repository}, commit {plan.checkpoint.commit}: {summary}")
    if files:
        terminal.info(f"it takes {decimal(plan.memory)} of memory in float32; --dtype int8 takes less on a CPU")
    with terminal.byte_progress(repository, plan.bytes) as on_bytes:
        return fetch(plan, on_bytes)
