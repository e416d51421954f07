"""`sedd doctor`, on a machine where all is well and in a package that is damaged."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

import sedd_cli
from sedd_cli import Checkpoint
from sedd_cli.cli.doctor import _installer
from sedd_cli.models import names
from tests.conftest import Sedd

PACKAGE = Path(sedd_cli.__file__).parent


def test_all_is_well(sedd: Sedd, built_in: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    done = sedd("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.code == 0 and "pip uninstall sedd-cli" in done.stderr
    assert report["versions"]["sedd-cli"] == sedd_cli.__version__ and "torch" in report["versions"]
    assert report["machine"]["available"][0] == "cpu" and report["machine"]["threads"] >= 1
    dtypes = report["dtypes"]
    fastest = min(dtypes["seconds"], key=dtypes["seconds"].get)
    assert set(dtypes["seconds"]) == {"float32", "bfloat16", "int8"} and dtypes["advised"] in (fastest, "float32")
    assert dtypes["over_float32"]["int8"] == dtypes["seconds"]["float32"] / dtypes["seconds"]["int8"]
    assert report["checkpoint"] == {"name": "tinystories", "sha256": built_in.hash}
    checks = [c for c in report["self_test"] if c["device"] == "cpu"]
    assert [c["name"] for c in checks] == ["weights", "log scores", "rows"] and all(c["passed"] for c in checks)
    # Every path that is used, and none is made.
    paths = report["paths"]
    assert set(paths) == {"package", "settings", "recovery", "hub cache"}
    assert paths["package"] == {"path": str(PACKAGE), "exists": True}
    if sys.platform == "linux":
        assert paths["settings"]["path"] == str(tmp_path / "XDG_CONFIG_HOME" / "sedd" / "settings.toml")
        assert paths["recovery"] == {"path": str(tmp_path / "XDG_STATE_HOME" / "sedd" / "recovery"), "exists": False}
    assert not any(tmp_path.iterdir())


def test_text_and_paths_that_cannot_be_used_with_their_reason(
    sedd: Sedd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("x" * 300)))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(file / "hub"))
    done = sedd("doctor", "--device", "cpu", "-q")
    lines = done.stdout.decode().splitlines()
    assert done.code == 0 and done.stderr == ""
    assert f"sedd-cli {sedd_cli.__version__}" in lines and "dtype: float32" in lines
    assert f"package: {PACKAGE}" in lines
    assert "self-test on cpu: weights passed: whole, as shipped" in lines
    at = lines.index("threads: 1") + 1
    assert lines[at].startswith("on this CPU take --dtype ") and lines[at + 1].startswith("int8: ")
    assert lines[at + 2].endswith(" times as fast, in half to two thirds of it")
    assert lines[-1] == f"hub cache: {file / 'hub'} (cannot be made: {file} is a file)"
    if sys.platform == "linux":
        assert lines[-3].endswith(f"(cannot be made: {file} is a file)") and lines[-2].endswith("(File name too long)")


def test_without_a_home(sedd: Sedd, homeless: None) -> None:
    done = sedd("doctor", "-q")
    assert done.code == 0, done.stderr
    assert done.stdout.decode().splitlines()[-3:] == [
        f"{name}: none (this user has no home folder)" for name in ("settings", "recovery", "hub cache")
    ]


def test_a_device_that_is_not_there(sedd: Sedd) -> None:
    done = sedd("doctor", "--device", "cuda:99")
    assert done.code == 2 and done.stdout == b""


def perturb(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    weights["blocks.3.attn_out.weight"][0, 0] += 1
    save_file(weights, checkpoint / "model.safetensors")


def cut(checkpoint: Path) -> None:
    os.truncate(checkpoint / "model.safetensors", 1000)


def forget(checkpoint: Path) -> None:
    (checkpoint / "self_test.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"), [(cut, "cannot read"), (forget, "record FAILED"), (perturb, "log scores FAILED")]
)
def test_a_damaged_checkpoint_fails(
    sedd: Sedd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], said: str
) -> None:
    shutil.copytree(PACKAGE / "checkpoints", tmp_path / "checkpoints")
    damage(tmp_path / "checkpoints" / "tinystories")
    monkeypatch.setattr(names, "_BUILT_IN", tmp_path / "checkpoints")
    done = sedd("doctor", "--device", "cpu")
    assert done.code == 1 and said in done.stdout.decode(), done.stderr


@pytest.mark.parametrize(
    ("record", "installer"), [("pipx_metadata.json", "pipx"), ("uv-receipt.toml", "uv tool"), ("pyvenv.cfg", "pip")]
)
def test_it_is_removed_by_what_installed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str, installer: str
) -> None:
    (tmp_path / record).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert _installer() == installer
