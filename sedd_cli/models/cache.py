"""The hub's cache on this machine: which checkpoints it holds. Needs neither the network nor torch.

Read from the disk, not by huggingface_hub's scan: that leaves out whole repositories for one broken link, which loading
does not mind.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import DeleteCacheStrategy, constants
from huggingface_hub import try_to_load_from_cache as _try_to_load

from sedd_cli.errors import NotLoadableError, SeddError
from sedd_cli.models.folder import has_weights, read_config
from sedd_cli.models.hub_ids import split_hub_id
from sedd_cli.models.layout import CONFIG, TOKENIZER, WEIGHTS, index_of

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class CachedCheckpoint:
    """A checkpoint in the cache at one commit ("": none yet). `refs`: its branches and tags; `size`: bytes.

    `missing`: the file that it lacks, as an interrupted download leaves it; "" if it is complete.
    """

    name: str
    commit: str
    refs: tuple[str, ...]
    folder: Path
    size: int
    missing: str

    @property
    def complete(self) -> bool:
        return not self.missing


def cache_folder() -> Path | None:
    """The folder of the cache, which need not exist; None if it would be in a home folder that this user has not."""
    folder = Path(constants.HF_HUB_CACHE)
    # huggingface_hub leaves `~` as it is, and would make a folder of that name.
    return None if folder.parts[:1] == ("~",) else folder


def require_cache_folder() -> Path:
    """The folder of the cache, which need not exist. Raises `SeddError` without a home folder."""
    folder = cache_folder()
    if folder is None:
        raise SeddError("this user has no home folder, so there is no hub's cache", "Set HF_HOME to a folder.")
    return folder


def cached_file(repository: str, name: str, revision: str | None = None, kind: Kind = "model") -> Path | None:
    path = _try_to_load(repository, name, revision=revision, repo_type=kind)
    return Path(path) if isinstance(path, str) else None


def cached_folder(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint in the cache; None unless all its files are cached."""
    config = cached_file(repository, CONFIG, revision)
    return None if config is None or _missing_file(config.parent) else config.parent


def require_cached(repository: str, revision: str | None = None) -> Path:
    """The folder of a checkpoint in the cache. Raises `NotLoadableError` if it is missing or incomplete."""
    folder = cached_folder(repository, revision)
    if folder is not None:
        return folder
    name = _full_name(repository, revision)
    hint = f"Fetch it: sedd download {name}"
    files = (CONFIG, *WEIGHTS, *map(index_of, WEIGHTS))
    cached = next((path for f in files if (path := cached_file(repository, f, revision))), None)
    if cached is not None:
        raise NotLoadableError(f"{name} is incomplete in the hub's cache: {_missing_file(cached.parent)} missing", hint)
    checkpoints = [c for c in cached_checkpoints() if c.name == repository]
    complete = [_full_name(repository, c.commit) for c in checkpoints if c.complete]
    if complete:
        hint = f"In the cache: {', '.join(complete)}. {hint}"
    elif checkpoints:
        raise NotLoadableError(f"{name} is incomplete in the hub's cache: {checkpoints[0].missing} missing", hint)
    raise NotLoadableError(f"there is no folder {name!r}, and no such repository in the hub's cache", hint)


