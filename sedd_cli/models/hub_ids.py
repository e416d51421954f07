"""How repositories of the hub are named."""

import re
from pathlib import Path

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(.+))?", re.ASCII)


def split_hub_id(name: str) -> tuple[str, str | None] | None:
    """Split `OWNER/NAME[@REVISION]` into a repository of the hub and a revision; None for anything else."""
    match = _HUB_ID.fullmatch(name)
    if match is None or "--" in match[1] or ".." in match[1] or match[1].endswith((".git", "-", ".")):
        return None
    return match[1], match[2]


def cached_repository(folder: Path) -> str | None:
    """The repository whose snapshot in the hub's cache a folder is; None if it is not one."""
    # "." has no parents.
    folder = folder.absolute()
    kind, *parts = folder.parent.parent.name.split("--")
    return "/".join(parts) if kind == "models" and folder.parent.name == "snapshots" and parts else None
