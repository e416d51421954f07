"""The hub's cache on this machine: which checkpoints it holds. Needs neither the network nor torch."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from huggingface_hub import CachedRepoInfo, CachedRevisionInfo, HFCacheInfo, constants, scan_cache_dir
from huggingface_hub import try_to_load_from_cache as _try_to_load
from huggingface_hub.errors import CacheNotFound

from sedd_cli.errors import NotLoadableError, SeddError
from sedd_cli.models.folder import has_weights
from sedd_cli.models.layout import CONFIG, WEIGHTS, index_of

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class CachedCheckpoint:
    """A checkpoint in the cache at one commit. `refs`: its branches and tags; `size`: bytes."""

    name: str
    commit: str
    refs: tuple[str, ...]
    folder: Path
    size: int
    complete: bool


def cache_folder() -> Path:
    return Path(constants.HF_HUB_CACHE)


def cached_file(repository: str, name: str, revision: str | None = None, kind: Kind = "model") -> Path | None:
    path = _try_to_load(repository, name, revision=revision, repo_type=kind)
    return Path(path) if isinstance(path, str) else None


def cached_folder(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint in the cache; None unless both its config and its weights are cached."""
    config = cached_file(repository, CONFIG, revision)
    return config.parent if config is not None and has_weights(config.parent) else None


def require_cached(repository: str, revision: str | None = None) -> Path:
    """The folder of a checkpoint in the cache. Raises `NotLoadableError` if it is missing or incomplete."""
    folder = cached_folder(repository, revision)
    if folder is not None:
        return folder
    name = _full_name(repository, revision)
    hint = f"Fetch it: sedd download {name}"
    cached = [file for file in (CONFIG, *WEIGHTS, *map(index_of, WEIGHTS)) if cached_file(repository, file, revision)]
    if cached:
        missing = "weights" if CONFIG in cached else CONFIG
        raise NotLoadableError(f"{name} is incomplete in the hub's cache: {missing} missing", hint)
    complete = [c for c in cached_checkpoints() if c.name == repository and c.complete]
    if complete:
        hint = f"In the cache: {', '.join(_full_name(repository, c.commit) for c in complete)}. {hint}"
    raise NotLoadableError(f"there is no folder {name!r}, and no such repository in the hub's cache", hint)


def offline_folder(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint in the cache if HF_HUB_OFFLINE is set, which forbids to look for a newer one."""
    return cached_folder(repository, revision) if constants.HF_HUB_OFFLINE else None


def cached_checkpoints() -> list[CachedCheckpoint]:
    """All checkpoints in the cache, by name, without the other repositories in it."""
    cache = _scan()
    return sorted(
        (
            _cached_checkpoint(repository, revision)
            for repository in (cache.repos if cache else ())
            for revision in repository.revisions
            if repository.repo_type == "model" and _is_checkpoint(revision.snapshot_path / CONFIG)
        ),
        key=lambda cached: (cached.name.lower(), cached.commit),
    )


def repository_size(repository: str) -> int:
    """Bytes of all revisions of a repository in the cache. Raises `NotLoadableError` if it is not cached."""
    return _find_cached(repository)[1].size_on_disk


def remove_cached(repository: str) -> None:
    """Delete all revisions of a repository from the cache.

    Raises `NotLoadableError` if it is not cached, `SeddError` if it cannot be deleted.
    """
    cache, target = _find_cached(repository)
    # Restricted to this repository: a copy of it on the hub has the same commits.
    commits = [revision.commit_hash for revision in target.revisions]
    replace(cache, repos=frozenset({target})).delete_revisions(*commits).execute()
    if target.repo_path.exists():
        raise SeddError(f"cannot delete {target.repo_path}", "Check its permissions.")


def _find_cached(repository: str) -> tuple[HFCacheInfo, CachedRepoInfo]:
    cache = _scan()
    if cache is not None:
        for cached in cache.repos:
            if cached.repo_type == "model" and cached.repo_id == repository:
                return cache, cached
    raise NotLoadableError(f"{repository} is not in the hub's cache", "sedd models list shows what is.")


def _scan() -> HFCacheInfo | None:
    """The contents of the cache; None if there is no cache yet."""
    try:
        return scan_cache_dir(cache_folder())
    except CacheNotFound:
        return None
    except (OSError, ValueError) as error:
        raise SeddError(f"cannot read the hub's cache {cache_folder()}: {error}", "Check HF_HOME.") from error


def _cached_checkpoint(repository: CachedRepoInfo, revision: CachedRevisionInfo) -> CachedCheckpoint:
    return CachedCheckpoint(
        name=repository.repo_id,
        commit=revision.commit_hash,
        refs=tuple(sorted(revision.refs)),
        folder=revision.snapshot_path,
        size=revision.size_on_disk,
        complete=has_weights(revision.snapshot_path),
    )


def _is_checkpoint(config: Path) -> bool:
    """Whether a config.json has the keys of a layout that sedd reads."""
    try:
        keys = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(keys, dict) and {"tokens", "noise", "model"} <= keys.keys()


def _full_name(repository: str, revision: str | None) -> str:
    return repository if revision is None else f"{repository}@{revision}"