def offline_folder(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint in the cache if HF_HUB_OFFLINE is set, which forbids to look for a newer one."""
    return cached_folder(repository, revision) if constants.HF_HUB_OFFLINE else None


def cached_checkpoints() -> list[CachedCheckpoint]:
    """All checkpoints in the cache, by name, the incomplete ones too, without the other repositories in it.

    Raises `SeddError` if the cache cannot be read.
    """
    checkpoints = [c for repository in _repositories() for c in _checkpoints_in(repository)]
    return sorted(checkpoints, key=lambda cached: (cached.name.lower(), cached.commit))


def repository_size(repository: str) -> int:
    """Bytes of all revisions of a repository in the cache. Raises `NotLoadableError` if it is not cached."""
    return _size(_find_repository(repository).rglob("*"))


def remove_cached(repository: str) -> None:
    """Delete all revisions of a repository from the cache.

    Raises `NotLoadableError` if it is not cached, `SeddError` if it cannot be deleted.
    """
    folder, none, reason = _find_repository(repository), frozenset[Path](), ""
    deletion = DeleteCacheStrategy(
        0, blobs=none, refs=none, repos=frozenset({folder}), snapshots=none, cache_dir=require_cache_folder().resolve()
    )
    try:
        with silenced_hub():
            deletion.execute()
    except OSError as error:
        reason = f": {error.strerror}"
    if folder.exists():
        raise SeddError(f"cannot delete {folder}{reason}", "Check its permissions.")


@contextmanager
def silenced_hub() -> Iterator[None]:
    """Suppress huggingface_hub's log, which would go to stderr directly, until the block ends."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _repositories() -> list[Path]:
    """The folders of models in the cache."""
    cache = require_cache_folder()
    try:
        return [folder for folder in cache.iterdir() if folder.name.startswith("models--")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SeddError(f"cannot read the hub's cache {cache}: {error.strerror}", "Check HF_HOME.") from error


def _find_repository(repository: str) -> Path:
    folder = require_cache_folder() / f"models--{repository.replace('/', '--')}"
    if folder not in _repositories():
        raise NotLoadableError(f"{repository} is not in the hub's cache", "sedd models list shows what is.")
    return folder


def _checkpoints_in(repository: Path) -> Iterator[CachedCheckpoint]:
    """The checkpoints of a repository, one for each commit; none if it holds something else."""
    name = repository.name.removeprefix("models--").replace("--", "/")
    if split_hub_id(name) is None:
        return
    refs = _refs(repository)
    snapshots = [folder for folder in _entries(repository / "snapshots") if _entries(folder)]
    for folder in snapshots:
        if _is_broken(folder / CONFIG) or _is_checkpoint(folder):
            missing = _missing_file(folder)
            files = [*folder.rglob("*"), *(repository.glob("blobs/*.incomplete") if missing else ())]
            named = tuple(sorted(ref for ref, commit in refs.items() if commit == folder.name))
            yield CachedCheckpoint(name, folder.name, named, folder, _size(files), missing)
    if not snapshots and (refs or _entries(repository / "blobs")):
        commit = refs.get(constants.DEFAULT_REVISION, "")
        yield CachedCheckpoint(name, commit, tuple(sorted(refs)), repository, _size(repository.rglob("*")), CONFIG)


def _refs(repository: Path) -> dict[str, str]:
    """The commit of each branch and tag."""
    folder, commits = repository / "refs", {}
    for path in folder.rglob("*"):
        try:
            commits[path.relative_to(folder).as_posix()] = path.read_text().strip()
        except (OSError, ValueError):  # A folder, or unreadable.
            continue
    return commits


def _is_checkpoint(folder: Path) -> bool:
    """Whether a folder has the config of a layout that sedd reads, if only to train from."""
    try:
        read_config(folder, shift=False)
    except NotLoadableError:
        return False
    return True


def _missing_file(folder: Path) -> str:
    """The first file that a checkpoint lacks: its config, its weights, or one whose link is broken; "" if none."""
    if not (folder / CONFIG).is_file():
        return CONFIG
    if not has_weights(folder):
        return "weights"
    return next((name for name in TOKENIZER if _is_broken(folder / name)), "")


def _is_broken(link: Path) -> bool:
    return link.is_symlink() and not link.exists()


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; nothing if it cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _size(paths: Iterable[Path]) -> int:
    """Bytes of the files among paths, each file once."""
    sizes = {}
    for path in paths:
        with suppress(OSError):
            if path.is_file():
                status = path.stat()
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _full_name(repository: str, revision: str | None) -> str:
    return repository if revision is None else f"{repository}@{revision}"
