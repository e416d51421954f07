"""Recent files: a short list on disk that nothing depends on."""

import json
import os
from pathlib import Path

import pytest

from sedd_cli.tui.recent import LIMIT, RecentFiles, short_name


def test_the_newest_comes_first_once_and_the_oldest_goes(tmp_path: Path) -> None:
    recent = RecentFiles(tmp_path / "state" / "recent.json")
    assert recent.paths() == []
    files = [tmp_path / f"{n}.txt" for n in range(LIMIT + 2)]
    for file in files:
        file.touch()
        recent.add(file)
    assert recent.paths() == files[:1:-1]
    recent.add(files[3])
    assert RecentFiles(recent.file).paths() == [files[3], files[6], files[5], files[4], files[2]]
    files[5].unlink()
    assert files[5] not in recent.paths()


@pytest.mark.skipif(os.name != "posix", reason="names of bytes, and modes")
def test_any_name_is_kept_and_only_the_user_reads_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recent = RecentFiles(tmp_path / "recent.json")
    monkeypatch.chdir(tmp_path)
    odd = Path(os.fsdecode(b"na\xefve \xe6\x97\xa5.txt"))
    odd.touch()
    recent.add(odd)
    assert recent.paths() == [tmp_path / odd]
    assert recent.file is not None and recent.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"paths": 3}', '{"paths": [3, "", null]}', "\x00", "[" * 100_000])
def test_a_damaged_list_is_empty_and_is_written_anew(tmp_path: Path, damaged: str) -> None:
    file, document = tmp_path / "recent.json", tmp_path / "a.txt"
    file.write_text(damaged)
    document.touch()
    recent = RecentFiles(file)
    assert recent.paths() == []
    recent.add(document)
    assert json.loads(file.read_text()) == {"paths": [str(document)]}


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Path, homeless: None) -> None:
    (tmp_path / "file").touch()
    for recent in (RecentFiles(tmp_path / "file" / "recent.json"), RecentFiles()):
        recent.add(tmp_path / "file")
        assert recent.paths() == []


def test_a_name_is_as_short_as_one_would_type_it() -> None:
    here, home = Path("/home/ann/tales"), Path("/home/ann")
    names = [short_name(Path(path), here, home) for path in ("/home/ann/tales/a/b.txt", "/home/ann/c.txt", "/tmp/d")]
    assert names == ["a/b.txt", "~/c.txt", "/tmp/d"]
