"""Layouts of real checkpoints: shards, prefixes, states of training runs, padding, files that only stand for others."""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor

from sedd_cli import Checkpoint, NotLoadableError, load_checkpoint
from sedd_cli.models.folder import folder_size, has_weights
from tests.conftest import PARITY, Sedd, enlarge_vocabulary
from tests.models.other_families import change

Tensors = dict[str, Tensor]
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 27200000\n"


def take_weights(folder: Path) -> Tensors:
    """The weights of a folder, and their file removed."""
    weights = load_file(folder / "model.safetensors")
    copies = {name: tensor.clone() for name, tensor in weights.items()}
    (folder / "model.safetensors").unlink()
    return copies


def assert_holds(checkpoint: Checkpoint, weights: Tensors) -> None:
    loaded = checkpoint.model.backbone.state_dict()
    buffers = checkpoint.model.backbone.derived_buffers()
    assert all(torch.equal(loaded[name], weights[name]) for name in loaded.keys() - buffers.keys())


def refusal(folder: Path) -> NotLoadableError:
    with pytest.raises(NotLoadableError) as caught:
        load_checkpoint(folder)
    assert "weights_only" not in str(caught.value) and caught.value.hint
    return caught.value


def write_shards(folder: Path, name: str, save: Callable[[Tensors, Path], object]) -> Tensors:
    weights = take_weights(folder)
    stem, suffix = name.split(".")
    where = {key: f"{stem}-{1 + i % 3:05d}-of-00003.{suffix}" for i, key in enumerate(weights)}
    for shard in set(where.values()):
        save({key: weights[key] for key, file in where.items() if file == shard}, folder / shard)
    (folder / f"{name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return weights


@pytest.mark.parametrize(
    ("name", "save"), [("model.safetensors", save_file), ("pytorch_model.bin", torch.save)], ids=["safetensors", "bin"]
)
def test_shards(folder: Path, name: str, save: Callable[[Tensors, Path], object]) -> None:
    weights = write_shards(folder, name, save)
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert not checkpoint.notes and len(checkpoint.hash) == 64
    stem, suffix = name.split(".")
    third = folder / f"{stem}-00003-of-00003.{suffix}"
    other = load_checkpoint(folder)
    third.write_bytes(third.read_bytes())
    with pytest.raises(NotLoadableError, match="was replaced since it was loaded"):
        other.hash  # noqa: B018 - found when it is asked for
    third.unlink()
    assert f"lacks {third.name}, of the 3 shards that {name}.index.json names" in refusal(folder).message
    assert not has_weights(folder)


@pytest.mark.parametrize(
    "index", ["", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../b"}}', '{"weight_map": 1}']
)
def test_an_index_that_is_none(folder: Path, index: str) -> None:
    take_weights(folder)
    (folder / "model.safetensors.index.json").write_text(index)
    assert "is not an index of shards" in refusal(folder).message


@pytest.mark.parametrize("prefix", ["model.", "module.", "backbone.", "_orig_mod.", "module._orig_mod.model."])
def test_a_prefix_of_all_names_is_taken_off_and_noted(folder: Path, prefix: str) -> None:
    weights = take_weights(folder)
    save_file({prefix + name: tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.notes == (f"the prefix {prefix} was taken off the names of the weights",)


def test_blocks_that_were_compiled_one_by_one(folder: Path) -> None:
    weights = take_weights(folder)
    named = {name.replace("blocks.0.", "blocks.0._orig_mod."): tensor for name, tensor in weights.items()}
    save_file(named, folder / "model.safetensors")
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.notes == ("the prefix _orig_mod. was taken off the names of the weights",)


def test_a_prefix_of_some_names_is_a_fault(folder: Path) -> None:
    weights = take_weights(folder)
    weights["model.sigma_map.mlp.0.bias"] = weights.pop("sigma_map.mlp.0.bias")
    save_file(weights, folder / "model.safetensors")
    assert "model.sigma_map.mlp.0.bias is not part of it" in refusal(folder).message


@pytest.mark.parametrize("file", ["pytorch_model.bin", "last.ckpt", "step=9.ckpt", "best.pth"])
@pytest.mark.parametrize("key", ["state_dict", "model", "ema"])
def test_weights_among_other_things(folder: Path, file: str, key: str) -> None:
    weights = take_weights(folder)
    other = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    beside = {"model": other} if key == "ema" else {}
    torch.save({"optimizer": {"state": {}}, "epoch": 3, **beside, key: weights}, folder / file)
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.notes == (f"the weights are those under {key!r} in {file}",)


def test_an_average_that_cannot_be_read_is_named(folder: Path) -> None:
    weights = take_weights(folder)
    torch.save({"model": weights, "ema": {"decay": 0.9}}, folder / "pytorch_model.bin")
    checkpoint = load_checkpoint(folder)
    assert checkpoint.notes == ("the weights are those under 'model', not 'ema', in pytorch_model.bin",)


def test_several_files_none_of_which_is_the_one(folder: Path) -> None:
    weights = take_weights(folder)
    for name in ("a.ckpt", "b.pth"):
        torch.save(weights, folder / name)
    assert "has several weights: a.ckpt, b.pth" in refusal(folder).message
    (folder / "b.pth").rename(folder / "last.ckpt")
    assert load_checkpoint(folder).notes == ("the weights are those in last.ckpt",)


def write_run(folder: Path, model: torch.nn.Module, shadow: list[Tensor]) -> None:
    """A run folder as the original code leaves it."""
    config = json.loads((folder / "config.json").read_text())
    shutil.rmtree(folder)
    (folder / ".hydra").mkdir(parents=True)
    (folder / "checkpoints-meta").mkdir()
    # As hydra writes it: numbers such as 1e-4, references between keys.
    text = yaml.safe_dump({**config, "work_dir": "exp/${data.train}"}).replace("sigma_min: 0.0001", "sigma_min: 1e-4")
    (folder / ".hydra" / "config.yaml").write_text(text)
    state = {
        "optimizer": {"state": {0: {"step": torch.tensor(10.0), "exp_avg": shadow[0]}}, "param_groups": [{"lr": 3e-4}]},
        "model": model.state_dict(),
        "ema": {"decay": 0.9999, "num_updates": 10, "shadow_params": shadow},
        "step": 10,
    }
    torch.save(state, folder / "checkpoints-meta" / "checkpoint.pth")


def test_a_run_of_the_original_code(folder: Path, sedd: Sedd) -> None:
    """Its averages are a list in the order of the parameters, in which buffers are not."""
    before = load_checkpoint(folder)
    backbone = before.model.backbone.requires_grad_(True)
    write_run(folder, backbone, [2 * p.detach() for p in backbone.parameters()])
    checkpoint = load_checkpoint(folder)
    assert checkpoint.config.model == before.config.model and checkpoint.config.noise == before.config.noise
    assert_holds(checkpoint, {name: 2 * tensor for name, tensor in backbone.state_dict().items()})
    assert checkpoint.notes == ("the weights are those under 'ema' in checkpoint.pth",)
    assert folder_size(folder) > (folder / "checkpoints-meta" / "checkpoint.pth").stat().st_size - 1
    shown = json.loads(sedd("models", "show", str(folder), "--json").stdout)
    assert shown["config"]["work_dir"] == "exp/${data.train}" and shown["sha256"] == checkpoint.hash


def test_averages_of_another_network(folder: Path) -> None:
    backbone = load_checkpoint(folder).model.backbone.requires_grad_(True)
    write_run(folder, backbone, [p.detach() for p in backbone.parameters()][1:])
    assert "are not those of its 30 parameters" in refusal(folder).message


def test_averages_of_shared_parameters(folder: Path) -> None:
    weights = take_weights(folder)
    del weights["rotary_emb.inv_freq"]
    weights["output_layer.linear.weight"] = weights["vocab_embed.embedding"]
    shadow = [3 * tensor for name, tensor in weights.items() if name != "vocab_embed.embedding"]
    torch.save({"model": weights, "ema": {"shadow_params": shadow}}, folder / "pytorch_model.bin")
    assert_holds(load_checkpoint(folder), {name: 3 * tensor for name, tensor in weights.items()})


def test_a_config_that_is_no_yaml(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / ".hydra").mkdir()
    for text in ("tokens: [", "a text", "", "tokens: 60"):
        (folder / ".hydra" / "config.yaml").write_text(text)
        assert "config.yaml is not the config of a SEDD or RADD checkpoint" in refusal(folder).message


def save_with_settings(folder: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> Tensors:
    """A Lightning checkpoint with hyperparameters of a class of `module`, which is gone when it is read."""
    weights = take_weights(folder)
    made = ModuleType(module)
    made.DictConfig = type("DictConfig", (), {"__module__": module})  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.split(".")[0], ModuleType(module.split(".")[0]))
        patch.setitem(sys.modules, module, made)
        settings = made.DictConfig()
        settings.content = {"path": Path("data"), "nested": made.DictConfig()}
        state = {"backbone." + name: tensor for name, tensor in weights.items()}
        torch.save({"hyper_parameters": {"config": settings}, "state_dict": state}, folder / "last.ckpt")
    return weights


def test_settings_beside_the_weights_are_not_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = save_with_settings(folder, "omegaconf.dictconfig", monkeypatch)
    before = set(torch.serialization.get_safe_globals())
    assert_holds(load_checkpoint(folder), weights)
    assert "omegaconf.dictconfig" not in sys.modules and set(torch.serialization.get_safe_globals()) == before


def test_objects_of_other_packages_are_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_with_settings(folder, "somebody.code", monkeypatch)
    assert "holds more than tensors (pathlib.PosixPath, somebody.code.DictConfig)" in refusal(folder).message


def test_a_script_is_refused_in_our_own_words(folder: Path) -> None:
    take_weights(folder)
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as file:
        for part in ("data.pkl", "constants.pkl", "version"):
            file.writestr(f"archive/{part}", "3")
    assert refusal(folder).message.endswith("pytorch_model.bin: RuntimeError")


def pad(folder: Path, rows: int) -> None:
    weights = load_file(folder / "model.safetensors")
    states = len(weights["vocab_embed.embedding"])
    for name, tensor in weights.items():
        if len(tensor) == states:
            weights[name] = torch.cat([tensor, torch.full((rows - states, *tensor.shape[1:]), 7.0)])
    save_file(weights, folder / "model.safetensors")


def test_rows_beyond_the_vocabulary_are_dropped_and_noted(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "radd"))
    weights = load_file(folder / "model.safetensors")
    pad(folder, 64)
    error = refusal(folder)
    assert ", as where a vocabulary is padded by 3 rows" in error.message and '"mask_id": 60' in error.hint
    change(folder, mask_id=60)
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.notes == ("3 rows of the weights beyond the 61 states are padding, and were dropped",)


def test_padding_that_scores_depend_on_is_named(folder: Path) -> None:
    pad(folder, 64)
    error = refusal(folder)
    assert "has shape (64,) instead of (61,), as where a vocabulary is padded by 3 rows" in error.message
    assert '"tokens": 63' in error.hint and '"mask_id": 60' in error.hint
    change(folder, tokens=63, mask_id=60)
    assert load_checkpoint(folder).mask_id == 60


def test_another_vocabulary_is_no_padding(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "radd"))
    enlarge_vocabulary(folder, 62)
    change(folder, tokens=60)
    error = refusal(folder)
    assert "instead of (61,)" in error.message and "padded" not in error.message


def test_a_tied_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["output_layer.linear.weight"]
    save_file(weights, folder / "model.safetensors")
    error = refusal(folder)
    assert "output_layer.linear.weight is missing, as where a head is tied to the embedding" in error.message
    assert '"tie_word_embeddings": true' in error.hint
    change(folder, tie_word_embeddings=True)
    assert_holds(load_checkpoint(folder), {**weights, "output_layer.linear.weight": weights["vocab_embed.embedding"]})


def test_a_tied_head_that_safetensors_stored_once(folder: Path) -> None:
    backbone = load_checkpoint(folder).model.backbone
    backbone.output_layer.linear.weight = backbone.embedding  # type: ignore[union-attr]
    save_model(backbone, str(folder / "model.safetensors"))
    assert len(load_file(folder / "model.safetensors")) == len(backbone.state_dict()) - 1
    assert_holds(load_checkpoint(folder), backbone.state_dict())


@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "tokenizer.json"],
)
@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (POINTER, "is a git-lfs pointer", "git lfs pull"),
        ("\n<!DOCTYPE html><title>Not found</title>", "is a web page", "/resolve/"),
    ],
    ids=["lfs", "html"],
)
def test_a_file_that_stands_for_another(folder: Path, name: str, content: str, message: str, hint: str) -> None:
    if name.startswith(("model", "pytorch_model")):
        take_weights(folder)
    (folder / name).write_text(content)
    error = refusal(folder)
    assert f"{folder / name} {message}" in error.message and hint in error.hint


def test_notes_are_information_for_a_user(folder: Path, sedd: Sedd) -> None:
    weights = take_weights(folder)
    torch.save({"state_dict": weights}, folder / "last.ckpt")
    done = sedd("generate", "-m", str(folder), "--json", "--steps", "2")
    assert done.code == 0 and "the weights are those under 'state_dict' in last.ckpt\n" in done.stderr
    assert "state_dict" not in sedd("generate", "-m", str(folder), "--json", "--steps", "2", "-q").stderr
