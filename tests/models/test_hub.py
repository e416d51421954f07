"""Checkpoints fetched from a hub on loopback, and what can go wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save
from torch import Tensor

from sedd_cli.training.vocabulary import make_tokenizer
from tests import hub as loopback
from tests.conftest import PARITY, Sedd, limited
from tests.hub import Files, Hub, git_sha1, sha256

SEDD = [sys.executable, "-m", "sedd_cli"]
NAME = "someone/tiny"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hub"


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    return loopback.environment(hub, tmp_path / "home")


@pytest.fixture
def run(environment: dict[str, str], sedd: Sedd) -> Run:
    """Run the command in this process."""

    def run(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with loopback.variables(environment | variables):
            done = sedd(*args)
        return subprocess.CompletedProcess(args, done.code, done.stdout.decode(), done.stderr)

    return run


@pytest.fixture
def start(environment: dict[str, str]) -> Run:
    """Run the command in a process of its own."""

    def start(*args: str, limit: int | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [*SEDD, *args]
        return subprocess.run(
            command if limit is None else limited(command, limit),
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


def files(name: str = "absorb") -> Files:
    """A tiny checkpoint, and something beside it that nobody needs."""
    folder = PARITY / name
    wanted = {file: (folder / file).read_bytes() for file in ("config.json", "model.safetensors")}
    return {**wanted, "README.md": b"# tiny\n", "flax_model.msgpack": b"0" * 1000}


def changed(data: Files, **model: object) -> Files:
    config = json.loads(data["config.json"])
    config["model"].update(model)
    return {**data, "config.json": json.dumps(config).encode()}


def weights_of(data: Files) -> str:
    return sha256(data["model.safetensors"])


def failed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It failed as it should: nothing on stdout, and an error of two lines that says this."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    said = done.stderr[done.stderr.index("error: ") :]
    assert len(said.splitlines()) == 2 and "Traceback" not in done.stderr
    for word in words:
        assert word in said


def left_in(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete"))


def test_download_fetches_what_is_needed_and_prints_the_folder(hub: Hub, run: Run, cache: Path) -> None:
    commit = hub.add(NAME, files())
    done = run("download", NAME)
    folder = Path(done.stdout.removesuffix("\n"))
    assert done.returncode == 0 and folder == cache / "models--someone--tiny" / "snapshots" / commit
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert commit in done.stderr and "kB" in done.stderr
    assert not hub.gets("README") and not hub.gets("flax")
    before = len(hub.asked)
    told = json.loads(run("generate", "-m", NAME, "--json", "--steps", "4", "-q").stdout)
    assert told["model"] == {"name": NAME, "sha256": weights_of(files()), "precision": "float32"}
    assert len(hub.asked) == before  # what is in the cache needs no network


def test_a_network_of_another_family_comes_with_the_files_that_name_its_mask(hub: Hub, run: Run) -> None:
    folder = PARITY / "a2d-qwen3"
    data = {file: (folder / file).read_bytes() for file in ("config.json", "model.safetensors")}
    added = {"mask_token": "<|mask|>", "added_tokens_decoder": {"117": {"content": "<|mask|>"}}}
    hub.add(NAME, {**data, "tokenizer_config.json": json.dumps(added).encode(), "modeling.py": b"1 / 0"})
    assert run("download", NAME).returncode == 0 and not hub.gets("modeling.py")
    told = json.loads(run("generate", "-m", NAME, "--json", "--steps", "4", "--length", "16", "-q").stdout)
    assert 117 not in told["samples"][0]["ids"]
    named, ids = {"mask_token": "<|mask|>"}, {"added_tokens": [{"content": "<|mask|>", "id": 117}]}
    files_of_5 = {"tokenizer_config.json": json.dumps(named).encode(), "tokenizer.json": json.dumps(ids).encode()}
    hub.add("someone/five", {**data, **files_of_5})
    assert run("download", "someone/five").returncode == 0, "as transformers 5 saves it"
    hub.add("someone/chat", data)
    failed(run("download", "someone/chat"), 3, "names the token that is MASK")
    assert not [line for line in hub.gets("cdn") if "chat" in line]


def test_an_autoregressive_network_is_fetched_to_train_from_it(hub: Hub, run: Run) -> None:
    config = json.loads((PARITY / "a2d-llama" / "config.json").read_text()) | {"model_type": "llama"}
    weights = (PARITY / "a2d-llama" / "model.safetensors").read_bytes()
    hub.add(NAME, {"config.json": json.dumps(config).encode(), "model.safetensors": weights})
    assert run("download", NAME).returncode == 0 and NAME in run("models", "list").stdout
    failed(run("generate", "-m", NAME), 3, "autoregressive llama", "sedd train TEXT --from")


def test_a_hub_that_tells_no_sizes(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    hub.terse = True
    done = run("download", NAME)
    assert done.returncode == 0 and "kB" in done.stderr
    hub.damaged.add(weights_of(files()))
    (Path(done.stdout.strip()) / "model.safetensors").resolve().unlink()
    failed(run("download", NAME), 3, "model.safetensors of someone/tiny is damaged")


def test_download_again_fetches_nothing_and_verifies(hub: Hub, run: Run) -> None:
    commit = hub.add(NAME, files())
    run("download", NAME)
    hub.asked.clear()
    told = json.loads(run("download", NAME, "--json", "-q").stdout)
    assert told["commit"] == commit and told["revision"] == "main" and told["name"] == NAME
    assert not hub.gets("cdn") and not hub.gets("resolve")
    for name, fetched in (("model.safetensors", "cdn"), ("config.json", "resolve")):
        blob = (Path(told["path"]) / name).resolve()
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        failed(run("download", NAME), 3, f"{name} of someone/tiny is damaged")
        assert run("download", NAME).returncode == 0 and hub.gets(fetched)


def test_pickled_weights_only_where_there_are_no_others(hub: Hub, run: Run, tmp_path: Path) -> None:
    torch.save(load_file(PARITY / "absorb" / "model.safetensors"), tmp_path / "weights")
    data = {**files(), "pytorch_model.bin": (tmp_path / "weights").read_bytes()}
    hub.add(NAME, data)
    run("download", NAME)
    assert len(hub.gets("cdn")) == 1 and hub.gets(weights_of(data))
    del data["model.safetensors"]
    hub.add("someone/old", data)
    folder = Path(run("download", "someone/old").stdout.strip())
    assert (folder / "pytorch_model.bin").is_file()
    assert run("generate", "-m", "someone/old", "--json", "--steps", "4").returncode == 0


def sharded(data: Files) -> Files:
    """The same checkpoint with its weights in two shards."""
    weights = load(data["model.safetensors"])
    shards = {f"model-0000{i + 1}-of-00002.safetensors": list(weights)[i::2] for i in range(2)}
    index = {"weight_map": {name: shard for shard, names in shards.items() for name in names}}
    parts = {shard: save({name: weights[name] for name in names}) for shard, names in shards.items()}
    others = {name: content for name, content in data.items() if name != "model.safetensors"}
    return {**others, **parts, "model.safetensors.index.json": json.dumps(index).encode()}


def test_shards_are_fetched_with_their_index(hub: Hub, run: Run) -> None:
    data = sharded(files())
    hub.add(NAME, data)
    done = run("download", NAME)
    folder = Path(done.stdout.strip())
    wanted = {name for name in data if name.startswith(("model", "config"))}
    assert {path.name for path in folder.iterdir()} == wanted and len(wanted) == 4
    assert "model-00001-of-00002.safetensors, model-00002-of-00002.safetensors" in done.stderr
    told = json.loads(run("generate", "-m", NAME, "--json", "--steps", "4", "-q").stdout)
    assert told["samples"][0]["ids"]
    assert "in part" not in run("models", "list").stdout
    hub.asked.clear()
    assert run("download", NAME).returncode == 0 and not hub.gets("cdn")
    (folder / "model-00002-of-00002.safetensors").resolve().unlink()
    failed(run("models", "path", NAME), 3, "incomplete", "weights", f"sedd download {NAME}")
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "in part" in run("models", "list").stdout
    assert run("download", NAME).returncode == 0 and len(hub.gets("cdn")) == 1


def test_a_repository_without_one_of_its_shards(hub: Hub, run: Run) -> None:
    data = sharded(files())
    del data["model-00002-of-00002.safetensors"]
    hub.add(NAME, data)
    failed(run("download", NAME), 3, "lacks model-00002-of-00002.safetensors, one of the 2 shards that")
    assert not hub.gets("cdn")


def test_a_cut_connection_is_resumed(hub: Hub, start: Run) -> None:
    # huggingface_hub takes 10 MiB at a time, and loses what it has of a piece.
    data = sized(tokens=100_000, hidden_size=16)
    hub.add(NAME, data)
    hub.cut_after[weights_of(data)] = 11 * 2**20
    done = start("download", NAME)
    assert done.returncode == 0, done.stderr
    assert [line.split()[2:] for line in hub.gets("cdn")] == [[], [f"bytes={10 * 2**20}-"]]
    assert (Path(done.stdout.strip()) / "model.safetensors").read_bytes() == data["model.safetensors"]
    assert "Trying to resume" not in done.stderr  # huggingface_hub's own words


@pytest.mark.parametrize(("name", "named"), [("model.safetensors", sha256), ("config.json", git_sha1)])
@pytest.mark.parametrize("terse", [False, True])
def test_a_damaged_file_is_refused_by_name_and_fetched_anew(
    hub: Hub, run: Run, cache: Path, name: str, named: Callable[[bytes], str], terse: bool
) -> None:
    data = files()
    hub.add(NAME, data)
    hub.terse = terse
    hub.damaged.add(sha256(data[name]))
    failed(run("download", NAME), 3, f"{name} of someone/tiny is damaged", named(data[name]), "try again")
    assert not any(p.stat().st_size == len(data[name]) for p in cache.rglob("*") if p.is_file())
    failed(run("models", "path", NAME), 3, f"sedd download {NAME}")
    hub.damaged.clear()
    assert run("download", NAME).returncode == 0


@pytest.mark.parametrize(
    ("status", "headers", "code", "words"),
    [
        (404, {"X-Error-Code": "RepoNotFound"}, 3, ["no repository someone/tiny", "HF_TOKEN"]),
        (401, {"X-Error-Code": "RepoNotFound"}, 3, ["no repository someone/tiny, or it is private", "HF_TOKEN"]),
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, 3, ["refuses access", "HF_TOKEN"]),
        (401, {"X-Error-Code": "GatedRepo"}, 3, ["is gated", "/someone/tiny", "HF_TOKEN"]),
        (403, {"X-Error-Code": "GatedRepo"}, 3, ["is gated", "/someone/tiny", "HF_TOKEN"]),
        (403, {}, 3, ["refuses access to someone/tiny (403)", "HF_TOKEN"]),
        (429, {}, 1, ["too many requests", "429", "HF_TOKEN"]),
        (503, {}, 1, ["503", "Try again"]),
    ],
)
def test_refusals(hub: Hub, run: Run, status: int, headers: dict[str, str], code: int, words: list[str]) -> None:
    hub.refusals[NAME] = (status, headers)
    failed(run("download", NAME), code, *words)


def test_names_that_are_none(hub: Hub, run: Run) -> None:
    failed(run("download", "tinystories"), 2, "not the name of a repository", "OWNER/NAME", "sedd models list")
    failed(run("download", f"{NAME}@a", "--revision", "b"), 2, "two revisions")
    failed(run("download", "some--one/tiny"), 2, "not the name of a repository")
    failed(run("models", "path", "runs/some--run"), 3, "neither built in nor a folder")
    assert hub.asked == []


def test_no_such_revision(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    failed(run("download", NAME, "--revision", "v9"), 3, "no revision 'v9'", "commits")


def test_a_token_is_sent(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    hub.token = "hf_secret"
    failed(run("download", NAME), 3, "HF_TOKEN")
    done = run("download", NAME, HF_TOKEN="hf_secret")
    assert done.returncode == 0 and "hf_secret" not in done.stderr
    assert hub.gets("cdn") and not hub.leaked


def test_a_slow_server(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    answered = threading.Event()
    hub.hang = answered.wait
    try:
        failed(run("download", NAME, HF_HUB_ETAG_TIMEOUT="1"), 1, "did not answer in time", "HF_HUB_ETAG_TIMEOUT")
    finally:
        answered.set()


@pytest.mark.slow
def test_weights_that_never_come(hub: Hub, run: Run, cache: Path) -> None:
    # huggingface_hub tries six times.
    hub.add(NAME, files())
    answered = threading.Event()
    hub.hang = lambda: hub.asked[-1].startswith("GET cdn") and answered.wait()
    try:
        failed(
            run("download", NAME, HF_HUB_DOWNLOAD_TIMEOUT="1"), 1, "did not answer in time", "HF_HUB_DOWNLOAD_TIMEOUT"
        )
    finally:
        answered.set()
    assert left_in(cache) == []


def test_control_c_leaves_nothing_half_done(hub: Hub, run: Run, environment: dict[str, str], cache: Path) -> None:
    hub.add(NAME, files())
    asked, answered = threading.Event(), threading.Event()

    def hang() -> None:
        if hub.asked[-1].startswith("GET cdn"):
            asked.set()
            answered.wait()

    hub.hang = hang
    process = subprocess.Popen([*SEDD, "download", NAME], env=environment, stderr=subprocess.PIPE, text=True)
    assert asked.wait(60)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    answered.set()
    assert process.returncode == 130 and "Traceback" not in errors
    assert left_in(cache) == []
    hub.hang = None
    assert run("download", NAME).returncode == 0


def test_nobody_answers(start: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        failed(start("download", NAME, HF_ENDPOINT=endpoint), 1, endpoint, "refused", "HF_ENDPOINT")


def test_somebody_else_answers(hub: Hub, run: Run) -> None:
    hub.refusals[NAME] = (200, {"Content-Type": "text/html"})
    failed(run("download", NAME), 1, "does not answer like the hub")


def test_disk_full(hub: Hub, run: Run, start: Run, cache: Path) -> None:
    data = files()
    hub.add(NAME, data)
    failed(start("download", NAME, limit=20_000), 1, "no space in the hub's cache", str(cache), "HF_HOME")
    assert left_in(cache) == []
    assert run("download", NAME).returncode == 0


def test_a_cache_that_cannot_be_written(hub: Hub, run: Run, tmp_path: Path) -> None:
    hub.add(NAME, files())
    (tmp_path / "file").touch()
    failed(run("download", NAME, HF_HOME=str(tmp_path / "file")), 1, "cannot read or write", "HF_HOME")


def test_another_architecture_is_refused_before_its_weights_are_fetched(hub: Hub, run: Run) -> None:
    config = {"architectures": ["BertForMaskedLM"], "hidden_size": 768, "vocab_size": 30522}
    hub.add(NAME, {**files(), "config.json": json.dumps(config).encode()})
    failed(run("download", NAME), 3, "has the architecture ['BertForMaskedLM'], which is no masked diffusion model")
    assert not hub.gets("cdn")
    assert NAME not in run("models", "list").stdout


def test_what_is_not_read_is_refused_before_its_weights_are_fetched(hub: Hub, run: Run) -> None:
    plain = {file: (PARITY / "a2d-qwen3" / file).read_bytes() for file in ("config.json", "model.safetensors")}
    quantised = {**json.loads(plain["config.json"]), "quantization_config": {"quant_method": "awq"}}
    hub.add("a/awq", {**plain, "config.json": json.dumps(quantised).encode()})
    failed(run("download", "a/awq"), 3, "are quantised (awq)", "--dtype int8")
    hub.add("a/pieces", {**plain, "tokenizer.model": b"pieces"})
    failed(run("download", "a/pieces"), 3, "a/pieces is SentencePiece")
    assert not hub.gets("cdn")


def test_a_disk_that_is_too_small_is_named_first(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(NAME, files())
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    failed(run("download", NAME), 1, "are free on the disk of", "HF_HOME")
    assert not hub.gets("cdn")


def test_a_repository_without_weights(hub: Hub, run: Run) -> None:
    data = files()
    del data["model.safetensors"]
    hub.add(NAME, data)
    failed(run("download", NAME), 3, "holds no checkpoint that sedd reads: it has no model.safetensors")


def test_a_config_that_lies(hub: Hub, run: Run) -> None:
    hub.add(NAME, changed(files(), n_blocks=3))
    assert run("download", NAME).returncode == 0
    failed(run("generate", "-m", NAME), 3, "config.json and weights in", "disagree", "blocks.2")


def test_revisions_are_kept_apart(hub: Hub, run: Run) -> None:
    old, new = files("absorb"), files("uniform")
    first = hub.add(NAME, old)
    hub.repositories[NAME].refs["v1"] = first
    assert run("download", NAME, "--revision", "v1").returncode == 0
    # A pin is a pin: main was never fetched.
    failed(run("models", "path", NAME), 3, f"{NAME}@{first}", f"sedd download {NAME}")

    def hash_of(name: str) -> str:
        done = run("models", "show", name, "--json")
        return str(json.loads(done.stdout)["sha256"]) if done.returncode == 0 else done.stderr

    run("download", NAME)
    second = hub.add(NAME, new)
    assert hash_of(NAME) == weights_of(old)  # main as it was fetched, until it is fetched again
    assert run("download", NAME).returncode == 0
    assert hash_of(NAME) == weights_of(new)
    assert hash_of(f"{NAME}@v1") == hash_of(f"{NAME}@{first}") == weights_of(old)
    listed = json.loads(run("models", "list", "--json").stdout)["models"]
    assert {r["commit"]: r["revisions"] for r in listed if r["name"] == NAME} == {first: ["v1"], second: ["main"]}


def test_offline(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    failed(run("download", NAME, HF_HUB_OFFLINE="1"), 3, "HF_HUB_OFFLINE", "not in the hub's cache")
    assert hub.asked == []
    path = run("download", NAME).stdout
    hub.asked.clear()
    done = run("download", NAME, HF_HUB_OFFLINE="1")
    assert done.stdout == path and "not verified" in done.stderr
    assert run("generate", "-m", NAME, "--json", "--steps", "4", HF_HUB_OFFLINE="1").returncode == 0
    assert hub.asked == []


def test_a_cache_with_parts_missing(hub: Hub, run: Run, cache: Path) -> None:
    hub.add(NAME, files())
    folder = Path(run("download", NAME).stdout.strip())
    (folder / "model.safetensors").resolve().unlink()
    failed(run("models", "path", NAME), 3, "incomplete", "weights", f"sedd download {NAME}")
    (folder / "model.safetensors").unlink()
    assert "in part" in run("models", "list").stdout
    assert run("download", NAME).returncode == 0
    (folder / "config.json").unlink()
    failed(run("models", "path", NAME), 3, "config.json missing")


@pytest.mark.slow
def test_two_downloads_of_one_model_at_once(hub: Hub, environment: dict[str, str]) -> None:
    data = files()
    hub.add(NAME, data)
    both = threading.Barrier(2, timeout=60)
    # Both have to have asked for the weights' address before either gets an answer.
    first_heads = iter(range(2))

    def hang() -> None:
        if hub.asked[-1].startswith("HEAD") and next(first_heads, None) is not None:
            both.wait()

    hub.hang = hang
    command = [*SEDD, "download", NAME]
    pair = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outs = [process.communicate(timeout=120)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0] and outs[0] == outs[1]
    assert (Path(outs[0].strip()) / "model.safetensors").read_bytes() == data["model.safetensors"]
    assert len(hub.gets("cdn")) == 1


def sized(tokens: int, hidden_size: int = 8) -> Files:
    """A random network of so many tokens, without a tokenizer."""
    data = changed(files(), hidden_size=hidden_size, n_heads=2, cond_dim=4, n_blocks=1)
    data["config.json"] = json.dumps({**json.loads(data["config.json"]), "tokens": tokens}).encode()
    return {**data, "model.safetensors": save(random_weights(json.loads(data["config.json"])))}


def random_weights(config: dict[str, object]) -> dict[str, Tensor]:
    from sedd_cli.models.backbones.ddit import DDiT
    from sedd_cli.models.config import Config

    read = Config.model_validate(config)
    torch.manual_seed(0)
    return dict(DDiT(read.model, read.process().states).state_dict())


@pytest.mark.parametrize("redirected", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_gpt2s_tokenizer_comes_with_a_checkpoint_that_needs_it(hub: Hub, run: Run, redirected: bool) -> None:
    hub.add(NAME, sized(tokens=50257))
    hub.add("openai-community/gpt2", {"tokenizer.json": make_tokenizer("bytes", []).save(), "model.safetensors": b"0"})
    if redirected:
        hub.redirects["gpt2"] = "openai-community/gpt2"
    done = run("download", NAME)
    assert done.returncode == 0 and "GPT-2's tokenizer.json" in done.stderr
    assert len(hub.gets("cdn")) == 1
    written = run("generate", "Hello", "-m", NAME, "--length", "8", "--steps", "4", HF_HUB_OFFLINE="1")
    assert written.stdout.startswith("Hello"), written.stderr
    hub.asked.clear()
    assert run("download", NAME).returncode == 0
    assert not any("gpt2" in line for line in hub.asked)


def test_its_own_tokenizer_is_taken(hub: Hub, run: Run) -> None:
    hub.add(NAME, {**sized(tokens=50257), "tokenizer.json": make_tokenizer("bytes", []).save()})
    done = run("download", NAME)
    assert (Path(done.stdout.strip()) / "tokenizer.json").is_file()
    assert not any("gpt2" in line for line in hub.asked)


def test_in_a_pipe_nothing_is_downloaded_unasked(hub: Hub, run: Run) -> None:
    hub.add(NAME, files())
    failed(run("generate", "-m", NAME), 3, f"sedd download {NAME}")
    assert hub.asked == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_it_is_downloaded_after_naming_its_size(hub: Hub, environment: dict[str, str]) -> None:
    hub.add(NAME, files())
    ours, theirs = os.openpty()
    command = [*SEDD, "generate", "-m", NAME, "--json", "--steps", "4", "--no-live"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
        out = process.communicate(timeout=120)[0]
    os.close(ours)
    assert process.returncode == 0 and json.loads(out)["model"]["name"] == NAME
    assert b"asking the hub" in said and b"model.safetensors" in said and b"kB" in said and b"of memory" in said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 10_000)
    except OSError:  # its other end is closed
        return b""


SMALL = {
    "tokens": 50257,
    "noise": {"type": "loglinear", "sigma_min": 1e-4, "sigma_max": 20},
    "model": {
        "name": "small",
        "type": "ddit",
        "hidden_size": 768,
        "cond_dim": 128,
        "length": 1024,
        "n_blocks": 12,
        "n_heads": 12,
        "scale_by_sigma": True,
        "dropout": 0.1,
    },
}
LOAD = """
import json, pathlib, re, sys, time
import torch, sedd_cli.models.checkpoint
# Not getrusage: there a process begins with the peak of the one that started it.
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
before, started = peak(), time.monotonic()
checkpoint = sedd_cli.load_checkpoint(sys.argv[1])
seconds, form = time.monotonic() - started, checkpoint.parameterization
print(json.dumps({"seconds": seconds, "bytes": peak() - before, "form": form}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("form", ["SEDD", "RADD"])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_sedd_small_loads_in_little_more_memory_than_its_weights(tmp_path: Path, form: str, file: str) -> None:
    if shutil.disk_usage(tmp_path).free < 2e9:
        pytest.skip("needs 2 GB of disk")
    kind = {"type": "ddit"} if form == "SEDD" else {"type": "ddit_wot"}
    config = {**SMALL, "model": {**SMALL["model"], **kind}}  # type: ignore[dict-item]
    if form == "SEDD":
        config["graph"] = {"type": "absorb"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = random_weights(config)
    path = tmp_path / file
    if file.endswith(".bin"):
        torch.save(weights, path)
    else:
        path.write_bytes(save(weights))
    del weights
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    size = path.stat().st_size
    print(f"{form} {file}: {size / 1e6:.0f} MB, {told['seconds']:.2f} s, {told['bytes'] / size:.2f} times its size")
    assert told["form"] == form and size > 4e8
    assert told["bytes"] < 1.3 * size
    assert told["seconds"] < 30  # 5 s is what it takes at most on a machine of its own
