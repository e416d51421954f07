"""Bytes that are no UTF-8: what is read anyway, and hints that work as they stand."""

import gzip
import subprocess
from pathlib import Path

import pytest

from sedd_cli import NotLoadableError, SeddError, UsageError
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.document import read_document
from sedd_cli.text.encodings import read_lines

TEXT = "“Caf\xe9,” she said.\n\nThe end.\n"
DOCUMENTS = ["“Caf\xe9,” she said.", "The end."]


def refusal(file: Path) -> SeddError:
    """How a corpus is refused; a document is refused in the same words."""
    with pytest.raises(NotLoadableError) as caught:
        list(read_documents(file))
    with pytest.raises(UsageError) as of_document:
        read_document(str(file))
    assert (of_document.value.message, of_document.value.hint) == (caught.value.message, caught.value.hint)
    return caught.value


def converted(error: SeddError, folder: Path) -> Path:
    """Runs the command in a hint; returns the file that it writes."""
    command = error.hint.partition(": ")[2]
    before = set(folder.iterdir())
    subprocess.run(["sh", "-ec", command], check=True)
    (new,) = set(folder.iterdir()) - before
    return new


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
        ("cp1252", "WINDOWS-1252"),
    ],
)
def test_the_hint_for_another_encoding_converts_it(tmp_path: Path, encoding: str, name: str) -> None:
    file = tmp_path / "it's a story.txt"
    file.write_bytes(TEXT.encode(encoding))
    error = refusal(file)
    assert "UTF-8" in error.message and f"iconv -f {name} -t UTF-8" in error.hint
    new = converted(error, tmp_path)
    assert list(read_documents(new)) == DOCUMENTS
    assert new.suffix == ".txt"  # a folder of texts is read by it


def test_the_hint_for_a_packed_file_converts_it(tmp_path: Path) -> None:
    file = tmp_path / "story.txt.gz"
    file.write_bytes(gzip.compress(TEXT.encode("utf-16")))
    with pytest.raises(NotLoadableError) as caught:
        list(read_documents(file))
    assert list(read_documents(converted(caught.value, tmp_path))) == DOCUMENTS


def test_damaged_utf_8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("caf\xe9 ".encode() + b"\xe9\n")
    error = refusal(file)
    assert "byte 0xe9 at offset 6" in error.message and "mend that byte" in error.hint
    assert "iconv -c -f UTF-8 -t UTF-8" in error.hint


def test_bytes_of_no_western_encoding_have_no_guess(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x83\x81\n")
    assert "iconv -f ENCODING -t UTF-8" in refusal(tmp_path / "a.txt").hint


@pytest.mark.parametrize("data", [b"one\n\ntwo \0\n", b"\x89PNG\r\n\x1a\n\0\0", b"\0"])
def test_binary_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert f"is a binary file: byte 0x00 at offset {data.index(0)}" in refusal(tmp_path / "a.txt").message


def test_a_byte_order_mark_begins_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffone\n\ufefftwo".encode())
    assert list(read_lines(tmp_path / "a.txt")) == ["one\n", "\ufefftwo"]
    # A document is written back: it keeps its mark.
    assert read_document(str(tmp_path / "a.txt")).text == "\ufeffone\n\ufefftwo"


def test_packed_documents_are_read_where_they_are_not_written_back(tmp_path: Path) -> None:
    file = tmp_path / "story.txt"  # told by its bytes, not by its name
    file.write_bytes(gzip.compress(TEXT.encode()))
    assert read_document(str(file), unpack=True).text == TEXT
    with pytest.raises(UsageError, match=r"is packed by gzip.*\nUnpack it first: gunzip -k .*story.txt"):
        read_document(str(file))


def test_damaged_gzip_is_said(tmp_path: Path) -> None:
    whole = gzip.compress(TEXT.encode() * 99)
    for data in (whole[:-9], whole[:20] + b"?" + whole[21:], whole + b"?"):
        (tmp_path / "a.txt.gz").write_bytes(data)
        with pytest.raises(NotLoadableError, match="is damaged gzip"):
            list(read_documents(tmp_path / "a.txt.gz"))
        with pytest.raises(NotLoadableError, match="is damaged gzip"):
            read_document(str(tmp_path / "a.txt.gz"), unpack=True)
