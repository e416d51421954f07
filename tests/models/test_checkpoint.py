"""Folders that load, and folders that are refused with a reason."""

import json
import pickle
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file

from sedd_cli import Checkpoint, NotLoadableError, UsageError, load_checkpoint
from sedd_cli.atomic import write_file
from sedd_cli.models.checkpoint import read_tokenizer
from sedd_cli.models.folder import read_config
from sedd_cli.models.names import built_in_names
from sedd_cli.text.byte_level import BYTE_ALPHABET
from sedd_cli.training.vocabulary import make_tokenizer
from tests.conftest import enlarge_vocabulary


def edit_config(folder: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def refused(folder: Path | str) -> str:
    with pytest.raises(NotLoadableError) as caught:
        load_checkpoint(folder)
    assert caught.value.hint
    return caught.value.message


def test_built_in(built_in: Checkpoint) -> None:
    assert built_in_names() == ["tinystories", "tinystories-sedd"]
    assert built_in.parameterization == "RADD" and built_in.length == 256
    assert built_in.process.tokens == built_in.mask_id == 8192
    assert built_in.tokenizer is not None
    assert all(p.dtype == torch.float32 for p in built_in.model.parameters())
    assert built_in.validation_bound is not None and 1 < built_in.validation_bound < 3.1


def test_the_other_built_in_is_in_sedd_form() -> None:
    """Its score is nearly what RADD says a score is (theorem 1), and it knows how a name in a story goes on."""
    timed = load_checkpoint("tinystories-sedd")
    assert timed.parameterization == "SEDD" and timed.tokenizer is not None and timed.validation_bound is not None
    ids = timed.tokenizer.encode("Once upon a time, there was a little girl named Lily.")
    x = torch.full((2, 256), timed.mask_id)
    x[:, : len(ids)] = torch.tensor(ids)
    sigma = torch.tensor([1.0, 3.0])
    log_score = timed.model.log_score(x, sigma)[:, len(ids) :, : timed.config.tokens]
    total = log_score.logsumexp(-1) + torch.expm1(sigma).log()[:, None]
    assert total.abs().mean() < 0.3
    after_lily = log_score[0, 0].topk(5).indices.tolist()
    assert " She" in [timed.tokenizer.decode([token]) for token in after_lily]


def test_bin_loads_the_same_as_safetensors(folder: Path) -> None:
    expected = load_checkpoint(folder).model.state_dict()
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    loaded = load_checkpoint(folder).model.state_dict()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_inverse_frequencies_may_be_absent(folder: Path) -> None:
    expected = load_checkpoint(folder).model.backbone.rotary_emb.inv_freq
    weights = load_file(folder / "model.safetensors")
    del weights["rotary_emb.inv_freq"]
    save_file(weights, folder / "model.safetensors")
    torch.testing.assert_close(load_checkpoint(folder).model.backbone.rotary_emb.inv_freq, expected)


def test_half_precision_on_disk_is_float32_in_memory(folder: Path) -> None:
    weights = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    assert all(p.dtype == torch.float32 for p in load_checkpoint(folder).model.parameters())


def test_no_graph_key_means_absorbing(folder: Path) -> None:
    edit_config(folder, lambda c: c.pop("graph"))
    assert load_checkpoint(folder).mask_id == 60


def test_gpt2_pair_of_files_is_a_tokenizer(folder: Path) -> None:
    vocabulary = [*BYTE_ALPHABET, "ab", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({entry: i for i, entry in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    tokenizer = read_tokenizer(folder, read_config(folder).model_copy(update={"tokens": 258}))
    assert tokenizer is not None and tokenizer.end_of_text_id == 257
    assert [vocabulary[i] for i in tokenizer.encode("ab a")] == ["ab", "Ġ", "a"]


@pytest.mark.parametrize("pair", [False, True])
def test_a_byte_order_mark_is_dropped_from_what_a_folder_holds(folder: Path, pair: bool) -> None:
    vocabulary = {entry: i for i, entry in enumerate([*BYTE_ALPHABET, "ab"])}
    if pair:
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    else:
        inner = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("a", "b")]))
        inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = tokenizers.decoders.ByteLevel()
        (folder / "tokenizer.json").write_text(inner.to_str())
    for file in folder.iterdir():
        if file.suffix in (".json", ".txt"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    tokenizer = read_tokenizer(folder, read_config(folder).model_copy(update={"tokens": 257}))
    assert tokenizer is not None and tokenizer.encode("ab a") == [vocabulary[entry] for entry in ("ab", "Ġ", "a")]


def test_gpt2_comes_from_the_hubs_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    commit = "0" * 40
    repository = tmp_path / "hub" / "models--gpt2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_bytes(make_tokenizer("bytes", []).save())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    config = read_config(folder)
    assert read_tokenizer(folder, config) is None
    tokenizer = read_tokenizer(folder, config.model_copy(update={"tokens": 50257}))
    assert tokenizer is not None and tokenizer.size == 257


def test_no_tokenizer_is_none(folder: Path) -> None:
    assert load_checkpoint(folder).tokenizer is None


def test_unknown_name() -> None:
    with pytest.raises(NotLoadableError, match="neither built in nor a folder") as caught:
        load_checkpoint("tinystorys")
    assert "Did you mean 'tinystories'?" in caught.value.hint


def test_a_file_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert "is a file" in refused(tmp_path / "model.safetensors")


def test_folder_without_config(tmp_path: Path) -> None:
    assert "has no config.json" in refused(tmp_path)


def test_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "has no weights" in refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 60}', '{"tokens": "many"}'])
def test_config_that_is_none(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json is not the config of a SEDD or RADD checkpoint" in refused(folder)


def test_config_names_the_faulty_key(folder: Path) -> None:
    edit_config(folder, lambda c: c["model"].update(hidden_size=-1))
    assert "model.hidden_size" in refused(folder)
    edit_config(folder, lambda c: c["model"].update(hidden_size=30))
    assert "not an even multiple of n_heads" in refused(folder)
    edit_config(folder, lambda c: (c["model"].update(hidden_size=32), c["noise"].update(type="linear")))
    assert "noise.type" in refused(folder)


def test_radd_form_needs_absorbing(folder: Path) -> None:
    edit_config(folder, lambda c: (c["model"].update(type="ddit_wot"), c["graph"].update(type="uniform")))
    assert "needs the absorbing process" in refused(folder)


def test_config_and_weights_that_disagree(folder: Path) -> None:
    edit_config(folder, lambda c: c["model"].update(n_blocks=3))
    assert "blocks.2.adaLN_modulation.bias is missing" in refused(folder)
    edit_config(folder, lambda c: (c["model"].update(n_blocks=2), c.update(tokens=61)))
    assert "has shape (61," in refused(folder) and "instead of (62," in refused(folder)


def test_weights_that_were_replaced_are_not_taken_for_those_that_were_loaded(folder: Path) -> None:
    path = folder / "model.safetensors"
    checkpoint, other = load_checkpoint(folder), load_checkpoint(folder)
    expected = sha256(path.read_bytes()).hexdigest()
    assert checkpoint.hash == expected
    # As a training run does it; of the same size.
    write_file(path, path.read_bytes()[:-4] + bytes(4))
    assert checkpoint.hash == expected
    with pytest.raises(NotLoadableError, match="was replaced since it was loaded"):
        other.hash  # noqa: B018 - found when it is asked for
    assert load_checkpoint(folder).hash != expected
    path.unlink()
    with pytest.raises(NotLoadableError, match="has no weights"):
        other.hash  # noqa: B018


def test_weights_with_nan(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["vocab_embed.embedding"][3, 3] = torch.nan
    save_file(weights, folder / "model.safetensors")
    assert "NaN or infinity: vocab_embed.embedding" in refused(folder)


def test_damaged_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "cannot read" in refused(folder)


@pytest.mark.parametrize(
    "pickled", [b".", b"h\x05.", b"G\x00.", b"K\x01Q."], ids=["Index", "Key", "struct", "Unpickling"]
)
def test_pickle_that_is_damaged(folder: Path, pickled: bytes) -> None:
    """Each makes torch raise an error of another class."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02" + pickled)
    assert "pytorch_model.bin" in refused(folder)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_that_wants_to_run_code(folder: Path, tmp_path: Path, legacy: bool) -> None:
    (folder / "model.safetensors").unlink()
    victim = tmp_path / "ran"
    path = folder / "pytorch_model.bin"
    if legacy:
        path.write_bytes(pickle.dumps(Malicious(victim)))
    else:
        torch.save({"vocab_embed.embedding": Malicious(victim)}, path)
    assert "holds more than tensors" in refused(folder)
    assert not victim.exists()


def test_pickle_of_something_else(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save([1, 2, 3], folder / "pytorch_model.bin")
    assert "not a plain table of named tensors" in refused(folder)


def test_tokenizer_that_is_too_large_or_none(folder: Path, built_in: Checkpoint) -> None:
    (folder / "tokenizer.json").write_bytes((built_in.folder / "tokenizer.json").read_bytes())
    assert "the tokenizer in" in refused(folder) and f"{built_in.config.tokens:,} tokens" in refused(folder)
    (folder / "tokenizer.json").write_text("{}")
    assert "cannot read the tokenizer" in refused(folder)


def test_tokenizer_without_the_byte_alphabet(folder: Path) -> None:
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "<|endoftext|>": 4}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    assert "240 of the 243 bytes of UTF-8 have no token (0, 1, 2, " in refused(folder)


def test_tokenizer_that_adds_a_blank_is_corrected_and_noted(folder: Path) -> None:
    description = json.loads(make_tokenizer("bytes", []).save())
    description["pre_tokenizer"]["add_prefix_space"] = True
    (folder / "tokenizer.json").write_text(json.dumps(description))
    enlarge_vocabulary(folder, 257)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.tokenizer is not None and checkpoint.tokenizer.encode("a") != checkpoint.tokenizer.encode(" a")
    assert any("add_prefix_space" in note for note in checkpoint.notes)


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        ('{"a": 0, "b"', "a b\n", "vocab.json and merges.txt: .* EOF while parsing"),
        ('{"a": 0}', "a b\n", "Token `b` out of vocabulary"),
        ('{"a": 0, "b": 1}', "a b\n", "vocab.json and merges.txt"),  # the library panics
        ('{"a": 0, "b": 1, "ab": 2}', "a b c\n", "invalid at line 1"),
        ('{"a": 0, "b c": 1}', "", "entry 1, 'b c', is not byte-level"),
    ],
)
def test_pair_of_files_that_is_no_tokenizer(folder: Path, vocabulary: str, merges: str, message: str) -> None:
    (folder / "vocab.json").write_text(vocabulary)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}")
    assert re.search(f"cannot read the tokenizer in .*{message}", refused(folder))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "cpu:", "cuda:99", ""])
def test_device_that_is_not_there(device: str) -> None:
    with pytest.raises(UsageError, match="device"):
        load_checkpoint(device=device)


def test_dtype_that_a_cpu_does_not_have() -> None:
    with pytest.raises(UsageError, match="CUDA and MPS only"):
        load_checkpoint(dtype="float16")
    with pytest.raises(UsageError, match="unknown dtype"):
        load_checkpoint(dtype="float8")
