"""Recent documents: the last files that were opened or saved, for the start card and the dialog that opens one."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sedd_cli.atomic import write_file
from sedd_cli.errors import SeddError
from sedd_cli.models.names import expand_path
from sedd_cli.tui.folders import state_folder

LIMIT = 5


class RecentFiles:
    """The list in a file (by default the user's), the newest first.

    It is a convenience: one that cannot be read is empty, and one that cannot be written stays as it is.
    """

    def __init__(self, file: Path | None = None) -> None:
        folder = state_folder() if file is None else None
        self.file = folder / "recent.json" if folder is not None else file

    def paths(self) -> list[Path]:
        """At most `LIMIT` absolute paths of files that exist."""
        return [path for path in self._read() if os.path.isfile(path)][:LIMIT]  # noqa: PTH113 - never raises

    def add(self, path: Path) -> None:
        """Put a file first."""
        if self.file is None:
            return
        newest = Path(os.path.abspath(path))  # noqa: PTH100 - a link stays the name that it was opened by
        paths = [newest, *(other for other in self._read() if other != newest)][:LIMIT]
        # ASCII escapes represent all of Unicode exactly, and file names that are not Unicode.
        data = json.dumps({"paths": [str(p) for p in paths]}).encode("ascii")
        with suppress(OSError, SeddError):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.file, data, 0o600)

    def _read(self) -> list[Path]:
        """All that are in the file; none if it is missing or damaged."""
        if self.file is None:
            return []
        try:
            paths = json.loads(self.file.read_bytes())["paths"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return []
        return [Path(p) for p in paths if isinstance(p, str) and p] if isinstance(paths, list) else []


def typed_names(paths: Sequence[Path]) -> list[str]:
    """Paths as one would type them here."""
    try:
        here, home = Path.cwd(), expand_path("~")
    except OSError:  # the working directory is gone
        return [str(path) for path in paths]
    return [short_name(path, here, home if home.is_absolute() else None) for path in paths]


def short_name(path: Path, folder: Path, home: Path | None = None) -> str:
    """A path as one would type it in `folder`: relative to it, or from the home folder, where it is within."""
    for base, prefix in ((folder, ""), (home, "~/")):
        if base is not None and path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)
