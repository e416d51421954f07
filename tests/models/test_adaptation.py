"""Autoregressive folders as what training starts from: their weights, MASK, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sedd_cli import NotLoadableError, load_checkpoint
from sedd_cli.models.adaptation import MASK, load_start, read_start
from tests.conftest import Sedd
from tests.models.autoregressive import KINDS, LLAMA3, TOKENS, save_autoregressive
from tests.models.other_families import change


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Llama with the positions of Llama 3; Qwen2 with a tied head, and as many rows as tokens; Qwen3 with more."""
    keys: dict[str, dict[str, object]] = {
        "llama": {"rope_parameters": LLAMA3},
        "qwen2": {"tie_word_embeddings": True},
        "qwen3": {"rows": 264},
    }
    path = tmp_path_factory.mktemp("autoregressive")
    return {kind: save_autoregressive(path / kind, kind, **keys[kind]) for kind in KINDS}  # type: ignore[arg-type]


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the Qwen2 folder."""
    return Path(shutil.copytree(folders["qwen2"], tmp_path / "start"))


@pytest.mark.parametrize("kind", KINDS)
def test_causal_logits_are_those_of_transformers(folders: dict[str, Path], kind: str) -> None:
    """With the shift, each position of a canvas scores the token of the same index: what causal networks call next."""
    from transformers import AutoModelForCausalLM

    start = load_start(str(folders[kind]), shift=True)
    canvas = torch.randint(TOKENS, (2, 300), generator=torch.Generator().manual_seed(1))
    assert start.model.leading_id == 0
    led = torch.cat([torch.zeros(2, 1, dtype=torch.long), canvas], 1)
    with torch.no_grad():
        theirs = AutoModelForCausalLM.from_pretrained(folders[kind])(led).logits[..., :TOKENS]
        features = start.model.backbone.features(led, torch.zeros(2), attention="causal")
        ours = start.model.backbone.head(features)
        full = start.model.backbone.head(start.model.backbone.features(led, torch.zeros(2)))
    assert ours.shape == theirs.shape
    assert float(((ours - theirs).abs() / theirs.abs().clamp(min=1)).max()) <= 1e-4
    assert float((full - theirs)[:, :100].abs().max()) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_mask_is_the_first_state_that_no_token_has(folders: dict[str, Path], kind: str) -> None:
    start, stored = load_start(str(folders[kind]), shift=False), load_file(folders[kind] / "model.safetensors")
    assert start.tokenizer is not None and start.model.leading_id is None
    assert start.mask_id == TOKENS == start.tokenizer.size - 1 and start.tokenizer.id_to_token(TOKENS) == MASK
    assert start.parameterization == "RADD" and start.process.states == TOKENS + 1
    rows, embedding = stored["model.embed_tokens.weight"], start.model.backbone.embedding
    assert torch.equal(embedding[:TOKENS], rows[:TOKENS])
    torch.testing.assert_close(embedding[TOKENS], rows[: TOKENS + 1].mean(0))
    assert read_start(folders[kind], shift=False) == start.config


def test_a_mask_token_that_it_has_is_taken(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"mask_token": "b"}))
    (folder / "added_tokens.json").write_text(json.dumps({"b": 66}))
    start = load_start(str(folder), shift=True)
    assert (start.mask_id, start.process.tokens) == (66, TOKENS - 1)
    assert start.tokenizer is not None and start.tokenizer.size == TOKENS
    torch.testing.assert_close(
        start.model.backbone.embedding[66], load_file(folder / "model.safetensors")["model.embed_tokens.weight"].mean(0)
    )


def test_bytes_that_its_tokenizer_lacks_are_added(tmp_path: Path) -> None:
    """As in SmolLM2's, which has no token for some control characters and for the rarest of first bytes."""
    folder = save_autoregressive(tmp_path / "start", "llama", TOKENS - 2, without="qZ")
    with pytest.raises(NotLoadableError, match="autoregressive llama"):
        load_checkpoint(folder)
    start = load_start(str(folder), shift=True)
    tokenizer = start.tokenizer
    assert tokenizer is not None and tokenizer.size == TOKENS + 1 == start.process.states
    text = "Zq, the quick Zebra"
    assert tokenizer.decode(tokenizer.encode(text)) == text and max(tokenizer.encode(text)) == TOKENS - 1 < TOKENS
    assert start.mask_id == TOKENS and "2 bytes that the tokenizer had no token for have one each" in start.notes


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"num_experts": 8}, "mixture of experts"),
        ({"model_type": "mixtral", "num_local_experts": 8}, "mixture of experts"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantised .gptq."),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "quantised .awq."),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "stretches its positions .yarn."),
        ({"vocab_size": TOKENS - 1}, f"has {TOKENS} tokens, config.json says {TOKENS - 1}"),
        ({"vocab_size": 270}, r"embed_tokens.weight has shape \(257, 32\) instead of \(258, 32\)"),
        ({"eos_token_id": [0, 300]}, f"has {TOKENS} tokens, its configs name token 300"),
        ({"bos_token_id": None, "eos_token_id": None}, "names the token that begins a text"),
        ({"model_type": "gpt_neox"}, "'gpt_neox', which is no masked diffusion model"),
    ],
)
def test_what_cannot_be_adapted_is_named(folder: Path, keys: dict[str, object], message: str) -> None:
    (folder / "generation_config.json").unlink(missing_ok=True)
    change(folder, **keys)
    with pytest.raises(NotLoadableError, match=message):
        load_start(str(folder), shift=True)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    index = {
        "weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors", "x": "model-00002-of-00002.safetensors"}
    }
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(NotLoadableError, match=r"lacks model-00002-of-00002\.safetensors, of the 2 shards"):
        load_start(str(folder), shift=True)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(NotLoadableError, match="has no tokenizer"):
        load_start(str(folder), shift=True)


def test_commands_other_than_train_refuse_it(folder: Path, sedd: Sedd, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a cat sat")
    for command in (
        ["generate"],
        ["infill", str(tmp_path / "text.txt"), "--mask", "2:5"],
        ["score", str(tmp_path / "text.txt")],
    ):
        done = sedd(*command, "-m", str(folder))
        assert done.code == 3 and "autoregressive qwen2" in done.stderr
        assert f"sedd train TEXT --from {folder}" in " ".join(done.stderr.split())
