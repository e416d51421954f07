"""Find checkpoints on the hub, download them into the hub's own cache, and verify them.

The hub's variables apply (HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT). huggingface_hub
resumes interrupted connections while the command runs.
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from huggingface_hub import constants, dataset_info, get_hf_file_metadata, hf_hub_download, hf_hub_url, model_info

from sedd_cli.errors import NotLoadableError, SeddError
from sedd_cli.models.cache import Kind, cached_file, require_cache_folder
from sedd_cli.models.folder import config_table, read_config, shard_names
from sedd_cli.models.gpt2 import GPT2_REPOSITORIES, GPT2_TOKENS, cached_gpt2_file
from sedd_cli.models.hub_errors import NoRepositoryError, explain_errors
from sedd_cli.models.layout import CONFIG, FACTS, SENTENCE_PIECE, TOKENIZER, WEIGHTS, index_of

_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
OnBytes = Callable[[int], None]
"""Is told how many bytes more have come."""
PIECE = 2**20
"""Bytes of an interruptible download between two calls of `OnBytes`."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository and its size in bytes. `digest`: the hash that `verify` expects, if the hub gives one."""

    name: str
    size: int
    digest: str | None


@dataclass(frozen=True)
class RemoteSnapshot:
    """The files to download from a repository at a commit. `revision`: the branch, tag or commit that was requested."""

    repository: str
    revision: str
    commit: str
    files: tuple[RemoteFile, ...]
    kind: Kind = "model"

    @property
    def missing(self) -> tuple[RemoteFile, ...]:
        return tuple(f for f in self.files if cached_file(self.repository, f.name, self.commit, self.kind) is None)

    @property
    def missing_bytes(self) -> int:
        return sum(file.size for file in self.missing)


@dataclass(frozen=True)
class DownloadPlan:
    """A checkpoint to download, with GPT-2's tokenizer if it needs that."""

    checkpoint: RemoteSnapshot
    tokenizer: RemoteSnapshot | None
    memory: int = 0
    """Bytes of its weights in float32."""

    @property
    def bytes(self) -> int:
        """Bytes that are not in the cache."""
        return self.checkpoint.missing_bytes + (self.tokenizer.missing_bytes if self.tokenizer else 0)


def _no_progress(_: int) -> None:
    pass


def plan_download(repository: str, revision: str | None = None, *, to_train: bool = False) -> DownloadPlan:
    """Plan the download of a checkpoint. Downloads its configs, to check its layout, and its index of shards.

    `to_train`: an autoregressive network, which training can start from, is one as well. Raises `NotLoadableError` if
    there is no such repository or it has no checkpoint of a known layout, `SeddError` if the hub cannot be reached.
    """
    remote = find_snapshot(repository, revision or constants.DEFAULT_REVISION, _files_of_checkpoint)
    # Refuse other architectures before their weights are downloaded.
    with explain_errors(repository, remote.revision):
        for file in remote.files:
            # The last of these may alone have the id of MASK, as transformers 5 saves it.
            if file.name in (CONFIG, *FACTS, "tokenizer.json"):
                folder = _fetch_file(remote, file, _no_progress).parent
        config = read_config(folder, shift=False if to_train else None)
    remote = _with_shards(remote)
    names = {file.name for file in remote.files}
    has_tokenizer = "tokenizer.json" in names or {"vocab.json", "merges.txt"} <= names
    stored = sum(file.size for file in remote.files if file.name.endswith((".safetensors", ".bin")))
    halves = any("16" in str(config_table(folder).get(key)) for key in ("torch_dtype", "dtype"))
    return DownloadPlan(
        remote,
        None if has_tokenizer or config.text_tokens != GPT2_TOKENS or cached_gpt2_file() else _find_gpt2(),
        stored * (2 if halves else 1),
    )


def fetch(plan: DownloadPlan, on_bytes: OnBytes = _no_progress) -> Path:
    """Download the files of a plan that are not in the cache and verify all. Returns the checkpoint's folder.

    The revision's name points at the new commit only after all files are present. Raises `NotLoadableError` for a
    damaged file, which is removed from the cache, `SeddError` for other failures, and if the disk has no room.
    """
    _require_room(plan.bytes)
    if plan.tokenizer is not None:
        fetch_snapshot(plan.tokenizer, on_bytes)
    return fetch_snapshot(plan.checkpoint, on_bytes)


def fetch_snapshot(remote: RemoteSnapshot, on_bytes: OnBytes = _no_progress) -> Path:
    """Download and verify the files of one repository. Returns their folder."""
    with explain_errors(remote.repository, remote.revision, remote.kind):
        for file in remote.files:
            _fetch_file(remote, file, on_bytes)
        return _point_revision(remote)


def make_interruptible() -> None:
    """From now on, what `OnBytes` raises ends a download, and what came of that file is deleted.

    Over plain HTTP, a piece at a time: Xet, which is faster, calls from threads of its own.
    """
    constants.HF_HUB_DISABLE_XET, constants.DOWNLOAD_CHUNK_SIZE = True, PIECE


def _require_room(needed: int) -> None:
    folder = require_cache_folder()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise SeddError(
            f"{needed / 1e9:.1f} GB are to be downloaded, and {free / 1e9:.1f} GB are free on the disk of {folder}",
            "Free space (sedd models rm), or set HF_HOME to another disk.",
        )


