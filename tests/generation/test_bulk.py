"""Many samples in a folder: the same lines however many processes write them, and however often they are stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli import generate, load_checkpoint
from sedd_cli.lock import LOCK_FILE
from tests.conftest import PARITY, Sedd
from tests.processes import by_two, torchrun

TINY = ["generate", "-m", str(PARITY / "radd"), "--device", "cpu", "--steps", "8", "--length", "8", "--seed", "3"]


def lines(folder: Path) -> list[bytes]:
    """Of all shards, by row."""
    found = b"".join(shard.read_bytes() for shard in folder.glob("shard-*.jsonl")).splitlines(keepends=True)
    return sorted(found, key=lambda line: int(json.loads(line)["row"]))


@pytest.fixture
def whole(sedd: Sedd, tmp_path: Path) -> list[bytes]:
    """Eleven rows by one process."""
    folder = tmp_path / "whole"
    assert sedd(*TINY, "-n", "11", "-o", f"{folder}/").code == 0
    return lines(folder)


def test_lines_are_the_samples_of_the_library(whole: list[bytes]) -> None:
    samples = generate(load_checkpoint(PARITY / "radd"), steps=8, length=8, seed=3, num_samples=11)
    assert [json.loads(line) for line in whole] == [
        {"row": s.row, "seed": 3, "nfe": s.nfe, "text": s.text, "ids": s.ids.tolist()} for s in samples
    ]


def kill_while_writing(shard: Path) -> None:
    """What a process that is killed leaves: its last line is not whole."""
    shard.write_bytes(shard.read_bytes()[:-20])


@pytest.mark.slow
def test_two_processes_write_what_one_does_and_one_goes_on(whole: list[bytes], sedd: Sedd, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    done = by_two([*TINY, "-n", "11", "-o", f"{folder}/"], "sedd_cli.generation.engine")
    assert done.returncode == 0, done.stderr
    shards = sorted(folder.glob("shard-*"))
    assert [s.name for s in shards] == ["shard-00000-of-00002.jsonl", "shard-00001-of-00002.jsonl"]
    assert [s.read_bytes().count(b"\n") for s in shards] == [6, 5]
    assert lines(folder) == whole
    assert done.stderr.count("11 samples in") == 1, "one process talks"
    kill_while_writing(shards[1])
    resumed = sedd(*TINY, "-n", "11", "-o", f"{folder}/")
    assert resumed.code == 0 and "10 of 11 there already" in resumed.stderr
    assert lines(folder) == whole


def test_a_folder_is_gone_on_with(whole: list[bytes], sedd: Sedd, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    assert sedd(*TINY, "-n", "4", "--row", "2", "-o", f"{folder}/").code == 0
    kill_while_writing(folder / "shard-00000-of-00001.jsonl")
    resumed = sedd(*TINY, "-n", "11", "-o", f"{folder}/")
    assert resumed.code == 0 and "3 of 11 there already" in resumed.stderr
    assert lines(folder) == whole
    again = sedd(*TINY[:-2], "-n", "11", "-o", str(folder))  # any seed: that of the folder
    assert again.code == 0 and "seed 3, 11 of 11 there already" in again.stderr
    assert lines(folder) == whole


def test_a_folder_of_a_version_without_some_options_is_gone_on_with(sedd: Sedd, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    assert sedd(*TINY, "-n", "2", "-o", f"{folder}/").code == 0
    record = json.loads((folder / "settings.json").read_text())
    del record["settings"]["order"], record["settings"]["correct"], record["settings"]["block"]
    (folder / "settings.json").write_text(json.dumps(record))
    refused = sedd(*TINY, "-n", "4", "-o", str(folder), "--correct", "2")
    assert refused.code == 2 and "other settings: correct" in refused.stderr
    assert sedd(*TINY, "-n", "4", "-o", str(folder)).code == 0


@pytest.mark.slow
def test_two_processes_go_on_with_the_folder_of_one(whole: list[bytes], sedd: Sedd, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    assert sedd(*TINY, "-n", "4", "--row", "2", "-o", f"{folder}/").code == 0
    kill_while_writing(folder / "shard-00000-of-00001.jsonl")
    done = torchrun([*TINY, "-n", "11", "-o", f"{folder}/"])
    assert done.returncode == 0 and "3 of 11 there already" in done.stderr
    assert lines(folder) == whole


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "9"], "holds samples of other settings: steps"),
        (["--seed", "4", "--temperature", "0.5"], "holds samples of other settings: seed, temperature"),
        (["-m", str(PARITY / "absorb")], "holds samples of other settings: checkpoint"),
    ],
)
def test_other_settings_are_refused_by_name(
    more: list[str], message: str, whole: list[bytes], sedd: Sedd, tmp_path: Path
) -> None:
    refused = sedd(*TINY, *more, "-n", "12", "-o", f"{tmp_path}/whole/")
    assert refused.code == 2 and message in refused.stderr
    assert lines(tmp_path / "whole") == whole


def test_folders_that_cannot_be_used(whole: list[bytes], sedd: Sedd, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    refused = sedd(*TINY, "-o", str(tmp_path / "letters"))
    assert refused.code == 2 and "holds other files" in refused.stderr
    assert "is a file, not a folder" in sedd(*TINY, "-o", f"{tmp_path}/letters/dear.txt/").stderr
    assert "the model's own law" in sedd(*TINY, "--temperature", "0.5", "-o", f"{tmp_path}/sharp/").stderr
    assert sedd(*TINY, "--trace", str(tmp_path / "t"), "-o", f"{tmp_path}/new/").code == 2
    assert not (tmp_path / "new").exists()
    shard = tmp_path / "whole" / "shard-00000-of-00001.jsonl"
    shard.write_bytes(b"nonsense\n" + shard.read_bytes())
    refused = sedd(*TINY, "-n", "11", "-o", f"{tmp_path}/whole/")
    assert refused.code == 3 and "is damaged at line 1" in refused.stderr


HOLD = """
import sys
from pathlib import Path
from sedd_cli.lock import file_lock
with file_lock(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_another_run_writes_to_is_refused_until_that_is_gone(sedd: Sedd, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    assert sedd(*TINY, "-n", "2", "-o", f"{folder}/").code == 0
    command = [sys.executable, "-c", HOLD, str(folder / LOCK_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"True\n"
        refused = sedd(*TINY, "-n", "3", "-o", f"{folder}/")
        other.kill()
    assert refused.code == 2 and "another run is writing to" in refused.stderr
    assert [json.loads(line)["row"] for line in lines(folder)] == [0, 1]
    assert sedd(*TINY, "-n", "3", "-o", f"{folder}/").code == 0
    assert [json.loads(line)["row"] for line in lines(folder)] == [0, 1, 2]
