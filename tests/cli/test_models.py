"""`sedd models`: what is listed, shown and deleted, of a hub's cache made by hand."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file

from sedd_cli.cli.completion import model_names
from sedd_cli.cli.models import table
from sedd_cli.models.names import PUBLIC_CHECKPOINTS
from tests.conftest import PARITY, Sedd

FIRST, SECOND = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.delenv("SEDD_MODEL", raising=False)
    return folder


def put(cache: Path, name: str, commit: str = FIRST, ref: str | None = "main", kind: str = "radd") -> Path:
    """A repository in the cache, laid out as huggingface_hub does."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "model.safetensors"):
        blob = repository / "blobs" / f"{commit[:4]}{file}"
        blob.write_bytes((PARITY / kind / file).read_bytes())
        (snapshot / file).symlink_to(Path("../../blobs") / blob.name)
    if ref is not None:
        (repository / "refs" / ref).write_text(commit)
    return snapshot


def test_without_a_cache_it_lists_the_built_in_and_the_known(sedd: Sedd, cache: Path) -> None:
    assert not cache.exists()
    listed = sedd("models", "list").stdout.decode().splitlines()
    assert listed[0].split() == ["tinystories", "built", "in", "21.6", "MB", "RADD,", "the", "default"]
    assert listed[1].split()[:3] == ["tinystories-sedd", "built", "in"] and listed[1].split()[-1] == "SEDD"
    assert [line.split()[:2] for line in listed[2:]] == [[name, "hub"] for name in PUBLIC_CHECKPOINTS]
    assert not cache.exists()


def test_a_narrow_terminal_shows_a_checkpoint_in_two_lines(sedd: Sedd, cache: Path) -> None:
    put(cache, "some/radd")
    rows = json.loads(sedd("models", "list", "--json").stdout)["models"]
    assert table(rows) == table(rows, 1000) == sedd("models", "list").stdout.decode()
    lines = table(rows, 80).splitlines()
    assert max(map(len, lines)) <= 80 and lines[::2] == [row["name"] for row in rows]
    assert lines[1] == "    built in, 21.6 MB, RADD, the default"
    assert lines[5].startswith("    cache, ") and lines[5].endswith(", aaaaaaaaaaaa main")
    assert lines[7] == "    hub, 170M: English web text, SEDD (2310.16834)"