def find_snapshot(
    repository: str, revision: str, select: Callable[[str, list[str]], list[str]], kind: Kind = "model"
) -> RemoteSnapshot:
    """The files of a repository that `select(repository, names)` returns. Raises what `plan_download` does."""
    require_cache_folder()
    with explain_errors(repository, revision, kind):
        ask = dataset_info if kind == "dataset" else model_info
        info = ask(repository, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        if info.sha is None:
            raise SeddError(f"the hub gives no commit for {repository}", "Try again later.")
        siblings = {s.rfilename: s for s in info.siblings or []}
        files = []
        for name in select(repository, list(siblings)):
            size, lfs = siblings[name].size, siblings[name].lfs
            # With LFS, git's blob id is that of a pointer to the file.
            digest = lfs.sha256 if lfs else siblings[name].blob_id
            if size is None:
                url = hf_hub_url(repository, name, revision=info.sha, repo_type=kind)
                size = get_hf_file_metadata(url).size
            files.append(RemoteFile(name, size or 0, digest))
    return RemoteSnapshot(repository, revision, info.sha, tuple(files), kind)


def _files_of_checkpoint(repository: str, names: list[str]) -> list[str]:
    """The config first, then one file of weights or an index of its shards, then what there is of the small files."""
    weights = next((n for name in WEIGHTS for n in (name, index_of(name)) if n in names), None)
    if CONFIG not in names or weights is None:
        missing = CONFIG if CONFIG not in names else " or ".join(WEIGHTS)
        raise NotLoadableError(
            f"{repository} holds no checkpoint that sedd reads: it has no {missing}",
            "sedd models list shows repositories that it reads.",
        )
    if SENTENCE_PIECE in names and not {"tokenizer.json", "vocab.json"} & set(names):
        from sedd_cli.text.tokenizer import sentence_piece

        raise sentence_piece(repository)
    return [CONFIG, weights, *(name for name in (*TOKENIZER, *FACTS) if name in names)]


def _with_shards(remote: RemoteSnapshot) -> RemoteSnapshot:
    """Add the shards that an index among the files names."""
    indices = {index_of(name) for name in WEIGHTS}
    index = next((file for file in remote.files if file.name in indices), None)
    if index is None:
        return remote
    with explain_errors(remote.repository, remote.revision):
        shards = shard_names(_fetch_file(remote, index, _no_progress))

    def select(repository: str, names: list[str]) -> list[str]:
        if missing := set(shards) - set(names):
            raise NotLoadableError(
                f"{repository} lacks {min(missing)}, one of the {len(shards)} shards that {index.name} names",
                "Ask its author for it.",
            )
        return shards

    found = find_snapshot(remote.repository, remote.commit, select)
    return replace(remote, files=(*remote.files, *found.files))


def _find_gpt2() -> RemoteSnapshot:
    first, second = GPT2_REPOSITORIES
    try:
        return find_snapshot(first, constants.DEFAULT_REVISION, lambda *_: ["tokenizer.json"])
    except NoRepositoryError:
        return find_snapshot(second, constants.DEFAULT_REVISION, lambda *_: ["tokenizer.json"])


def _fetch_file(remote: RemoteSnapshot, file: RemoteFile, on_bytes: OnBytes) -> Path:
    path = Path(
        hf_hub_download(
            remote.repository,
            file.name,
            repo_type=remote.kind,
            revision=remote.commit,
            etag_timeout=constants.HF_HUB_ETAG_TIMEOUT,
            tqdm_class=_progress_bar(on_bytes),
        )
    )
    verify(remote.repository, file.name, path, file.digest)
    return path


def verify(repository: str, name: str, path: Path, digest: str | None = None) -> None:
    """Check the hash of a cached file, named by its etag: SHA-256 if it is stored with LFS, else git's SHA-1.

    Removes a damaged file and raises `NotLoadableError`.
    """
    blob = path.parent / path.readlink() if path.is_symlink() else path
    digests = {digest, blob.name if _DIGEST.fullmatch(blob.name) else None} - {None}
    expected = {text for text in digests if text and len(text) == 64} or digests
    if not expected:
        return
    with path.open("rb") as stream:
        if expected is digests:
            kind, prefix = "SHA-1 (git's)", b"blob %d\0" % path.stat().st_size
            actual = hashlib.file_digest(stream, lambda: hashlib.sha1(prefix, usedforsecurity=False)).hexdigest()
        else:
            kind, actual = "SHA-256", hashlib.file_digest(stream, "sha256").hexdigest()
    if expected != {actual}:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise NotLoadableError(
            f"{name} of {repository} is damaged: its {kind} is {actual}, "
            f"not {' or '.join(sorted(filter(None, expected)))} as the hub says",
            "It was removed; try again to download it.",
        )


def _point_revision(remote: RemoteSnapshot) -> Path:
    """Record in the cache which commit the revision's name points at. Returns the folder of that commit."""
    path = hf_hub_download(
        remote.repository,
        remote.files[0].name,
        repo_type=remote.kind,
        revision=remote.revision,
        etag_timeout=constants.HF_HUB_ETAG_TIMEOUT,
        tqdm_class=_progress_bar(_no_progress),
    )
    folder = snapshot_folder(Path(path), remote.files[0].name)
    if folder.name != remote.commit:
        raise SeddError(f"{remote.repository} changed during the download", "Try again.")
    return folder


def snapshot_folder(path: Path, name: str) -> Path:
    """The folder of a commit in the cache, in which `path` is the file `name`."""
    return path.parents[len(PurePosixPath(name).parts) - 1]


def _progress_bar(on_bytes: OnBytes) -> Any:
    """A class with the interface of a tqdm progress bar, which reports bytes to `on_bytes`."""

    class Bar:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: float | None = 1) -> None:
            on_bytes(int(n or 0))

        def update_transfer(self, n: float | None = 1) -> None:
            """Bytes on the network, where they differ from those of the file: not counted."""

        def set_postfix_str(self, *_: object, **__: object) -> None:
            pass

        set_transfer_postfix_str = set_postfix_str

        def close(self) -> None:
            pass

    return Bar
