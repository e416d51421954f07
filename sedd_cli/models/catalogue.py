"""The checkpoints to choose from: built in, in folders below one, in the hub's cache, on the hub. Needs no torch."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sedd_cli.errors import NotLoadableError, SeddError
from sedd_cli.models.cache import CachedCheckpoint, cached_checkpoints, cached_folder
from sedd_cli.models.config import Config
from sedd_cli.models.folder import config_file, count_parameters, folder_size, has_weights, read_config
from sedd_cli.models.names import PUBLIC_CHECKPOINTS, built_in_names, find_checkpoint
from sedd_cli.ranges import size_label

Where = Literal["built in", "folder", "downloaded", "in part", "hub"]
"""`in part`: what a download that was interrupted left in the cache."""
DEPTH, MOST = 2, 500
"""Folders below the given one are looked into so deep, and so many of them."""


@dataclass(frozen=True)
class Listed:
    """A checkpoint. `name` loads it; `label` is shorter where it is a path. `folder`: None where nothing is there.

    `parameters`: such as "6.8M", "" where unknown; `about`: what its texts are; `bytes`: on the disk.
    """

    name: str
    label: str
    where: Where
    parameters: str
    about: str
    bytes: int = 0
    folder: Path | None = None

    @property
    def there(self) -> bool:
        """Whether it loads without a download."""
        return self.where not in ("in part", "hub")


def checkpoints(root: Path) -> tuple[list[Listed], SeddError | None]:
    """All that write by diffusion; folders are sought below `root`. And why the hub's cache cannot be read, if so."""
    found = [*_built_in(), *_folders(root)]
    error = None
    try:
        cached = [listed for checkpoint in cached_checkpoints() if (listed := _cached(checkpoint)) is not None]
    except SeddError as unreadable:
        cached, error = [], unreadable
    found += [listed for listed in cached if listed.there]
    names = {listed.name for listed in found}
    # Of a newer revision than the one that is there, what is left of a download is nothing to choose.
    found += {listed.name: listed for listed in cached if listed.name not in names}.values()
    names |= {listed.name for listed in cached}
    found += [
        Listed(name, name, "hub", known.parameters, known.use)
        for name, known in PUBLIC_CHECKPOINTS.items()
        if name not in names
    ]
    return found, error


def _built_in() -> Iterator[Listed]:
    for name in built_in_names():
        yield _of_folder(name, name, "built in", folder := find_checkpoint(name), read_config(folder))


def _folders(root: Path) -> Iterator[Listed]:
    """Those in folders below one, hidden ones and links left out."""
    for folder in _below(root):
        config = _diffusion_config(folder)
        if config is not None and has_weights(folder):
            yield _of_folder(str(folder.absolute()), str(folder.relative_to(root)), "folder", folder, config)


def _below(root: Path) -> Iterator[Path]:
    level, looked = [root], 0
    for _ in range(DEPTH):
        below = [folder for parent in level for folder in _subfolders(parent)][: MOST - looked]
        looked += len(below)
        yield from below
        level = below


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name[:1] != "." and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _cached(checkpoint: CachedCheckpoint) -> Listed | None:
    """One in the cache; None if it does not write by diffusion."""
    # Revisions beside the one that the bare name means are named by their commit.
    plain = not checkpoint.complete or cached_folder(checkpoint.name) == checkpoint.folder
    name = checkpoint.name if plain else f"{checkpoint.name}@{checkpoint.commit}"
    label = checkpoint.name if plain else f"{checkpoint.name}@{checkpoint.commit[:7]}"
    known = PUBLIC_CHECKPOINTS.get(checkpoint.name)
    if not checkpoint.complete:
        size, about = (known.parameters, known.use) if known else ("", "")
        return Listed(name, label, "in part", size, about, checkpoint.size)
    config = _diffusion_config(checkpoint.folder)
    if config is None:
        return None
    return _of_folder(name, label, "downloaded", checkpoint.folder, config)


def _of_folder(name: str, label: str, where: Where, folder: Path, config: Config) -> Listed:
    known = PUBLIC_CHECKPOINTS.get(label)
    subject = str(config.provenance.get("subject") or "")
    about = known.use if known else ", ".join(filter(None, (subject, config.parameterization)))
    try:
        count = count_parameters(folder)
        size = size_label(count) if count is not None else known.parameters if known else ""
    except (NotLoadableError, OSError, ValueError, KeyError):
        # Loading it will say what is wrong with its weights.
        size = ""
    return Listed(name, label, where, size, about, folder_size(folder), folder)


def _diffusion_config(folder: Path) -> Config | None:
    if not config_file(folder).is_file():
        return None
    try:
        config = read_config(folder)
    except SeddError:
        return None
    return None if config.graph.type == "causal" else config