def test_a_cache_that_cannot_be_read_is_noted_once(
    sedd: Sedd, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.touch()
    listed = sedd("models", "list", "--names")
    assert (
        listed.code == 0
        and len(listed.stdout.split()) == 2 + len(PUBLIC_CHECKPOINTS)
        and len(listed.stderr.splitlines()) == 1
    )
    assert "cannot read the hub's cache" in listed.stderr
    assert model_names() == ["tinystories", "tinystories-sedd"]


def test_without_a_home_there_is_no_cache(
    sedd: Sedd, homeless: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = sedd("models", "list", "--names")
    assert listed.code == 0 and len(listed.stdout.split()) == 2 + len(PUBLIC_CHECKPOINTS) and "HF_HOME" in listed.stderr
    for command in (("download",), ("generate", "-m"), ("models", "rm", "--yes")):
        refused = sedd(*command, "some/radd")
        assert refused.code == 1 and "this user has no home folder" in refused.stderr
    assert not any(tmp_path.iterdir())


def test_list(sedd: Sedd, cache: Path) -> None:
    snapshot = put(cache, "louaaron/sedd-small", kind="absorb")
    put(cache, "some/radd", ref=None)
    other = put(cache, "bert/base")
    (other / "config.json").unlink()
    (other / "config.json").write_text('{"architectures": ["Bert"]}')
    names = sedd("models", "list", "--names").stdout.decode().split()
    assert names[:4] == ["tinystories", "tinystories-sedd", "louaaron/sedd-small", "some/radd"] and len(
        names
    ) == 3 + len(PUBLIC_CHECKPOINTS)
    assert "louaaron/sedd-small" not in names[4:]
    row = json.loads(sedd("models", "list", "--json").stdout)["models"][2]
    assert row["where"] == "cache" and row["revisions"] == ["main"] and row["commit"] == FIRST
    assert row["path"] == str(snapshot) and row["bytes"] > 10_000 and "2310.16834" in row["about"]
    assert f"{FIRST[:12]} main" in sedd("models", "list").stdout.decode()


def test_what_loads_is_listed_and_deleted_though_another_file_is_gone(sedd: Sedd, cache: Path) -> None:
    snapshot = put(cache, "some/radd")
    (snapshot / "README.md").symlink_to("../../blobs/gone")
    assert sedd("models", "path", "some/radd").stdout.decode() == f"{snapshot}\n"
    row = json.loads(sedd("models", "list", "--json").stdout)["models"][2]
    assert (row["name"], row["where"], row["revisions"]) == ("some/radd", "cache", ["main"])
    assert sedd("models", "rm", "some/radd", "--yes").code == 0 and not list(cache.iterdir())


@pytest.mark.parametrize("gone", ["model.safetensors", "config.json", "tokenizer.json", "snapshots"])
def test_what_a_download_left_is_listed_and_deleted(sedd: Sedd, cache: Path, gone: str) -> None:
    snapshot = put(cache, "some/radd")
    repository = snapshot.parent.parent
    if gone == "snapshots":
        shutil.rmtree(repository / "snapshots")
    else:
        (snapshot / gone).unlink(missing_ok=True)
        (snapshot / gone).symlink_to("../../blobs/gone")
    (repository / "blobs" / "gone.incomplete").write_bytes(bytes(100_000))
    row = json.loads(sedd("models", "list", "--json").stdout)["models"][2]
    assert (row["name"], row["where"], row["commit"]) == ("some/radd", "cache, in part", FIRST)
    assert row["bytes"] > 100_000 and row["revisions"] == ["main"]
    refused = sedd("models", "path", "some/radd")
    assert refused.code == 3 and "some/radd is incomplete in the hub's cache" in refused.stderr
    done = sedd("models", "rm", "some/radd", "--yes")
    assert done.code == 0 and "kB freed" in done.stderr and not list(cache.iterdir())


def test_show(sedd: Sedd, cache: Path) -> None:
    built_in = json.loads(sedd("models", "show", "tinystories", "--json").stdout)
    assert built_in["where"] == "built in" and built_in["form"] == "RADD" and len(built_in["sha256"]) == 64
    assert built_in["config"]["provenance"]["bound"]["nats_per_token"] < 3.1
    assert "config.model.hidden_size: 256\n" in sedd("models", "show", "tinystories").stdout.decode()
    folder = json.loads(sedd("models", "show", str(PARITY / "absorb"), "--json").stdout)
    assert folder["where"] == "folder" and folder["form"] == "SEDD"
    weights = load_file(PARITY / "absorb" / "model.safetensors").values()
    assert folder["parameters"] == sum(w.numel() for w in weights) and folder["mask"] == folder["config"]["tokens"]
    by_blocks = json.loads(sedd("models", "show", str(PARITY / "a2d-qwen3-block8"), "--json").stdout)
    assert by_blocks["block_size"] == 8 and "block_size" not in folder
    known = sedd("models", "show", "louaaron/sedd-small")
    assert known.code == 0 and b"fetch: sedd download louaaron/sedd-small" in known.stdout
    dream = json.loads(sedd("models", "show", "Dream-org/Dream-v0-Base-7B", "--json").stdout)
    assert (dream["parameters"], dream["mask"], dream["logits"]) == ("7B", "151666", "of the next position")
    put(cache, "louaaron/sedd-small", kind="absorb")
    cached = json.loads(sedd("models", "show", "louaaron/sedd-small", "--json").stdout)
    assert cached["where"] == "cache" and cached["commit"] == FIRST and cached["sha256"] == folder["sha256"]
    assert sedd("models", "show", "no-such").code == 3


def test_path(sedd: Sedd, cache: Path) -> None:
    snapshot = put(cache, "some/radd")
    put(cache, "some/radd", SECOND, ref="v2")
    assert sedd("models", "path", "some/radd").stdout.decode() == f"{snapshot}\n"
    assert sedd("models", "path", "some/radd@v2").stdout.decode() == f"{snapshot.with_name(SECOND)}\n"
    assert sedd("models", "path", "tinystories").stdout.decode().endswith("/checkpoints/tinystories\n")
    missing = sedd("models", "path", "some/other")
    assert missing.code == 3 and missing.stdout == b"" and "sedd download some/other" in missing.stderr


def test_rm_deletes_that_repository_and_nothing_else(sedd: Sedd, cache: Path) -> None:
    put(cache, "some/radd")
    put(cache, "some/radd", SECOND, ref="v2")
    # A copy made on the hub has the same commits.
    twin = put(cache, "other/radd")
    (cache / "models--bert").mkdir()
    done = sedd("models", "rm", "some/radd", "--yes")
    assert done.code == 0 and "deleted some/radd" in done.stderr and "freed" in done.stderr
    assert sorted(p.name for p in cache.iterdir()) == ["models--bert", "models--other--radd"]
    assert (twin / "model.safetensors").is_file()
    assert sedd("models", "rm", "some/radd", "--yes").code == 3


@pytest.mark.parametrize("name", ["tinystories", str(PARITY / "absorb"), "some/radd@main", "nothing"])
def test_rm_refuses(sedd: Sedd, cache: Path, name: str) -> None:
    put(cache, "some/radd")
    refused = sedd("models", "rm", name, "--yes")
    assert refused.code == 2 and refused.stdout == b""
    assert (cache / "models--some--radd").is_dir()


def test_rm_does_not_delete_unasked(sedd: Sedd, cache: Path) -> None:
    put(cache, "some/radd")
    refused = sedd("models", "rm", "some/radd")
    assert refused.code == 2 and "--yes" in refused.stderr
    assert (cache / "models--some--radd").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_rm_asks(cache: Path, answer: str, code: int) -> None:
    put(cache, "some/radd")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "sedd_cli", "models", "rm", "some/radd"]
    with subprocess.Popen(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env={**os.environ, "HF_HUB_CACHE": str(cache)}
    ) as process:
        os.close(theirs)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(ours, 1000)
        os.write(ours, f"{answer}\n".encode())
        assert process.wait(timeout=60) == code
        assert process.stdout is not None and process.stdout.read() == b""
    os.close(ours)
    assert b"some/radd" in said and b"kB" in said
    assert (cache / "models--some--radd").is_dir() == (code != 0)


def test_names_complete_in_the_shell(cache: Path) -> None:
    put(cache, "some/radd")
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "_SEDD_COMPLETE": "complete_zsh"}

    def completed(line: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "sedd_cli"],
            capture_output=True,
            text=True,
            env={**environment, "_TYPER_COMPLETE_ARGS": line},
        ).stdout

    offered = completed("sedd generate -m ")
    assert "tinystories" in offered and "some/radd" in offered and "louaaron" not in offered
    assert "louaaron/sedd-small" in completed("sedd download lou")


def test_what_a_config_says_is_shown_inert(sedd: Sedd, tmp_path: Path) -> None:
    config = json.loads((PARITY / "radd" / "config.json").read_text())
    config["provenance"] = {"data": "\x1b]0;gone\x07[red]text[/red]"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((PARITY / "radd" / "model.safetensors").read_bytes())
    shown = sedd("models", "show", str(tmp_path)).stdout.decode()
    assert "[red]text[/red]" in shown and "\x1b" not in shown and "\x07" not in shown
