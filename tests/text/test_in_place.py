"""Saving to a user's file: what is kept, what is refused, and that nothing is ever half there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli import NotLoadableError, SeddError, UsageError
from sedd_cli.atomic import AtomicFile
from sedd_cli.text.document import Document, read_document, read_file
from sedd_cli.text.in_place import (
    changed_on_disk,
    check_writable,
    overwrite_with_backup,
    save,
    save_with_backup,
    write_new,
)
from tests.conftest import limited

STORY = "\ufeffOne.\r\nTwo.\u2028Three. 🌍"
NEW = STORY.replace("Two", "Zwei")


@pytest.fixture
def story(tmp_path: Path) -> Document:
    path = tmp_path / "story.txt"
    path.write_bytes(STORY.encode())
    return read_file(path)


def home(document: Document) -> Path:
    assert document.path is not None
    return document.path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_session_keeps_what_it_found_and_no_more(story: Document, tmp_path: Path) -> None:
    first, backup = save_with_backup(story, NEW)
    assert first == read_file(home(story)) and backup == tmp_path / "story.txt~"
    second = save(first, "")
    third = save(second, "3")
    assert (second.data, third.text) == (b"", "3")
    assert files(tmp_path) == {"story.txt": b"3", "story.txt~": STORY.encode()}


def test_backups_are_numbered(story: Document, tmp_path: Path) -> None:
    (tmp_path / "story.txt~").write_text("older")
    # What points nowhere is taken, too: writing through it would make a file elsewhere.
    (tmp_path / "story.txt~2").symlink_to(tmp_path / "nowhere")
    now, backup = save_with_backup(story, "1")
    assert backup.name == "story.txt~3" and backup.read_bytes() == STORY.encode()
    assert save_with_backup(now, "2")[1].read_text() == "1"
    assert (tmp_path / "story.txt~").read_text() == "older" and not (tmp_path / "nowhere").exists()


def test_links_are_followed_and_modes_kept(story: Document, tmp_path: Path) -> None:
    home(story).chmod(0o640)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(home(story))
    now, backup = save_with_backup(read_file(link), NEW)
    now = save(now, "again")
    assert now.path == link and link.is_symlink() and backup == home(story).with_name("story.txt~")
    assert home(story).read_text() == "again"
    assert [path.stat().st_mode & 0o777 for path in (home(story), backup)] == [0o640, 0o640]
    assert [path.name for path in link.parent.iterdir()] == ["link"]


@pytest.mark.parametrize("content", [NEW.encode(), STORY.encode()[:-1], STORY.encode() + b"\n", b""])
def test_a_later_change_is_seen_and_left_alone(story: Document, tmp_path: Path, content: bytes) -> None:
    assert not changed_on_disk(story)
    home(story).write_bytes(content)
    assert changed_on_disk(story)
    for write in (save, save_with_backup):
        with pytest.raises(SeddError, match="changed by another program"):
            write(story, "mine")
    assert files(tmp_path) == {"story.txt": content}


def test_rewritten_with_the_same_bytes_is_no_change(story: Document) -> None:
    home(story).unlink()
    home(story).write_bytes(story.data)
    assert not changed_on_disk(story)


def test_a_file_that_is_gone(story: Document, tmp_path: Path) -> None:
    home(story).unlink()
    assert changed_on_disk(story)
    for write in (save, save_with_backup):
        with pytest.raises(SeddError, match="no longer exists"):
            write(story, "mine")
    os.mkfifo(home(story))
    assert changed_on_disk(story)
    assert [path.name for path in tmp_path.iterdir()] == ["story.txt"]
    assert not changed_on_disk(Document(None, b"", ""))


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / ("長" * 84)
    document = write_new(path, STORY)
    assert document == read_file(path) and document.data == STORY.encode()
    for taken in (path, tmp_path):
        with pytest.raises(SeddError, match="already exists"):
            write_new(taken, "other")
    for impossible in (tmp_path / "no" / "folder", tmp_path / ("x" * 300)):
        with pytest.raises(SeddError, match="cannot write"):
            write_new(impossible, "other")
    assert files(tmp_path) == {path.name: STORY.encode()}


@pytest.mark.parametrize("content", [b"caf\xe9", b"\0\xff" * 500_000, b""])
def test_what_is_no_text_is_kept_when_written_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture"
    path.write_bytes(content)
    document, backup = overwrite_with_backup(path, STORY)
    assert document == read_file(path) and backup.read_bytes() == content
    assert files(tmp_path) == {"picture": STORY.encode(), "picture~": content}


def test_what_is_no_file_is_not_written_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "loop", ".", "missing", "x" * 300):
        with pytest.raises(SeddError, match="not a regular file"):
            overwrite_with_backup(tmp_path / name, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "pipe"]


# The backup finds no room; the backup does, but not the text, as is noticed late and early.
@pytest.mark.parametrize(("old", "new"), [(5_000, 10), (500, 5_000), (500, 5_000_000)])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, old: int, new: int) -> None:
    """A limit on the size of files stands for the disk."""
    path = tmp_path / "story.txt"
    path.write_bytes(b"o" * old)
    code = f"""if True:
        import pathlib, sys
        from sedd_cli.errors import SeddError
        from sedd_cli.text.document import read_file
        from sedd_cli.text.in_place import save, save_with_backup
        document = read_file(pathlib.Path(sys.argv[1]))
        if {new} > 1000:
            try: save(document, 'n' * {new})
            except SeddError as error: print(error.message)
        try: save_with_backup(document, 'n' * {new})
        except SeddError as error: sys.exit(error.message)
    """
    full = subprocess.run(limited([sys.executable, "-c", code, str(path)], 1000), capture_output=True, text=True)
    expected = (
        f"cannot write {path}: File too large" if new > 1000 else f"cannot write the backup {path}~: File too large"
    )
    assert full.returncode == 1 and expected in full.stderr and "Traceback" not in full.stderr
    assert (expected in full.stdout) == (new > 1000)
    assert files(tmp_path) == {"story.txt": b"o" * old}


def test_a_private_file_is_private_while_it_is_under_way(story: Document, tmp_path: Path) -> None:
    home(story).chmod(0o600)
    file = AtomicFile(home(story))
    (part,) = tmp_path.glob(".*.part")
    assert part.stat().st_mode & 0o777 == 0o600
    file.discard()
    assert files(tmp_path) == {"story.txt": STORY.encode()}


def test_what_cannot_be_written_is_told_beforehand(story: Document, tmp_path: Path) -> None:
    check_writable(story)
    assert files(tmp_path) == {"story.txt": STORY.encode()}
    with pytest.raises(SeddError, match="cannot write /proc/version"):
        check_writable(read_file(Path("/proc/version")))


def test_an_editor_may_open_an_empty_file_and_a_command_may_not(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert read_file(path) == Document(path, b"", "")
    with pytest.raises(UsageError, match="is empty"):
        read_document(str(path))
    with pytest.raises(NotLoadableError, match="cannot read"):
        read_file(tmp_path)
