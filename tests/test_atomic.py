"""Files that are replaced whole, and what is written to instead: descriptors, pipes, sockets, devices."""

import os
import socket
import sys
from pathlib import Path

import pytest

from sedd_cli.atomic import AtomicFile, descriptor_of, write_file
from sedd_cli.errors import SeddError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of descriptors, FIFOs and sockets")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text("old\n")
    return path


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd", "link"])
def test_a_descriptor_is_written_to_and_its_file_is_not_replaced(log: Path, folder: str) -> None:
    if folder == "link":
        (log.parent / "link").symlink_to("/dev/fd")
        folder = str(log.parent / "link")
    elif not Path(folder).exists():
        pytest.skip(f"no {folder} here")
    inode = log.stat().st_ino
    with log.open("ab") as file:
        for text in (b"new\n", b"newer\n"):
            write_file(Path(folder, str(file.fileno())), text)
    assert log.read_text() == "old\nnew\nnewer\n" and log.stat().st_ino == inode
    assert [path.name for path in log.parent.iterdir() if path.is_file()] == ["log"]


def test_stdout_and_stderr_go_by_their_names(log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (link := log.with_name("out.txt")).symlink_to("/dev/stdout")
    write_file(link, b"data\n")
    write_file(Path("/dev/stderr"), b"notes\n")
    assert capfd.readouterr() == ("data\n", "notes\n") and link.is_symlink()
    assert [descriptor_of(p) for p in (link, log, Path("/dev/null"), log / "1")] == [1, None, None, None]


def test_a_descriptor_that_cannot_be_written_to_is_refused_at_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with log.open("rb") as file, pytest.raises(SeddError, match=r"cannot write .*: Bad file descriptor"):
        AtomicFile(Path(f"/dev/fd/{file.fileno()}"))
    # A closed stdout leaves its number to the next file that is opened.
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SeddError, match="it is closed"):
        AtomicFile(Path("/dev/stdout"))


def test_pipes_and_sockets_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # A socket's path is short.
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_file(Path("pipe"), b"text")
    assert os.read(reader, 9) == b"text" and Path("pipe").is_fifo()
    os.close(reader)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        server.listen()
        write_file(Path("socket"), b"text")
        with server.accept()[0] as connection:
            assert connection.recv(9) == b"text" and Path("socket").is_socket()


def test_a_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    file = AtomicFile(Path(f"/dev/fd/{writer}"))
    os.close(writer)
    os.close(reader)
    for _ in range(3):
        file.write(bytes(100_000))
    file.commit()
