"""Recovery files: unsaved work that the next session offers, however this one ends."""

import json
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from sedd_cli.atomic import write_file
from sedd_cli.errors import SeddError
from sedd_cli.text.document import Document
from sedd_cli.tui.folders import NO_HOME, state_folder

VERSION = 1


@dataclass(frozen=True)
class Recovery:
    """Unsaved work on a document. `path` None: a document without a file.

    `sha256` is that of the bytes that were read from the file; `gaps` is JSON data that only the editor looks into.
    """

    path: str | None
    sha256: str
    text: str
    gaps: list[dict[str, Any]]
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    pid: int = field(default_factory=os.getpid)
    version: int = VERSION

    @classmethod
    def of(cls, document: Document, text: str, gaps: list[dict[str, Any]]) -> Self:
        """Work that is based on `document`, with the current time and process."""
        return cls(_absolute(document.path), sha256(document.data).hexdigest(), text, gaps)

    def is_based_on(self, document: Document) -> bool:
        """Whether this work is based on a document's bytes."""
        return self.sha256 == sha256(document.data).hexdigest()


def recovery_folder() -> Path | None:
    """The user's folder of unsaved work; None without a home folder."""
    folder = state_folder()
    return None if folder is None else folder / "recovery"


class RecoveryStore:
    """The unsaved work of one session, and what others left behind in the same folder (by default the user's)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = recovery_folder() if folder is None else folder
        # Process ids are reused: alone, one could name, and overwrite, the file of another session.
        self._token = secrets.token_hex(4)
        self._own_files: set[Path] = set()

    def autosave(self, recovery: Recovery) -> None:
        """Write work to its file, over this session's earlier copy. Raises `SeddError` if it cannot be written."""
        if self.folder is None:
            raise SeddError(f"unsaved work is not safe: {NO_HOME}", "Save it.")
        recovery = replace(recovery, path=_absolute(recovery.path))
        file = self.folder / f"{_key(recovery.path)}.{recovery.pid}.{self._token}.json"
        # ASCII escapes represent all of Unicode exactly, and file names that are not Unicode.
        data = json.dumps({**asdict(recovery), "time": recovery.time.isoformat()}).encode("ascii")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own_files.add(file)
            write_file(file, data, 0o600)
        except (OSError, SeddError) as error:
            reason = error.message if isinstance(error, SeddError) else f"cannot make {self.folder}: {error.strerror}"
            raise SeddError(f"unsaved work is not safe: {reason}", "Save it, or make room there.") from error

    def discard(self) -> None:
        """Remove this session's files: the work is saved or discarded. Raises `SeddError` if they cannot be removed."""
        while self._own_files:
            _unlink(next(iter(self._own_files)))
            self._own_files.pop()

    def find(self, path: Path | str | None) -> list[Recovery]:
        """Unsaved work of ended sessions on a document (None: on documents without a file), the newest first."""
        document_path = _absolute(path)
        recoveries = [recovery for _, recovery in self._entries(document_path)]
        ended = [r for r in recoveries if r.path == document_path and not _in_use(r)]
        return sorted(ended, key=lambda recovery: recovery.time, reverse=True)

    def remove(self, recovery: Recovery) -> None:
        """Remove the file of a recovery. Raises `SeddError` if it cannot be removed."""
        for file, entry in self._entries(recovery.path):
            if entry == recovery:
                _unlink(file)

    def _entries(self, path: str | None) -> list[tuple[Path, Recovery]]:
        files: list[Path] = []
        if self.folder is not None:
            with suppress(OSError):  # There is none yet, or it cannot be read: nothing can be offered.
                files = [f for f in self.folder.iterdir() if fnmatch(f.name, f"{_key(path)}.*.json")]
        return [(file, recovery) for file in files if (recovery := _read(file)) is not None]


def _absolute(path: Path | str | None) -> str | None:
    return None if path is None else os.path.realpath(path)


def _key(path: str | None) -> str:
    return "untitled" if path is None else sha256(os.fsencode(path)).hexdigest()[:16]


def _read(file: Path) -> Recovery | None:
    """The recovery in a file; None if it is damaged or of an unknown version."""
    try:
        fields = json.loads(file.read_bytes())
        recovery = Recovery(**{**fields, "time": datetime.fromisoformat(fields["time"])})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    sound = (
        recovery.version == VERSION
        and isinstance(recovery.path, str | None)
        and isinstance(recovery.sha256, str)
        and isinstance(recovery.text, str)
        and isinstance(recovery.gaps, list)
        and all(isinstance(gap, dict) for gap in recovery.gaps)
        and recovery.time.tzinfo is not None
        and isinstance(recovery.pid, int)
        and recovery.pid > 0
    )
    return recovery if sound else None


def _unlink(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise SeddError(
            f"cannot remove {file}: {error.strerror}", "It holds unsaved work; remove it yourself."
        ) from error


def _in_use(recovery: Recovery) -> bool:
    """Whether the session that wrote it still runs, as far as the system reports."""
    if sys.platform == "win32":
        # On Windows, os.kill(pid, 0) interrupts the process.
        return recovery.pid == os.getpid()
    try:
        os.kill(recovery.pid, 0)
    except PermissionError:
        pass
    except (ProcessLookupError, OverflowError):
        return False
    try:
        stat = Path(f"/proc/{recovery.pid}/stat").read_bytes().rpartition(b")")[2].split()
        lines = Path("/proc/stat").read_bytes().splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith(b"btime "))
    except (OSError, StopIteration):
        return True
    state, started = stat[0], booted + int(stat[19]) / os.sysconf("SC_CLK_TCK")
    # Ids are reused, after a reboot or in a container: a process younger than the work did not write it.
    return state != b"Z" and started <= recovery.time.timestamp()
