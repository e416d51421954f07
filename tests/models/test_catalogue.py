"""What there is to choose from: built in, in folders, in the hub's cache, on the hub."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from sedd_cli import Checkpoint
from sedd_cli.models.catalogue import Listed, checkpoints
from sedd_cli.models.names import PUBLIC_CHECKPOINTS
from sedd_cli.ranges import size_label
from tests.cli.test_models import FIRST, SECOND, put
from tests.conftest import PARITY


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def named(listed: list[Listed], where: str) -> list[str]:
    return [one.label for one in listed if one.where == where]


def test_what_is_built_in_comes_first_and_what_is_known_last(built_in: Checkpoint, cache: Path, root: Path) -> None:
    listed, error = checkpoints(root)
    first = listed[0]
    assert (first.name, first.where, first.there) == ("tinystories", "built in", True)
    assert first.parameters == size_label(built_in.parameters)
    assert first.about == "children's stories, RADD" and first.bytes > 10**7 and error is None
    assert [one.name for one in listed[2:]] == list(PUBLIC_CHECKPOINTS) == named(listed, "hub")
    assert not any(one.there for one in listed[2:]) and listed[2].parameters == "170M"


def test_folders_are_found_below_the_given_one_if_they_load(cache: Path, root: Path) -> None:
    shutil.copytree(PARITY / "radd", root / "runs" / "mine")
    shutil.copytree(PARITY / "absorb", root / ".hidden")
    shutil.copytree(PARITY / "absorb", root / "runs" / "deeper" / "still")
    shutil.copytree(PARITY / "absorb", root / "half")
    (root / "half" / "model.safetensors").unlink()
    (root / "other").mkdir()
    (root / "other" / "config.json").write_text('{"architectures": ["Bert"]}')
    listed, _ = checkpoints(root)
    assert named(listed, "folder") == [str(Path("runs", "mine"))]
    mine = next(one for one in listed if one.where == "folder")
    assert mine.name == str(root / "runs" / "mine") and mine.parameters == "29k" and mine.there


def test_of_the_cache_what_loads_comes_before_what_is_there_in_part(cache: Path, root: Path) -> None:
    (put(cache, "a/part") / "model.safetensors").unlink()
    put(cache, "louaaron/sedd-small", kind="absorb")
    put(cache, "some/radd")
    put(cache, "some/radd", SECOND, ref="v2")
    # A newer revision of it, of which only the config has come.
    (put(cache, "some/radd", "c" * 40, ref=None) / "model.safetensors").unlink()
    listed, _ = checkpoints(root)
    assert named(listed, "downloaded") == ["louaaron/sedd-small", "some/radd", f"some/radd@{SECOND[:7]}"]
    assert named(listed, "in part") == ["a/part"]
    small = next(one for one in listed if one.name == "louaaron/sedd-small")
    assert small.about == PUBLIC_CHECKPOINTS[small.name].use and small.folder is not None
    assert small.folder.name == FIRST and "louaaron/sedd-small" not in named(listed, "hub")


def test_a_cache_that_cannot_be_read_is_said(cache: Path, root: Path) -> None:
    cache.touch()
    listed, error = checkpoints(root)
    assert len(listed) == 2 + len(PUBLIC_CHECKPOINTS) and error is not None and "hub's cache" in str(error)
