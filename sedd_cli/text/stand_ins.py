"""Files that only stand for those whose names they have: what `git clone` and a saved web page leave in their place."""

from pathlib import Path

from sedd_cli.errors import NotLoadableError

_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype html", b"<html")


def check_genuine(path: Path) -> None:
    """Raises `NotLoadableError` for a git-lfs pointer or a web page. A file that cannot be read passes."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return
    if head.startswith(_LFS):
        raise NotLoadableError(
            f"{path} is a git-lfs pointer: it stands for the file, which was not fetched",
            f"Run git lfs pull in {path.parent}, or fetch the file itself.",
        )
    if head.lstrip().lower().startswith(_HTML):
        raise NotLoadableError(
            f"{path} is a web page in the place of the file",
            "Fetch the file again: on the hub its address has /resolve/, that of its page /blob/.",
        )
