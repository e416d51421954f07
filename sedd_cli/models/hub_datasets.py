"""Files of data sets on the hub, cached and verified like checkpoints."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.cache import cached_file
from sedd_cli.models.hub import OnBytes, fetch_snapshot, find_snapshot, snapshot_folder, verify

TransferProgress = Callable[[str, int], AbstractContextManager[OnBytes]]
"""Called with a title and a number of bytes before a download; the context yields the `on_bytes` callback."""


def no_progress(_title: str, _total: int) -> AbstractContextManager[OnBytes]:
    return nullcontext(lambda _: None)


def dataset_file(
    repository: str, name: str, revision: str, progress: TransferProgress = no_progress
) -> tuple[Path, str]:
    """A file of a data set's repository, and its commit. A cached file is used without the network.

    Verifies the hash either way. Raises `NotLoadableError` if there is no such repository or file, if it is damaged
    (it is then removed from the cache), or if HF_HUB_OFFLINE forbids the download; `SeddError` if the hub cannot be
    reached.
    """
    path = cached_file(repository, name, revision, "dataset")
    if path is not None:
        verify(repository, name, path)
        return path, snapshot_folder(path, name).name

    def select(_: str, names: list[str]) -> list[str]:
        if name not in names:
            raise NotLoadableError(
                f"the hub's data set {repository} no longer holds {name}", "Give a local file in its original format."
            )
        return [name]

    remote = find_snapshot(repository, revision, select, "dataset")
    with progress(f"{repository}/{name}", remote.missing_bytes) as on_bytes:
        folder = fetch_snapshot(remote, on_bytes)
    return folder / name, remote.commit
