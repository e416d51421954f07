"""Unsaved work outlives its session, is found by the next, and stays out of the way of those that run."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from sedd_cli import SeddError
from sedd_cli.text.document import Document, read_file
from sedd_cli.tui.recovery import Recovery, RecoveryStore
from tests.conftest import limited

GAPS: list[dict[str, Any]] = [
    {"start": 3, "end": 9, "tokens": [5, 20], "original": "é", "masked": True},
    {"start": 12, "tokens": None},
]
UNTITLED = Document(None, b"", "")


@pytest.fixture
def store(tmp_path: Path) -> RecoveryStore:
    return RecoveryStore(tmp_path / "state" / "recovery")


def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(path: Path | str | None, text: str = "text", **changes: object) -> Recovery:
    """Work that a session which has ended left behind."""
    place = None if path is None else os.path.realpath(path)
    return replace(Recovery(place, "0" * 64, text, GAPS, pid=ended()), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeffa\r\nb\rc\n",
        "a\u2028b\u2029c\x85d\x0b\x0c\x1b[31m\x7f",
        "🌍e\u0301\u202e\U0010ffff\ufffe",
        '"\\u0041',
    ],
)
def test_every_text_comes_back_exactly(store: RecoveryStore, tmp_path: Path, text: str) -> None:
    work = left(tmp_path / "a.txt", text)
    store.autosave(work)
    assert RecoveryStore(store.folder).find(tmp_path / "a.txt") == [work]


def test_a_killed_session_loses_nothing(store: RecoveryStore, tmp_path: Path) -> None:
    path = tmp_path / "story.txt"
    path.write_bytes(b"One.\r\n")
    code = """if True:
        import pathlib, sys
        from sedd_cli.text.document import read_file
        from sedd_cli.tui.recovery import Recovery, RecoveryStore
        folder, path = map(pathlib.Path, sys.argv[1:])
        store, document = RecoveryStore(folder), read_file(path)
        for text in ('One', 'One.\\r\\nTwo'):
            store.autosave(Recovery.of(document, text, [{'start': 1}]))
        print('kept', flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", code, str(store.folder), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout and session.stdout.readline() == b"kept\n"
        assert store.find(path) == []
        session.send_signal(signal.SIGKILL)
        # It has ended, but its parent was not told so yet.
        os.waitid(os.P_PID, session.pid, os.WEXITED | os.WNOWAIT)
        (work,) = store.find(path)
    assert store.find(path) == [work]
    assert (work.text, work.gaps, work.path, work.pid) == ("One.\r\nTwo", [{"start": 1}], str(path), session.pid)
    assert timedelta(0) < datetime.now(UTC) - work.time < timedelta(minutes=5)
    assert work.is_based_on(read_file(path))
    path.write_bytes(b"One.\n")
    assert not work.is_based_on(read_file(path))


def test_work_belongs_to_its_document(store: RecoveryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "a.txt")
    of_a, of_b, untitled = left(tmp_path / "a.txt"), left(tmp_path / "b.txt"), left(None)
    store.autosave(replace(of_a, path=str(link)))
    store.autosave(of_b)
    store.autosave(untitled)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a.txt", link, "a.txt", "./x/../a.txt"):
        assert store.find(path) == [of_a]
    assert store.find("b.txt") == [of_b] and store.find(None) == [untitled] and store.find("c.txt") == []


def test_a_name_that_is_no_unicode(store: RecoveryStore, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    store.autosave(left(path))
    assert [work.path for work in store.find(path)] == [str(path)]


def test_the_newest_comes_first(store: RecoveryStore) -> None:
    now = datetime.now(UTC)
    for minutes in (3, 1, 2):
        RecoveryStore(store.folder).autosave(left(None, str(minutes), time=now - timedelta(minutes=minutes)))
    assert [work.text for work in store.find(None)] == ["1", "2", "3"]


def test_sessions_that_run_are_left_alone(store: RecoveryStore) -> None:
    # 1 always runs, and most of those who test may not signal it.
    for pid in (os.getpid(), 1):
        store.autosave(left(None, pid=pid))
    assert len(list(store.folder.iterdir())) == 2 and store.find(None) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say when a process began")
def test_a_number_that_was_given_again_hides_nothing(store: RecoveryStore) -> None:
    """As after a reboot, or in a container where every session has the same number."""
    before = left(None, "before", pid=os.getpid(), time=datetime.now(UTC) - timedelta(days=10_000))
    RecoveryStore(store.folder).autosave(before)
    store.autosave(Recovery.of(UNTITLED, "now", []))
    assert store.find(None) == [before]
    store.discard()
    assert store.find(None) == [before]


def test_one_file_a_session_that_only_its_owner_reads(store: RecoveryStore) -> None:
    umask = os.umask(0o000)
    try:
        for text in ("a", "ab", "abc"):
            store.autosave(Recovery.of(UNTITLED, text, GAPS))
    finally:
        os.umask(umask)
    (file,) = store.folder.iterdir()
    assert json.loads(file.read_text())["text"] == "abc"
    assert (file.stat().st_mode & 0o777, store.folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_dropping_takes_all_of_its_own_and_nothing_else(store: RecoveryStore, tmp_path: Path) -> None:
    other = RecoveryStore(store.folder)
    other.autosave(left(None, "other's"))
    store.discard()
    store.autosave(left(None, "mine"))
    store.autosave(left(tmp_path / "now with a name", "mine"))
    store.discard()
    assert [work.text for work in store.find(None)] == ["other's"] and store.find(tmp_path / "now with a name") == []


def test_what_was_found_is_removed_by_itself(store: RecoveryStore, tmp_path: Path) -> None:
    for text in ("one", "two"):
        RecoveryStore(store.folder).autosave(left(tmp_path / "a.txt", text))
    newest, oldest = store.find(tmp_path / "a.txt")
    store.remove(newest)
    assert store.find(tmp_path / "a.txt") == [oldest]
    store.remove(newest)
    assert store.find(tmp_path / "a.txt") == [oldest]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        {"version": 2},
        {"path": 3},
        {"text": None},
        {"gaps": [1]},
        {"time": "today"},
        {"time": "2024-01-01T00:00:00"},
        {"pid": 0},
        {"pid": "1"},
        {"more": 1},
    ],
)
def test_damaged_files_are_passed_over_and_stay(store: RecoveryStore, damage: bytes | dict[str, object]) -> None:
    work = left(None)
    store.autosave(work)
    (sound,) = store.folder.iterdir()
    file = store.folder / "untitled.1.damaged.json"
    content = damage if isinstance(damage, bytes) else json.dumps({**json.loads(sound.read_text()), **damage}).encode()
    file.write_bytes(content)
    assert store.find(None) == [work] and file.read_bytes() == content


def test_a_number_that_is_none_runs_nowhere(store: RecoveryStore) -> None:
    store.autosave(left(None, pid=10**30))
    assert len(store.find(None)) == 1


def test_a_full_disk_is_told_and_what_was_kept_stays(store: RecoveryStore) -> None:
    """A limit on the size of files stands for the disk."""
    code = """if True:
        import pathlib, sys
        from sedd_cli.errors import SeddError
        from sedd_cli.text.document import Document
        from sedd_cli.tui.recovery import Recovery, RecoveryStore
        store = RecoveryStore(pathlib.Path(sys.argv[1]))
        for size in (10, 5000, 500_000):
            try: store.autosave(Recovery.of(Document(None, b'', ''), 'x' * size, []))
            except SeddError as error: print(error.message)
    """
    full = subprocess.run(
        limited([sys.executable, "-c", code, str(store.folder)], 1000), capture_output=True, text=True
    )
    assert full.returncode == 0, full.stderr
    told = full.stdout.splitlines()
    assert len(told) == 2 and all("unsaved work is not safe" in line and "File too large" in line for line in told)
    assert [work.text for work in store.find(None)] == ["x" * 10] and len(list(store.folder.iterdir())) == 1


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = RecoveryStore(tmp_path / "file" / "recovery")
    with pytest.raises(SeddError, match="unsaved work is not safe: cannot make"):
        store.autosave(Recovery.of(UNTITLED, "text", []))
    assert store.find(None) == []


def test_a_folder_that_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = RecoveryStore(tmp_path / "file" / "recovery")
    assert store.find(None) == []
    with pytest.raises(SeddError, match="unsaved work is not safe"):
        store.autosave(left(None))


def test_the_folder_is_the_user_s() -> None:
    assert RecoveryStore().folder == platformdirs.user_state_path("sedd") / "recovery"
